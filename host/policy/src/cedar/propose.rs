//! The scopes that a condition spells out: parts of a request that are worth asking about. Whether
//! they are permitted is decided as for any other; a proposal that is wrong is only denied.

use std::sync::Arc;

use cedar_policy_core::ast::{Pattern, PatternElem};
use longshore_model::{CapabilityKind, Scope};

use super::condition::Condition;
use super::facts::Attribute;
use super::{Kinds, resource};

/// The most scopes that one condition proposes.
const MOST: usize = 64;

/// What the conjuncts of a condition say of hosts.
#[derive(Default)]
struct Told {
    hosts: Vec<String>,
    methods: Vec<Arc<str>>,
    schemes: Vec<Arc<str>>,
    port: Option<i64>,
    path: String,
}

/// The scopes of `kinds` that `condition` spells out by comparing hosts.
pub(crate) fn scopes(condition: &Condition, kinds: Kinds) -> Vec<Scope> {
    let mut told = Told::default();
    told.read(condition);
    let mut scopes = Vec::new();
    for kind in kinds.iter() {
        for value in told.values(kind) {
            if let Ok(scope) = Scope::of(kind, Some(&value))
                && scopes.len() < MOST
                && !scopes.contains(&scope)
            {
                scopes.push(scope);
            }
        }
    }
    scopes
}

impl Told {
    fn read(&mut self, condition: &Condition) {
        use resource::Attribute as Of;
        match condition {
            Condition::And(both) => {
                self.read(&both.0);
                self.read(&both.1);
            }
            // The same of either side would hold for both; only hosts are commonly written so.
            Condition::Or(both) => {
                let (mut one, mut other) = (Self::default(), Self::default());
                one.read(&both.0);
                other.read(&both.1);
                if !one.hosts.is_empty() && !other.hosts.is_empty() {
                    self.hosts.extend(one.hosts.into_iter().chain(other.hosts));
                }
            }
            Condition::OneOf(Attribute::Of(Of::Host), hosts) => {
                self.hosts.extend(hosts.iter().map(|host| host.to_string()));
            }
            Condition::OneOf(Attribute::Of(Of::Method), methods) => {
                self.methods.clone_from(methods);
            }
            Condition::OneOf(Attribute::Of(Of::Scheme), schemes) => {
                self.schemes.clone_from(schemes);
            }
            Condition::Number(Attribute::Of(Of::Port), port) => self.port = Some(*port),
            Condition::Like(Attribute::Of(Of::Host), pattern) => {
                self.hosts.extend(text(pattern).filter(|host| host.starts_with("*.")));
            }
            Condition::Like(Attribute::Of(Of::Path), pattern) => {
                if let Some(path) =
                    text(pattern).and_then(|path| path.strip_suffix("/*").map(str::to_owned))
                {
                    self.path = path;
                }
            }
            _ => {}
        }
    }

    fn values(&self, kind: CapabilityKind) -> Vec<String> {
        let port = self.port.map_or_else(|| "*".to_owned(), |port| port.to_string());
        let hosts = self.hosts.iter();
        match kind {
            CapabilityKind::Dns => self.hosts.clone(),
            CapabilityKind::Tcp | CapabilityKind::Udp | CapabilityKind::Listen => {
                hosts.map(|host| format!("{host}:{port}")).collect()
            }
            CapabilityKind::Http => {
                let schemes: Vec<&str> = match self.schemes.is_empty() {
                    true => vec!["https", "http"],
                    false => self.schemes.iter().map(AsRef::as_ref).collect(),
                };
                let methods = self.methods.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(",");
                let space = if methods.is_empty() { "" } else { " " };
                let path = &self.path;
                let of = |host: &String| {
                    let of = |scheme| format!("{methods}{space}{scheme}://{host}:{port}{path}");
                    schemes.iter().map(of).collect::<Vec<_>>()
                };
                hosts.flat_map(of).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A pattern as a text, where a star in it is a wildcard.
fn text(pattern: &Pattern) -> Option<String> {
    let char_of = |element: &PatternElem| match element {
        PatternElem::Char('*') => None,
        PatternElem::Char(char) => Some(*char),
        PatternElem::Wildcard => Some('*'),
    };
    pattern.get_elems().iter().map(char_of).collect()
}
