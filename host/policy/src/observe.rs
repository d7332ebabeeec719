//! What would have sufficed: from what a run used of a grant to the smallest manifest section and the smallest policy, each as
//! a change to what there is. Pure text and types; the uses are counted elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use longshore_model::{HttpScope, Scope};
use longshore_reference::Request;
use serde::Serialize;

use crate::{Grant, Granted, Hint, Needs, hint, manifest_entry};

/// Paths below one host that are told apart; beyond that the folder they share is named.
const MAX_PATHS: usize = 8;

/// What one component used, and what would have sufficed for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Observed {
    /// The component as rules name it.
    pub component: String,
    /// What it used, as narrowly as it can be told.
    pub used: Vec<Scope>,
    /// What would change in its manifest.
    pub manifest: Vec<Change>,
    /// What would change in the operator's policy.
    pub policy: Vec<Change>,
}

/// One line of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// Whether it stays, goes or comes.
    pub what: What,
    /// The scope.
    pub scope: Scope,
    /// As TOML; for what goes from a policy, the rule.
    pub text: String,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It is there and needed as it is.
    Keep,
    /// It is there and wider than what was used, or was not used at all.
    Remove,
    /// It was used and is not there so narrowly.
    Add,
}

impl Observed {
    /// Compares what `needs` asked for and was granted with what it used.
    #[must_use]
    pub fn of(needs: &Needs, grant: &Grant, uses: &BTreeSet<Scope>) -> Self {
        let used = narrowed(uses);
        let requests = needs.manifest.as_ref().map_or(&[][..], |m| &m.requests);
        let manifest = match needs.manifest {
            Some(_) => manifest_changes(requests, &used),
            // It has none: what it would have to say is all new.
            None => used.iter().map(|scope| add(scope, manifest_entry(scope))).collect(),
        };
        let policy = policy_changes(needs, grant, &used);
        Self { component: needs.pattern(), used, manifest, policy }
    }

    /// Whether manifest and policy are as small as they can be.
    #[must_use]
    pub fn is_smallest(&self) -> bool {
        self.manifest.iter().chain(&self.policy).all(|change| change.what == What::Keep)
    }
}

fn add(scope: &Scope, text: String) -> Change {
    Change { what: What::Add, scope: scope.clone(), text }
}

fn manifest_changes(requests: &[Request], used: &[Scope]) -> Vec<Change> {
    let mut changes = Vec::new();
    for request in requests {
        let exact = used.contains(&request.scope);
        let what = if exact { What::Keep } else { What::Remove };
        let text = with_reason(&request.scope, &request.reason);
        changes.push(Change { what, scope: request.scope.clone(), text });
    }
    for scope in used.iter().filter(|scope| requests.iter().all(|r| r.scope != **scope)) {
        // The author's reason stays true for a part of what was asked for.
        let wider = requests.iter().find(|request| scope.is_within(&request.scope));
        let text = match wider {
            Some(request) => with_reason(scope, &request.reason),
            None => manifest_entry(scope),
        };
        changes.push(add(scope, text));
    }
    changes
}

fn with_reason(scope: &Scope, reason: &str) -> String {
    let reason = toml::Value::from(reason);
    manifest_entry(scope).replace("reason = \"…\"", &format!("reason = {reason}"))
}

fn policy_changes(needs: &Needs, grant: &Grant, used: &[Scope]) -> Vec<Change> {
    let mut changes = Vec::new();
    let granted = grant.scopes();
    for own in granted {
        let what = if used.contains(own.scope()) { What::Keep } else { What::Remove };
        let text = format!("{}: {}", own.rule(), own.scope());
        changes.push(Change { what, scope: own.scope().clone(), text });
    }
    for scope in used.iter().filter(|scope| granted.iter().all(|g| g.scope() != *scope)) {
        let behind = granted.iter().find(|granted| scope.is_within(granted.scope()));
        changes.push(add(scope, rule(needs, scope, behind)));
    }
    changes
}

/// The rule that allows `scope` and no more, with what stands behind the wider one.
fn rule(needs: &Needs, scope: &Scope, behind: Option<&Granted>) -> String {
    let text = match hint::operator(scope, &needs.role, &needs.pattern()) {
        Hint::Operator { policy, .. } => policy,
        Hint::Author { .. } | Hint::Approval { .. } | Hint::Forbidden { .. } => String::new(),
    };
    match (scope, behind.map(Granted::parameter)) {
        (Scope::Dir { path, .. }, Some(crate::Parameter::Folder(folder))) => {
            let stand_in = toml::Value::from(format!(".{path}")).to_string();
            let own = toml::Value::from(folder.to_string_lossy().into_owned()).to_string();
            text.replace(&format!("host = {stand_in}"), &format!("host = {own}"))
        }
        _ => text,
    }
}

/// The uses as scopes that one would write: each once, none within another, methods of one path together, and where there are
/// many paths below one host the folder that they share.
fn narrowed(uses: &BTreeSet<Scope>) -> Vec<Scope> {
    let outermost =
        |scope: &&Scope| !uses.iter().any(|other| other != *scope && scope.is_within(other));
    let mut scopes: Vec<Scope> = Vec::new();
    let mut servers: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for scope in uses.iter().filter(outermost) {
        match scope {
            Scope::Http(http) => {
                let (server, path) = (server(http), http.path().to_owned());
                let methods = http.methods().map(str::to_owned);
                servers.entry(server).or_default().entry(path).or_default().extend(methods);
            }
            other => scopes.push(other.clone()),
        }
    }
    for (server, mut paths) in servers {
        if paths.len() > MAX_PATHS {
            let shared = shared_folder(paths.keys());
            let methods = paths.into_values().flatten().collect();
            paths = BTreeMap::from([(shared, methods)]);
        }
        for (path, methods) in paths {
            let methods = methods.into_iter().collect::<Vec<_>>().join(",");
            let text = format!("{methods} {server}{path}");
            scopes.extend(text.trim_start().parse().map(Scope::Http));
        }
    }
    scopes
}

/// Scheme, host and port, as a scope writes them.
fn server(http: &HttpScope) -> String {
    let port = http.port().map_or_else(|| "*".to_owned(), |port| port.to_string());
    format!("{}://{}:{port}", http.scheme(), http.host())
}

/// The longest path of whole parts that all of `paths` begin with.
fn shared_folder<'p>(mut paths: impl Iterator<Item = &'p String>) -> String {
    let first = paths.next().map(String::as_str).unwrap_or_default();
    let mut shared: Vec<&str> = first.split('/').collect();
    for path in paths {
        let same = shared.iter().zip(path.split('/')).take_while(|(a, b)| **a == *b).count();
        shared.truncate(same);
    }
    shared.join("/")
}

#[cfg(test)]
mod tests {
    use longshore_reference::{Digest, Manifest, Source};

    use super::*;
    use crate::{Policy, Role};

    const ASKS: &str = "[package]\nname = \"x\"\nversion = \"1.0.0\"\nkind = \"action\"\n\
        [capabilities.clock]\nreason = \"dates\"\n\
        [capabilities.random]\nreason = \"ids\"\n\
        [[capabilities.http]]\nscope = \"https://*\"\nreason = \"pages\"\n\
        [[capabilities.dir]]\npath = \"/s\"\naccess = \"rw\"\nreason = \"store\"\n";

    fn needs() -> Needs {
        Needs {
            component: Digest::of(b"x"),
            source: Source::Registry("r.example/x:1".parse().unwrap()),
            role: Role::Root,
            imports: Vec::new(),
            manifest: Some(Manifest::from_toml(ASKS, "longshore.toml").unwrap()),
            signers: Vec::new(),
        }
    }

    fn uses(texts: &[&str]) -> BTreeSet<Scope> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn observed(used: &[&str]) -> Observed {
        let mut policy = Policy::default();
        for flag in ["clock", "random", "http=https://*.example.com", "dir=/s=./store:rw"] {
            policy.allow_flag(flag).unwrap();
        }
        let needs = needs();
        Observed::of(&needs, &policy.decide(&needs).unwrap(), &uses(used))
    }

    fn lines(changes: &[Change]) -> Vec<String> {
        let sign = |what| match what {
            What::Keep => ' ',
            What::Add => '+',
            What::Remove => '-',
        };
        changes.iter().map(|change| format!("{}{}", sign(change.what), change.scope)).collect()
    }

    #[test]
    fn what_was_not_used_goes_and_what_was_too_wide_becomes_narrow() {
        let seen = observed(&["clock", "http=GET https://api.example.com/v1", "dir=/s:ro"]);
        let narrow = "+http=GET https://api.example.com/v1";
        assert_eq!(
            lines(&seen.manifest),
            [" clock", "-random", "-http=https://*", "-dir=/s:rw", "+dir=/s:ro", narrow]
        );
        assert_eq!(
            lines(&seen.policy),
            [
                " clock",
                "-random",
                "-http=https://*.example.com",
                "-dir=/s:rw",
                "+dir=/s:ro",
                narrow
            ]
        );
        let text = |changes: &[Change], n: usize| changes[n].text.clone();
        assert!(text(&seen.manifest, 5).ends_with("reason = \"pages\""), "the author's reason");
        assert!(text(&seen.policy, 4).contains("host = \"./store\""), "{}", text(&seen.policy, 4));
        assert!(!seen.is_smallest());
    }

    #[test]
    fn following_the_change_leaves_nothing_to_change() {
        let used = ["clock", "http=GET https://api.example.com/v1", "dir=/s:ro"];
        let seen = observed(&used);
        let kept = |changes: &[Change]| -> Vec<Change> {
            changes.iter().filter(|change| change.what != What::Remove).cloned().collect()
        };
        let (head, _) = ASKS.split_once("[capabilities.clock]").unwrap();
        let sections: Vec<_> = kept(&seen.manifest).into_iter().map(|c| c.text).collect();
        let manifest = format!("{head}{}", sections.join("\n"));
        let needs =
            Needs { manifest: Some(Manifest::from_toml(&manifest, "m").unwrap()), ..needs() };
        let rules: Vec<_> = seen.policy.iter().filter(|c| c.what == What::Add).collect();
        let rules: Vec<_> = rules.into_iter().map(|change| change.text.clone()).collect();
        let policy = format!("version = 1\n[[allow]]\nclock = true\n{}", rules.join("\n"));
        let policy = Policy::from_toml(&policy, "p.toml").unwrap();
        let grant = policy.decide(&needs).unwrap();
        assert!(Observed::of(&needs, &grant, &uses(&used)).is_smallest());
    }

    #[test]
    fn many_paths_below_one_host_become_the_folder_they_share() {
        let paths: Vec<_> =
            (0..20).map(|n| format!("http=GET https://api.example.com/v1/items/{n}")).collect();
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        let one = narrowed(&uses(&paths));
        assert_eq!(one, ["http=GET https://api.example.com/v1/items".parse().unwrap()]);
        let two =
            narrowed(&uses(&["http=GET https://a.example/x", "http=PUT https://a.example/x"]));
        assert_eq!(two, ["http=GET,PUT https://a.example/x".parse().unwrap()]);
        let within = narrowed(&uses(&["dir=/s:ro", "dir=/s:rw"]));
        assert_eq!(within, ["dir=/s:rw".parse().unwrap()]);
    }
}
