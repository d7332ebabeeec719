//! What can be asked for and allowed: a capability and its scope.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
}

impl CapabilityKind {
    /// The word that manifests, policies and `--allow` use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Env => "env",
            Self::Dir => "dir",
            Self::Http => "http",
        }
    }
}

impl fmt::Display for CapabilityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a directory may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Access {
    /// Reading only.
    #[serde(rename = "ro")]
    ReadOnly,
    /// Reading and writing.
    #[serde(rename = "rw")]
    ReadWrite,
}

impl Access {
    /// `ro` or `rw`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "ro",
            Self::ReadWrite => "rw",
        }
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
        /// Reading, or reading and writing.
        access: Access,
    },
    /// HTTP requests.
    Http(HttpScope),
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
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock | Self::Random => f.write_str(self.kind().as_str()),
            Self::Env(name) => write!(f, "env={name}"),
            Self::Dir { path, access } => write!(f, "dir={path}:{}", access.as_str()),
            Self::Http(scope) => write!(f, "http={scope}"),
        }
    }
}

/// Which HTTP requests: `[scheme://]host[:port]`, where `host` is a name, an address, `*.name` (exactly one more label) or
/// `*` (any). Without a scheme it is `https`; without a port, the scheme's own; `:*` is any port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpScope {
    /// `http` or `https`.
    scheme: String,
    host: String,
    /// `None` is any port.
    port: Option<u16>,
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

impl HttpScope {
    /// The host pattern.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the scope names one host or address (no wildcard): only then may it lead to a private address.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.host.contains('*')
    }

    /// Whether a request to `scheme://host:port` is within the scope. `host` is lower-case, IPv6 in brackets.
    #[must_use]
    pub fn covers(&self, scheme: &str, host: &str, port: u16) -> bool {
        self.scheme == scheme
            && self.port.is_none_or(|own| own == port)
            && host_within(host, &self.host)
    }

    /// What both scopes allow; `None` where they share nothing.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let port = match (self.port, other.port) {
            (Some(a), Some(b)) if a != b => return None,
            (Some(port), _) | (None, Some(port)) => Some(port),
            (None, None) => None,
        };
        let host = if host_within(&self.host, &other.host) {
            &self.host
        } else if host_within(&other.host, &self.host) {
            &other.host
        } else {
            return None;
        };
        (self.scheme == other.scheme).then(|| Self {
            scheme: self.scheme.clone(),
            host: host.clone(),
            port,
        })
    }
}

/// Whether everything that `inner` matches is matched by `outer` (both may be patterns).
fn host_within(inner: &str, outer: &str) -> bool {
    if outer == "*" || inner == outer {
        return true;
    }
    let Some(suffix) = outer.strip_prefix('*') else { return false };
    // `suffix` starts with the dot, so exactly one label may stand before it.
    inner
        .strip_suffix(suffix)
        .is_some_and(|label| !label.is_empty() && !label.contains(['.', '*', '[']))
}

impl FromStr for HttpScope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let fail = || ScopeError {
            text: text.chars().take(256).collect(),
            expected: "an HTTP scope such as `https://api.example.com`, `*.example.com` or \
                       `http://127.0.0.1:8080`",
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        if !matches!(scheme, "http" | "https") {
            return Err(fail());
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rfind(':') {
            Some(colon) if !rest[colon..].contains(']') => {
                (&rest[..colon], Some(&rest[colon + 1..]))
            }
            _ => (rest, None),
        };
        let port = match port {
            Some("*") => None,
            Some(port) => {
                Some(port.parse().ok().filter(|_| !port.starts_with('+')).ok_or_else(fail)?)
            }
            None if host == "*" => None,
            None => Some(if scheme == "https" { 443 } else { 80 }),
        };
        let host = host.to_ascii_lowercase();
        if !is_host_pattern(&host) {
            return Err(fail());
        }
        Ok(Self { scheme: scheme.to_owned(), host, port })
    }
}

fn is_host_pattern(host: &str) -> bool {
    if host == "*" {
        return true;
    }
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|a| a.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let name = host.strip_prefix("*.").unwrap_or(host);
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(label)
}

impl fmt::Display for HttpScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        // `*` alone is any port, so there the scheme's own port has to be said.
        match (self.scheme.as_str(), self.port) {
            (_, None) if self.host == "*" => Ok(()),
            (_, Some(port)) if self.host == "*" => write!(f, ":{port}"),
            ("https", Some(443)) | ("http", Some(80)) => Ok(()),
            (_, Some(port)) => write!(f, ":{port}"),
            (_, None) => f.write_str(":*"),
        }
    }
}

impl Serialize for HttpScope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HttpScope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> HttpScope {
        text.parse().unwrap()
    }

    #[test]
    fn http_scopes_read_back_as_they_are_written() {
        for text in
            ["https://a.example", "http://127.0.0.1:8080", "https://*.a.example", "https://*"]
        {
            assert_eq!(scope(text).to_string(), text);
        }
        for text in ["http://*:80", "https://*:443", "https://a.example:*"] {
            assert_eq!(scope(text).to_string(), text, "a narrow scope never reads back wider");
        }
        assert_eq!(scope("A.example").to_string(), "https://a.example");
        assert_eq!(scope("http://[::1]:80/").to_string(), "http://[::1]");
        for wrong in
            ["", "ftp://a", "https://a/b", "a b", "*.*.a", "a..b", "https://u@a", "a:99999", "*a.b"]
        {
            assert!(wrong.parse::<HttpScope>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wildcard_is_exactly_one_label() {
        let wild = scope("*.a.example");
        assert!(wild.covers("https", "x.a.example", 443));
        for host in ["a.example", "x.y.a.example", "xa.example", ".a.example"] {
            assert!(!wild.covers("https", host, 443), "{host}");
        }
        assert!(
            !wild.covers("http", "x.a.example", 443) && !wild.covers("https", "x.a.example", 80)
        );
    }

    #[test]
    fn an_intersection_is_the_narrower_of_the_two() {
        let both = |a: &str, b: &str| scope(a).intersect(&scope(b)).map(|s| s.to_string());
        assert_eq!(both("http://*", "http://127.0.0.1:99"), Some("http://127.0.0.1:99".into()));
        assert_eq!(both("*.a.example", "x.a.example"), Some("https://x.a.example".into()));
        assert_eq!(both("*.a.example", "*.b.example"), None);
        assert_eq!(both("a.example", "http://a.example"), None);
        assert_eq!(both("a.example:1", "a.example:2"), None);
    }
}
