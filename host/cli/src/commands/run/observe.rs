//! `longshore run --observe`: what the run used, and the smallest manifest section and policy that would have sufficed, as a
//! change to what there is. What counts as used is decided in `host/policy`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use longshore::Prepared;
use longshore::engine::{Ready, Uses};
use longshore::policy::{Change, Grant, Needs, Observed, Role, What};
use longshore::reference::Digest;

/// The components of a run, with what they asked for and were granted.
pub(super) struct Watched(Vec<(Needs, Arc<Grant>)>);

impl Watched {
    /// Everything that may be called in this run.
    pub(super) fn of(prepared: &Prepared) -> Self {
        let mut watched = Self(Vec::new());
        watched.add(prepared.ready(), Role::Root, &mut BTreeSet::new());
        watched
    }

    fn add(&mut self, ready: &Ready, role: Role, seen: &mut BTreeSet<(Digest, String)>) {
        let compiled = ready.compiled();
        let interface = match &role {
            Role::Root => String::new(),
            Role::Dependency { interface } => interface.clone(),
        };
        if !seen.insert((compiled.digest(), interface)) {
            return;
        }
        let needs = Needs {
            component: compiled.digest(),
            source: compiled.source().clone(),
            role,
            imports: compiled.imports().to_vec(),
            manifest: compiled.manifest().cloned(),
            signers: compiled.signers().to_vec(),
        };
        self.0.push((needs, Arc::clone(ready.grant())));
        for (interface, below) in ready.links().iter() {
            self.add(below, Role::Dependency { interface: interface.clone() }, seen);
        }
    }

    /// What would have sufficed for each.
    pub(super) fn after(&self, uses: &Uses) -> Vec<Observed> {
        let none = BTreeSet::new();
        let observed = |(needs, grant): &(Needs, Arc<Grant>)| {
            Observed::of(needs, grant, uses.scopes.get(&needs.component).unwrap_or(&none))
        };
        self.0.iter().map(observed).collect()
    }
}

/// The observations as a person reads them: a diff for each manifest and for the policy.
pub(super) fn text(observed: &[Observed], more: bool) -> String {
    let mut text = String::new();
    for one in observed {
        if one.used.is_empty() && one.is_smallest() {
            let _ = writeln!(text, "{}: used nothing, and asks for nothing", one.component);
            continue;
        }
        if one.is_smallest() {
            let _ = writeln!(text, "{}: manifest and policy are as small as can be", one.component);
            continue;
        }
        let _ = writeln!(text, "{}: what would have sufficed", one.component);
        section(&mut text, "longshore.toml", &one.manifest);
        section(&mut text, "policy", &one.policy);
    }
    if more {
        text.push_str("the run used more scopes than are remembered: this is not all\n");
    }
    text.truncate(text.trim_end().len());
    text
}

fn section(text: &mut String, name: &str, changes: &[Change]) {
    if changes.iter().all(|change| change.what == What::Keep) {
        return;
    }
    let _ = writeln!(text, "  --- {name}");
    for change in changes {
        let sign = match change.what {
            What::Keep => ' ',
            What::Remove => '-',
            What::Add => '+',
        };
        for line in change.text.lines() {
            let _ = writeln!(text, "  {sign} {line}");
        }
    }
}
