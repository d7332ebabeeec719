//! What a component is granted. Minted by [`Policy::decide`](crate::Policy::decide) and nowhere
//! else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use longshore_model::{
    Access, CallId, CapabilityKind, Denied, GrantRecord, HostPattern, LimitName, Limits, Scope,
};
use longshore_reference::{Digest, Manifest};
use serde_json::Value;

use crate::{ClockMode, Hint, Needs, Parameter, Role, SecretBinding, hint};

/// What a component is granted: no more than it asked for, and no more than the operator allows. A
/// kind that it imports but is not granted (an optional request) must be linked so that every use
/// is refused.
#[derive(Clone, PartialEq)]
pub struct Grant {
    pub(crate) component: Digest,
    /// In the order of the requests.
    pub(crate) scopes: Vec<Granted>,
    pub(crate) settings: BTreeMap<String, Value>,
    pub(crate) secrets: BTreeSet<String>,
    pub(crate) limits: Limits,
    pub(crate) lowered: Vec<Lowered>,
    /// Names that may lead to private addresses, with the rules that say so.
    pub(crate) private: Vec<(HostPattern, String)>,
    pub(crate) asker: Asker,
}

/// Who asks: what the hints of a denial are made of.
#[derive(Clone, PartialEq)]
pub(crate) struct Asker {
    role: Role,
    pattern: String,
    /// What its manifest asks for; none without a manifest, which is asking for all that is allowed.
    requests: Option<Vec<Scope>>,
}

impl Asker {
    pub(crate) fn of(needs: &Needs) -> Self {
        let requests = |m: &Manifest| m.requests.iter().map(|r| r.scope.clone()).collect();
        Self {
            role: needs.role.clone(),
            pattern: needs.pattern(),
            requests: needs.manifest.as_ref().map(requests),
        }
    }
}

/// One scope that is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    pub(crate) scope: Scope,
    pub(crate) parameter: Parameter,
    pub(crate) named: bool,
    pub(crate) asked: bool,
    pub(crate) rule: String,
}

impl Granted {
    /// The scope.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What stands behind it.
    #[must_use]
    pub const fn parameter(&self) -> &Parameter {
        &self.parameter
    }

    /// The rule that allows it: a flag, or a file and line.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Whether the component asked for it. What it did not ask for is granted only in [`Mode::Count`](crate::Mode::Count).
    #[must_use]
    pub const fn asked(&self) -> bool {
        self.asked
    }

    /// Whether the operator named this very host, without a wildcard: only then may it lead to a
    /// private address.
    #[must_use]
    pub const fn may_be_private(&self) -> bool {
        self.named
    }
}

/// A granted directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirGrant<'g> {
    /// The guest's path.
    pub guest: &'g str,
    /// The host's folder, as the operator named it.
    pub host: &'g Path,
    /// What may be done in it.
    pub access: Access,
}

/// A limit that the manifest wants higher than the operator's ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lowered {
    /// The limit.
    pub name: LimitName,
    /// What the manifest wants.
    pub wanted: u64,
    /// What is in force.
    pub granted: u64,
}

impl Grant {
    /// The component that it was decided for.
    #[must_use]
    pub const fn component(&self) -> Digest {
        self.component
    }

    /// All scopes, in the order of the requests.
    #[must_use]
    pub fn scopes(&self) -> &[Granted] {
        &self.scopes
    }

    /// The scopes of one kind.
    pub fn of(&self, kind: CapabilityKind) -> impl Iterator<Item = &Granted> {
        self.scopes.iter().filter(move |granted| granted.scope.kind() == kind)
    }

    /// Whether there is a scope of this kind.
    #[must_use]
    pub fn has(&self, kind: CapabilityKind) -> bool {
        self.of(kind).next().is_some()
    }

    /// The first scope that `covers` takes, one that may lead to a private address before others.
    pub fn covering(&self, covers: impl Fn(&Scope) -> bool) -> Option<&Granted> {
        let covering = || self.scopes.iter().filter(|granted| covers(&granted.scope));
        covering().find(|granted| granted.named).or_else(|| covering().next())
    }

    /// Whether the name `host` (lower-case) may lead to private addresses because the operator says so.
    #[must_use]
    pub fn may_lead_to_private(&self, host: &str) -> bool {
        self.private.iter().any(|(pattern, _)| pattern.covers(host))
    }

    /// Whether the use of `scope` passes only because it is counted: no granted scope that was asked for covers it.
    #[must_use]
    pub fn is_forgotten(&self, scope: &Scope) -> bool {
        let counts = self.scopes.iter().any(|granted| !granted.asked);
        counts && !self.scopes.iter().any(|own| own.asked && scope.is_within(&own.scope))
    }

    /// The event of a use of `scope`, by `call`, that no granted scope covers: with the rules that came nearest, and the very
    /// change that would allow it: the operator's, or the author's where the manifest does not ask for it.
    #[must_use]
    pub fn denial(&self, call: CallId, scope: &Scope) -> Denied {
        let Asker { role, pattern, requests } = &self.asker;
        let asks = requests.as_ref().is_none_or(|own| own.iter().any(|r| scope.is_within(r)));
        let hint = match asks {
            true => hint::operator(scope, role, pattern),
            false => Hint::Author { manifest: hint::manifest_entry(scope) },
        };
        let near: Vec<_> = self.of(scope.kind()).take(3).collect();
        let rule = match near.as_slice() {
            _ if !asks => "its manifest does not ask for it".to_owned(),
            [] => "no granted scope has it".to_owned(),
            near => {
                let words = near.iter().map(|g| format!("`{}` grants only `{}`", g.rule, g.scope));
                words.collect::<Vec<_>>().join(", ")
            }
        };
        self.denied(call, scope, rule, &hint)
    }

    /// The event of a use of `scope`, by `call`, whose name `host` led to the private `address`.
    #[must_use]
    pub fn denial_of_address(
        &self,
        call: CallId,
        scope: &Scope,
        host: &str,
        address: IpAddr,
    ) -> Denied {
        let rule = format!("`{host}` leads to `{address}`, which is not on the public internet");
        let hint = match host.parse::<HostPattern>() {
            Ok(name) if !is_address(host) => {
                hint::private(name.as_str(), &self.asker.role, &self.asker.pattern)
            }
            _ => hint::operator(scope, &self.asker.role, &self.asker.pattern),
        };
        self.denied(call, scope, rule, &hint)
    }

    fn denied(&self, call: CallId, scope: &Scope, rule: String, hint: &Hint) -> Denied {
        Denied {
            call: Some(call),
            capability: scope.kind(),
            asked: scope.to_string(),
            rule,
            hint: hint.to_string(),
        }
    }

    /// Whether clocks tell the time.
    #[must_use]
    pub fn clock(&self) -> bool {
        self.has(CapabilityKind::Clock)
    }

    /// The mode of the clocks, where the operator chose one.
    #[must_use]
    pub fn clock_mode(&self) -> Option<ClockMode> {
        self.of(CapabilityKind::Clock).find_map(|granted| match granted.parameter {
            Parameter::Clock(mode) => Some(mode),
            _ => None,
        })
    }

    /// The seed of entropy, where the operator chose one.
    #[must_use]
    pub fn seed(&self) -> Option<&str> {
        self.of(CapabilityKind::Random).find_map(|granted| match &granted.parameter {
            Parameter::Seed(seed) => Some(seed.as_str()),
            _ => None,
        })
    }

    /// Whether there is entropy.
    #[must_use]
    pub fn random(&self) -> bool {
        self.has(CapabilityKind::Random)
    }

    /// The names of the environment variables that are passed on.
    pub fn env(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().filter_map(|granted| match &granted.scope {
            Scope::Env(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The directories, one for each guest path.
    pub fn dirs(&self) -> impl Iterator<Item = DirGrant<'_>> {
        self.scopes.iter().filter_map(|granted| match (&granted.scope, &granted.parameter) {
            (Scope::Dir { path, access }, Parameter::Folder(host)) => {
                Some(DirGrant { guest: path, host, access: *access })
            }
            _ => None,
        })
    }

    /// The guest paths of the scratch directories.
    pub fn scratch(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().filter_map(|granted| match &granted.scope {
            Scope::Scratch(path) => Some(path.as_str()),
            _ => None,
        })
    }

    /// Where the secret `name` is kept and may be put, if it may be used: unseen, or with `reveal` its value.
    #[must_use]
    pub fn secret(&self, name: &str, reveal: bool) -> Option<&Arc<SecretBinding>> {
        self.scopes.iter().find_map(|granted| match (&granted.scope, &granted.parameter) {
            (Scope::Secret(own), Parameter::Secret(binding)) if !reveal && own == name => {
                Some(binding)
            }
            (Scope::Reveal(own), Parameter::Secret(binding)) if own == name => Some(binding),
            _ => None,
        })
    }

    /// The scope that lets `program` be started with `arguments`, and the file that the operator
    /// named for it, if any.
    #[must_use]
    pub fn allows_exec(&self, program: &str, arguments: &[String]) -> Option<&Granted> {
        self.covering(|scope| matches!(scope, Scope::Exec(own) if own.covers(program, arguments)))
    }

    /// The scope that a request of `method` to `scheme://host:port` for `path` (as it is sent, without
    /// the query) falls under, one that may lead to a private address first. `host` is lower-case,
    /// IPv6 in brackets.
    #[must_use]
    pub fn allows_http(
        &self,
        method: &str,
        (scheme, host, port): (&str, &str, u16),
        path: &str,
    ) -> Option<&Granted> {
        self.covering(|scope| match scope {
            Scope::Http(own) => own.covers(scheme, host, port) && own.covers_request(method, path),
            _ => false,
        })
    }

    /// The settings in force, secret ones included.
    #[must_use]
    pub const fn settings(&self) -> &BTreeMap<String, Value> {
        &self.settings
    }

    /// Whether the setting `name` is secret.
    #[must_use]
    pub fn is_secret(&self, name: &str) -> bool {
        self.secrets.contains(name)
    }

    /// The limits in force.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The limits that the manifest wants higher.
    #[must_use]
    pub fn lowered(&self) -> &[Lowered] {
        &self.lowered
    }

    /// Whether nothing reaches outside: no scope of any kind.
    #[must_use]
    pub const fn is_pure(&self) -> bool {
        self.scopes.is_empty()
    }

    /// The grant as a journal holds it: each scope with the rule that allowed it, secret settings
    /// as `"(secret)"`.
    #[must_use]
    pub fn record(&self) -> GrantRecord {
        let scopes = self.scopes.iter().map(|g| (g.scope.clone(), g.rule.clone())).collect();
        let mode = |g: &Granted| Some((g.scope.to_string(), g.parameter.mode()?));
        let modes = self.scopes.iter().filter_map(mode).collect();
        let private =
            self.private.iter().map(|(host, by)| (host.to_string(), by.clone())).collect();
        let (settings, limits) = (self.shown_settings(), self.limits.clone());
        GrantRecord { scopes, modes, private, settings, limits }
    }

    fn shown_settings(&self) -> BTreeMap<String, Value> {
        let shown = |(name, value): (&String, &Value)| {
            let value = if self.is_secret(name) { Value::from("(secret)") } else { value.clone() };
            (name.clone(), value)
        };
        self.settings.iter().map(shown).collect()
    }
}

/// Whether a host (IPv6 in brackets) stands for its address and is not looked up.
fn is_address(host: &str) -> bool {
    host == "localhost" || host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok()
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record();
        f.debug_struct("Grant")
            .field("scopes", &record.scopes)
            .field("modes", &record.modes)
            .field("settings", &record.settings)
            .field("limits", &record.limits)
            .finish()
    }
}
