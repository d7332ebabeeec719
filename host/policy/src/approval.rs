//! What an operator accepted of a component, who did, and what a later version asks beyond it.
//!
//! Pure: the list comes in as JSON and goes out as JSON. A component that nobody approved is not held; one that asks for more
//! than its last approval is, until somebody approves that too.

use std::collections::BTreeMap;

use longshore_model::{CapabilityKind, LimitName, Scope};
use longshore_reference::{Digest, Manifest, Request};
use serde::{Deserialize, Serialize};

use crate::{Denial, Error, Hint, Needs, Policy};

/// The version of the list's form.
const FORMAT: u64 = 1;
/// The largest list that is read, in bytes.
const MAX_BYTES: usize = 8 << 20;

/// One acceptance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Approval {
    /// The component as rules name it: a repository with its registry, or `file:NAME`.
    pub component: String,
    /// The very component that was looked at.
    pub digest: Digest,
    /// The version that it says it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it asks for, and what is accepted thereby.
    pub scopes: Vec<Scope>,
    /// The limits that it wants.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<LimitName, u64>,
    /// Who accepted it.
    pub by: String,
    /// When, in RFC 3339.
    pub at: String,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// All acceptances of a host, the oldest first; of each component the last one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approvals(Vec<Approval>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    version: u64,
    approvals: Vec<Approval>,
}

impl Approvals {
    /// Reads the list; `file` is its name for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Approvals`] when the text is not a list of a version that is known.
    pub fn from_json(text: &str, file: &str) -> Result<Self, Error> {
        let fail = |reason: String| Error::Approvals { file: file.to_owned(), reason };
        if text.len() > MAX_BYTES {
            return Err(fail(format!("it is larger than {MAX_BYTES} bytes")));
        }
        let written: Written = serde_json::from_str(text).map_err(|why| fail(why.to_string()))?;
        if written.version != FORMAT {
            let version = written.version;
            return Err(fail(format!("its version is {version}, and {FORMAT} is what is read")));
        }
        Ok(Self(written.approvals))
    }

    /// The list as text that reads back.
    #[must_use]
    pub fn to_json(&self) -> String {
        let written = Written { version: FORMAT, approvals: self.0.clone() };
        let mut text = serde_json::to_string_pretty(&written).unwrap_or_default();
        text.push('\n');
        text
    }

    /// All of them, the oldest first.
    #[must_use]
    pub fn all(&self) -> &[Approval] {
        &self.0
    }

    /// The one that counts for `component`.
    #[must_use]
    pub fn last(&self, component: &str) -> Option<&Approval> {
        self.0.iter().rev().find(|approval| approval.component == component)
    }

    /// Adds one, which counts from now on.
    pub fn accept(&mut self, approval: Approval) {
        self.0.push(approval);
    }

    /// Forgets all of `component`, so that it is no longer held; how many there were.
    pub fn revoke(&mut self, component: &str) -> usize {
        let before = self.0.len();
        self.0.retain(|approval| approval.component != component);
        before - self.0.len()
    }
}

/// What one version asks for and another does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Asked {
    /// The scope.
    pub scope: Scope,
    /// The nearest that the other version asks for: of the same kind, and sharing something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<Scope>,
    /// The author's reason.
    pub reason: String,
    /// Whether it also runs without it.
    pub optional: bool,
}

/// The requests of `new` that are not within `old`.
#[must_use]
pub fn widening(old: &[Scope], new: &[Request]) -> Vec<Asked> {
    let beyond = |request: &&Request| !old.iter().any(|scope| request.scope.is_within(scope));
    let asked = |request: &Request| Asked {
        scope: request.scope.clone(),
        instead_of: old.iter().find(|scope| request.scope.intersect(scope).is_some()).cloned(),
        reason: request.reason.clone(),
        optional: request.optional,
    };
    new.iter().filter(beyond).map(asked).collect()
}

/// The scopes of a manifest's requests.
#[must_use]
pub fn scopes_of(manifest: Option<&Manifest>) -> Vec<Scope> {
    manifest.iter().flat_map(|m| &m.requests).map(|request| request.scope.clone()).collect()
}

impl Policy {
    /// Holds every component that asks for more than its last approval in `approvals`.
    pub fn hold(&mut self, approvals: Approvals) {
        self.approvals = approvals;
    }

    /// What `needs` asks beyond its last approval.
    pub(crate) fn held(&self, needs: &Needs) -> Vec<Denial> {
        let Some(approval) = self.approvals.last(&needs.pattern()) else { return Vec::new() };
        let requests = needs.manifest.iter().flat_map(|m| m.requests.iter().cloned());
        let requests: Vec<_> = requests.collect();
        let version = approval.version.as_deref().unwrap_or("an earlier version");
        let rule = format!(
            "`{}` approved {version} on {} without it",
            approval.by,
            approval.at.split('T').next().unwrap_or_default()
        );
        let denial = |asked: Asked| Denial {
            capability: asked.scope.kind(),
            import: needs.import_of(import_kind(asked.scope.kind())).map(str::to_owned),
            scope: Some(asked.scope),
            reason: Some(asked.reason),
            rule: rule.clone(),
            forbidden_by: Vec::new(),
            hint: Hint::Approval { target: needs.source.to_string() },
        };
        widening(&approval.scopes, &requests).into_iter().map(denial).collect()
    }
}

/// The kind whose import serves this one.
const fn import_kind(kind: CapabilityKind) -> CapabilityKind {
    match kind {
        CapabilityKind::Reveal => CapabilityKind::Secret,
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use longshore_reference::Source;

    use super::*;
    use crate::Role;

    fn manifest(requests: &str) -> Manifest {
        let package = "[package]\nname = \"x\"\nversion = \"2.0.0\"\nkind = \"action\"\n";
        Manifest::from_toml(&format!("{package}{requests}"), "longshore.toml").unwrap()
    }

    fn approval(scopes: &[&str]) -> Approval {
        Approval {
            component: "r.example/x".into(),
            digest: Digest::of(b"old"),
            version: Some("1.0.0".into()),
            scopes: scopes.iter().map(|s| s.parse().unwrap()).collect(),
            limits: BTreeMap::new(),
            by: "ada".into(),
            at: "2026-03-04T05:06:07Z".into(),
            note: None,
        }
    }

    fn needs(source: &str, requests: &str) -> Needs {
        Needs {
            component: Digest::of(b"new"),
            source: Source::Registry(source.parse().unwrap()),
            role: Role::Root,
            imports: vec!["wasi:http/outgoing-handler@0.2.3".into()],
            manifest: Some(manifest(requests)),
            signers: Vec::new(),
        }
    }

    const HTTP: &str =
        "[[capabilities.http]]\nscope = \"GET https://a.example/v1\"\nreason = \"r\"";

    #[test]
    fn what_lies_within_the_approval_is_not_held_and_what_goes_beyond_is() {
        let asks = needs("r.example/x:2.0.0", HTTP);
        for (approved, held) in [
            ("http=GET https://a.example/v1", false),
            ("http=https://a.example", false),
            ("http=https://*.example", false),
            ("http=GET https://a.example/v1/items", true),
            ("http=POST https://a.example/v1", true),
            ("http=https://b.example", true),
            ("clock", true),
        ] {
            let mut policy = Policy::default();
            policy.allow_flag("http=https://*").unwrap();
            let mut approvals = Approvals::default();
            // Only the last one counts.
            approvals.accept(approval(&["http=https://*"]));
            approvals.accept(approval(&[approved]));
            policy.hold(approvals);
            let decided = policy.decide(&asks);
            assert_eq!(decided.is_err(), held, "{approved}");
            if let Err(refusal) = decided {
                let denial = &refusal.denials[0];
                assert_eq!((denial.code(), refusal.denials.len()), ("LS-POL-013", 1));
                assert_eq!(denial.rule, "`ada` approved 1.0.0 on 2026-03-04 without it");
                assert!(denial.hint.to_string().contains("longshore approve r.example/x:2.0.0"));
            }
            assert!(policy.decide(&needs("r.example/other:1", HTTP)).is_ok(), "another component");
        }
    }

    #[test]
    fn an_approval_widens_nothing() {
        let mut policy = Policy::default();
        let mut approvals = Approvals::default();
        approvals.accept(approval(&["http=https://*"]));
        policy.hold(approvals);
        let refusal = policy.decide(&needs("r.example/x:2.0.0", HTTP)).unwrap_err();
        assert_eq!(refusal.denials[0].code(), "LS-POL-011", "the operator allows nothing");
    }

    #[test]
    fn a_list_reads_back_and_is_part_of_what_a_policy_means() {
        let mut approvals = Approvals::default();
        approvals.accept(approval(&["clock", "dir=/a:create"]));
        let text = approvals.to_json();
        assert_eq!(Approvals::from_json(&text, "approvals.json").unwrap(), approvals);
        let mut policy = Policy::default();
        policy.hold(approvals.clone());
        assert_ne!(policy.digest(), Policy::default().digest());
        assert_eq!((approvals.revoke("r.example/x"), approvals.revoke("r.example/x")), (1, 0));
        for wrong in
            ["", "[]", "{\"version\":2,\"approvals\":[]}", &text.replace("clock", "clocks")]
        {
            let error = Approvals::from_json(wrong, "approvals.json").unwrap_err();
            assert_eq!(error.code(), "LS-POL-004", "{wrong}");
        }
    }

    #[test]
    fn a_widening_says_what_it_was_before() {
        let asks = manifest("[[capabilities.dir]]\npath = \"/s\"\naccess = \"rw\"\nreason = \"w\"");
        let before = [Scope::of(CapabilityKind::Dir, Some("/s:ro")).unwrap()];
        let wider = widening(&before, &asks.requests);
        assert_eq!(wider[0].scope.to_string(), "dir=/s:rw");
        assert_eq!(wider[0].instead_of.as_ref().unwrap().to_string(), "dir=/s:ro");
        assert!(widening(&scopes_of(Some(&asks)), &asks.requests).is_empty());
    }
}
