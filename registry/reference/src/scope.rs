//! What can be asked for and allowed: a capability and its scope.
//!
//! Every scope has one text, `kind` or `kind=value`, which reads back as the same scope; and two scopes of a kind have an
//! intersection, which is what a decision grants. Nothing here decides.

mod exec;
mod http;
mod net;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::manifest::{check_env_name, check_guest_path, check_store_name};

pub use exec::ExecScope;
pub use http::HttpScope;
pub use net::{HostPattern, NetScope};

/// The kinds of capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CapabilityKind {
    /// `wasi:clocks`: what time it is, and timers.
    Clock,
    /// `wasi:random`: entropy.
    Random,
    /// An environment variable, by name.
    Env,
    /// A directory, at the guest's path.
    Dir,
    /// HTTP requests to a host.
    Http,
    /// An empty directory that vanishes with the run, at the guest's path.
    Scratch,
    /// TCP connections to a host and port.
    Tcp,
    /// UDP datagrams to and from a host and port.
    Udp,
    /// Looking a name up.
    Dns,
    /// Accepting TCP connections at an address and port.
    Listen,
    /// A bucket of `wasi:keyvalue`, by name.
    Keyvalue,
    /// A container of `wasi:blobstore`, by name.
    Blobstore,
    /// A secret that the guest may use without seeing it, by name.
    Secret,
    /// A secret whose value the guest sees, by name.
    Reveal,
    /// A program of the host, with its arguments.
    Exec,
}

impl CapabilityKind {
    /// All kinds, in the order in which they are documented.
    pub const ALL: [Self; 15] = [
        Self::Clock,
        Self::Random,
        Self::Http,
        Self::Dir,
        Self::Env,
        Self::Scratch,
        Self::Tcp,
        Self::Udp,
        Self::Dns,
        Self::Listen,
        Self::Keyvalue,
        Self::Blobstore,
        Self::Secret,
        Self::Reveal,
        Self::Exec,
    ];

    /// The word that manifests, policies and `--allow` use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Env => "env",
            Self::Dir => "dir",
            Self::Http => "http",
            Self::Scratch => "scratch",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Dns => "dns",
            Self::Listen => "listen",
            Self::Keyvalue => "keyvalue",
            Self::Blobstore => "blobstore",
            Self::Secret => "secret",
            Self::Reveal => "reveal",
            Self::Exec => "exec",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for CapabilityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a directory, a bucket or a container may be used; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Access {
    /// Reading only.
    #[serde(rename = "ro")]
    ReadOnly,
    /// Reading, and making what was not there before; nothing that is there is changed or deleted. For directories.
    #[serde(rename = "create")]
    Create,
    /// Reading and writing.
    #[serde(rename = "rw")]
    ReadWrite,
}

impl Access {
    /// `ro`, `create` or `rw`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "ro",
            Self::Create => "create",
            Self::ReadWrite => "rw",
        }
    }

    /// The access of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::ReadOnly, Self::Create, Self::ReadWrite].into_iter().find(|a| a.as_str() == word)
    }
}

/// A capability with its scope, as an author asks for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All clocks.
    Clock,
    /// All entropy.
    Random,
    /// The environment variable of this name.
    Env(String),
    /// The directory that the guest sees at `path`.
    Dir {
        /// An absolute guest path such as `/store`.
        path: String,
        /// Reading, creating, or reading and writing.
        access: Access,
    },
    /// HTTP requests.
    Http(HttpScope),
    /// An empty directory at this absolute guest path.
    Scratch(String),
    /// TCP connections to these hosts and ports.
    Tcp(NetScope),
    /// UDP datagrams to and from these hosts and ports.
    Udp(NetScope),
    /// Looking these names up.
    Dns(HostPattern),
    /// Accepting TCP connections at these addresses and ports.
    Listen(NetScope),
    /// A bucket of `wasi:keyvalue`.
    Keyvalue {
        /// Its name.
        name: String,
        /// Reading, or reading and writing.
        access: Access,
    },
    /// A container of `wasi:blobstore`.
    Blobstore {
        /// Its name.
        name: String,
        /// Reading, or reading and writing.
        access: Access,
    },
    /// The secret of this name, unseen.
    Secret(String),
    /// The value of the secret of this name.
    Reveal(String),
    /// A program of the host.
    Exec(ExecScope),
}

impl Scope {
    /// The kind of the capability.
    #[must_use]
    pub const fn kind(&self) -> CapabilityKind {
        match self {
            Self::Clock => CapabilityKind::Clock,
            Self::Random => CapabilityKind::Random,
            Self::Env(_) => CapabilityKind::Env,
            Self::Dir { .. } => CapabilityKind::Dir,
            Self::Http(_) => CapabilityKind::Http,
            Self::Scratch(_) => CapabilityKind::Scratch,
            Self::Tcp(_) => CapabilityKind::Tcp,
            Self::Udp(_) => CapabilityKind::Udp,
            Self::Dns(_) => CapabilityKind::Dns,
            Self::Listen(_) => CapabilityKind::Listen,
            Self::Keyvalue { .. } => CapabilityKind::Keyvalue,
            Self::Blobstore { .. } => CapabilityKind::Blobstore,
            Self::Secret(_) => CapabilityKind::Secret,
            Self::Reveal(_) => CapabilityKind::Reveal,
            Self::Exec(_) => CapabilityKind::Exec,
        }
    }

    /// What both scopes allow; `None` where they share nothing.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Dir { path, access }, Self::Dir { path: own, access: most }) => {
                let access = (*access).min(*most);
                Self::Dir { path: same(path, own)?, access }
            }
            (Self::Keyvalue { name, access }, Self::Keyvalue { name: own, access: most }) => {
                Self::Keyvalue { name: same(name, own)?, access: (*access).min(*most) }
            }
            (Self::Blobstore { name, access }, Self::Blobstore { name: own, access: most }) => {
                Self::Blobstore { name: same(name, own)?, access: (*access).min(*most) }
            }
            (Self::Http(a), Self::Http(b)) => Self::Http(a.intersect(b)?),
            (Self::Tcp(a), Self::Tcp(b)) => Self::Tcp(a.intersect(b)?),
            (Self::Udp(a), Self::Udp(b)) => Self::Udp(a.intersect(b)?),
            (Self::Listen(a), Self::Listen(b)) => Self::Listen(a.intersect(b)?),
            (Self::Dns(a), Self::Dns(b)) => Self::Dns(a.intersect(b)?),
            (Self::Exec(a), Self::Exec(b)) => Self::Exec(a.intersect(b)?),
            (a, b) if a == b => a.clone(),
            _ => return None,
        })
    }

    /// Whether everything that `self` allows is allowed by `outer` too.
    #[must_use]
    pub fn is_within(&self, outer: &Self) -> bool {
        self.intersect(outer).as_ref() == Some(self)
    }

    /// Whether what is asked may be met in part: a narrower scope serves as well, and several may stand beside one another.
    /// A directory, a bucket or a container is met with the access that was asked for, or not at all.
    #[must_use]
    pub const fn may_be_narrowed(&self) -> bool {
        matches!(
            self,
            Self::Http(_)
                | Self::Tcp(_)
                | Self::Udp(_)
                | Self::Dns(_)
                | Self::Listen(_)
                | Self::Exec(_)
        )
    }

    /// Whether it holds a host without a wildcard, so that an operator who wrote it named that very host.
    #[must_use]
    pub fn names_one_host(&self) -> bool {
        match self {
            Self::Http(scope) => scope.is_exact(),
            Self::Tcp(scope) | Self::Udp(scope) | Self::Listen(scope) => scope.host().is_exact(),
            Self::Dns(host) => host.is_exact(),
            _ => false,
        }
    }
}

fn same(a: &str, b: &str) -> Option<String> {
    (a == b).then(|| a.to_owned())
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Clock | Self::Random => write!(f, "{kind}"),
            Self::Env(name) | Self::Scratch(name) | Self::Secret(name) | Self::Reveal(name) => {
                write!(f, "{kind}={name}")
            }
            Self::Dir { path: name, access }
            | Self::Keyvalue { name, access }
            | Self::Blobstore { name, access } => write!(f, "{kind}={name}:{}", access.as_str()),
            Self::Http(scope) => write!(f, "{kind}={scope}"),
            Self::Tcp(scope) | Self::Udp(scope) | Self::Listen(scope) => {
                write!(f, "{kind}={scope}")
            }
            Self::Dns(host) => write!(f, "{kind}={host}"),
            Self::Exec(scope) => write!(f, "{kind}={scope}"),
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let (word, value) = match text.split_once('=') {
            Some((word, value)) => (word, Some(value)),
            None => (text, None),
        };
        let kind = CapabilityKind::parse(word)
            .ok_or_else(|| ScopeError::new(text, "a capability such as `clock` or `env=TZ`"))?;
        Self::of(kind, value)
    }
}

impl Scope {
    /// The scope of `kind` with the text after its `=`, if it has one.
    ///
    /// # Errors
    ///
    /// When the text is not a scope of that kind.
    pub fn of(kind: CapabilityKind, value: Option<&str>) -> Result<Self, ScopeError> {
        use CapabilityKind as K;
        let fail = |expected| ScopeError::new(value.unwrap_or_default(), expected);
        let need = |expected| value.ok_or_else(|| ScopeError::new(kind.as_str(), expected));
        let named = |check: fn(&str) -> Result<(), String>, expected| {
            let name = need(expected)?;
            check(name).map(|()| name.to_owned()).map_err(|_| fail(expected))
        };
        Ok(match kind {
            K::Clock | K::Random if value.is_some() => return Err(fail("a scope without a value")),
            K::Clock => Self::Clock,
            K::Random => Self::Random,
            K::Env => Self::Env(named(check_env_name, "the name of an environment variable")?),
            K::Scratch => Self::Scratch(named(check_guest_path, PATH)?),
            K::Secret => Self::Secret(named(check_store_name, NAME)?),
            K::Reveal => Self::Reveal(named(check_store_name, NAME)?),
            K::Dir => {
                let (path, access) = with_access(need(PATH)?);
                check_guest_path(path).map_err(|_| fail(PATH))?;
                Self::Dir { path: path.to_owned(), access }
            }
            K::Keyvalue | K::Blobstore => {
                let (name, access) = with_access(need(NAME)?);
                if check_store_name(name).is_err() || access == Access::Create {
                    return Err(fail(NAME));
                }
                let name = name.to_owned();
                match kind {
                    K::Keyvalue => Self::Keyvalue { name, access },
                    _ => Self::Blobstore { name, access },
                }
            }
            K::Http => Self::Http(need(http::EXPECTED)?.parse()?),
            K::Tcp => Self::Tcp(need(net::EXPECTED)?.parse()?),
            K::Udp => Self::Udp(need(net::EXPECTED)?.parse()?),
            K::Listen => Self::Listen(need(net::EXPECTED)?.parse()?),
            K::Dns => Self::Dns(need(net::EXPECTED_HOST)?.parse()?),
            K::Exec => Self::Exec(need(exec::EXPECTED)?.parse()?),
        })
    }
}

const PATH: &str = "an absolute guest path such as `/store`";
const NAME: &str = "a name such as `sessions`: lower-case letters, digits, `-`, `_` and `.`";

/// Splits the access off the end of a text; without one it is `ro`.
fn with_access(text: &str) -> (&str, Access) {
    let split = text.rsplit_once(':').and_then(|(name, word)| Some((name, Access::parse(word)?)));
    split.unwrap_or((text, Access::ReadOnly))
}

/// Why a text is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ScopeError {
    /// What was given.
    pub text: String,
    /// What was expected, as a noun phrase.
    pub expected: &'static str,
}

impl ScopeError {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(256).collect(), expected }
    }
}

/// Serialises a type as its text, and reads it back.
macro_rules! as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use as_text;

#[cfg(test)]
mod tests;
