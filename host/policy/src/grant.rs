//! What a component is granted. Minted by [`Policy::decide`](crate::Policy::decide) and nowhere
//! else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use longshore_model::{Access, GrantRecord, HttpScope, LimitName, Limits, Scope};
use longshore_reference::Digest;
use serde_json::Value;

/// What a component is granted: no more than it asked for, and no more than the operator allows. A
/// kind that it imports but is not granted (an optional request) must be linked so that every use
/// is refused.
#[derive(Clone, PartialEq)]
pub struct Grant {
    pub(crate) component: Digest,
    pub(crate) clock: Option<String>,
    pub(crate) random: Option<String>,
    /// By name, with the rule.
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) dirs: Vec<DirGrant>,
    pub(crate) http: Vec<HttpGrant>,
    pub(crate) settings: BTreeMap<String, Value>,
    pub(crate) secrets: BTreeSet<String>,
    pub(crate) limits: Limits,
    pub(crate) lowered: Vec<Lowered>,
}

/// A granted directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirGrant {
    pub(crate) guest: String,
    pub(crate) host: PathBuf,
    pub(crate) access: Access,
    pub(crate) rule: String,
}

/// Granted HTTP requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGrant {
    pub(crate) scope: HttpScope,
    pub(crate) exact: bool,
    pub(crate) rule: String,
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

impl DirGrant {
    /// The guest's path.
    #[must_use]
    pub fn guest(&self) -> &str {
        &self.guest
    }

    /// The host's folder, as the operator named it.
    #[must_use]
    pub fn host(&self) -> &Path {
        &self.host
    }

    /// Reading, or reading and writing.
    #[must_use]
    pub const fn access(&self) -> Access {
        self.access
    }
}

impl HttpGrant {
    /// The scope.
    #[must_use]
    pub const fn scope(&self) -> &HttpScope {
        &self.scope
    }

    /// Whether the operator named this very host, without a wildcard: only then may it lead to a
    /// private address.
    #[must_use]
    pub const fn may_be_private(&self) -> bool {
        self.exact
    }
}

impl Grant {
    /// The component that it was decided for.
    #[must_use]
    pub const fn component(&self) -> Digest {
        self.component
    }

    /// Whether clocks tell the time.
    #[must_use]
    pub const fn clock(&self) -> bool {
        self.clock.is_some()
    }

    /// Whether there is entropy.
    #[must_use]
    pub const fn random(&self) -> bool {
        self.random.is_some()
    }

    /// The names of the environment variables that are passed on.
    pub fn env(&self) -> impl Iterator<Item = &str> {
        self.env.keys().map(String::as_str)
    }

    /// The directories, one for each guest path.
    #[must_use]
    pub fn dirs(&self) -> &[DirGrant] {
        &self.dirs
    }

    /// The HTTP scopes.
    #[must_use]
    pub fn http(&self) -> &[HttpGrant] {
        &self.http
    }

    /// The scope that a request to `scheme://host:port` falls under, one that may lead to a private
    /// address first. `host` is lower-case, IPv6 in brackets.
    #[must_use]
    pub fn allows_http(&self, scheme: &str, host: &str, port: u16) -> Option<&HttpGrant> {
        let covering = self.http.iter().filter(|grant| grant.scope.covers(scheme, host, port));
        covering.max_by_key(|grant| grant.exact)
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

    /// Whether nothing reaches outside: no clock, entropy, variable, directory or host.
    #[must_use]
    pub fn is_pure(&self) -> bool {
        !self.clock()
            && !self.random()
            && self.env.is_empty()
            && self.dirs.is_empty()
            && self.http.is_empty()
    }

    /// The grant as a journal holds it: each scope with the rule that allowed it, secret settings
    /// as `"(secret)"`.
    #[must_use]
    pub fn record(&self) -> GrantRecord {
        let mut scopes = Vec::new();
        scopes.extend(self.clock.iter().map(|rule| (Scope::Clock, rule.clone())));
        scopes.extend(self.random.iter().map(|rule| (Scope::Random, rule.clone())));
        let env = self.env.iter().map(|(name, rule)| (Scope::Env(name.clone()), rule.clone()));
        scopes.extend(env);
        scopes.extend(self.dirs.iter().map(|dir| {
            (Scope::Dir { path: dir.guest.clone(), access: dir.access }, dir.rule.clone())
        }));
        let http = self.http.iter().map(|h| (Scope::Http(h.scope.clone()), h.rule.clone()));
        scopes.extend(http);
        GrantRecord { scopes, settings: self.shown_settings(), limits: self.limits.clone() }
    }

    fn shown_settings(&self) -> BTreeMap<String, Value> {
        let shown = |(name, value): (&String, &Value)| {
            let value = if self.is_secret(name) { Value::from("(secret)") } else { value.clone() };
            (name.clone(), value)
        };
        self.settings.iter().map(shown).collect()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record();
        f.debug_struct("Grant")
            .field("scopes", &record.scopes)
            .field("settings", &record.settings)
            .field("limits", &record.limits)
            .finish()
    }
}
