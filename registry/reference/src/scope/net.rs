//! Hosts and ports: who may be spoken to. Pure text; nothing is resolved here.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::ScopeError;

pub(super) const EXPECTED: &str =
    "a host and port such as `db.example.com:5432`, `*.example.com:443` or `127.0.0.1:*`";
pub(super) const EXPECTED_HOST: &str = "a host such as `example.com` or `*.example.com`";

/// A name, an address (IPv6 in brackets), `*.name` (exactly one more label) or `*` (any); lower-case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern(String);

impl HostPattern {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has no wildcard.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether `host` (lower-case, IPv6 in brackets) is one of these.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        within(host, &self.0)
    }

    /// What both match; `None` where they share nothing.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        if within(&self.0, &other.0) {
            Some(self.clone())
        } else if within(&other.0, &self.0) {
            Some(other.clone())
        } else {
            None
        }
    }
}

/// Whether everything that `inner` matches is matched by `outer` (both may be patterns).
fn within(inner: &str, outer: &str) -> bool {
    if outer == "*" || inner == outer {
        return true;
    }
    let Some(suffix) = outer.strip_prefix('*') else { return false };
    // `suffix` starts with the dot, so exactly one label may stand before it.
    inner
        .strip_suffix(suffix)
        .is_some_and(|label| !label.is_empty() && !label.contains(['.', '*', '[']))
}

impl FromStr for HostPattern {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let host = text.to_ascii_lowercase();
        let fail = || ScopeError::new(text, EXPECTED_HOST);
        if let Some(inner) = host.strip_prefix('[') {
            // One spelling for each address, so that what is compared is the address and not its text.
            let inner = inner.strip_suffix(']').ok_or_else(fail)?;
            let address: Ipv6Addr = inner.parse().map_err(|_| fail())?;
            return Ok(Self(format!("[{address}]")));
        }
        if host == "*" || is_name(&host) { Ok(Self(host)) } else { Err(fail()) }
    }
}

/// A name with at most one wildcard label in front, or four decimal numbers; nothing that is a number in disguise.
fn is_name(host: &str) -> bool {
    let name = host.strip_prefix("*.").unwrap_or(host);
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return false;
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal =
        last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || hexadecimal;
    !numeric || host.parse::<Ipv4Addr>().is_ok()
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

super::as_text!(HostPattern);

/// `host:port`; the port is a number or `*` (any). Port 0 is for listening: one that the system chooses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetScope {
    host: HostPattern,
    port: Option<u16>,
}

impl NetScope {
    /// The hosts.
    #[must_use]
    pub const fn host(&self) -> &HostPattern {
        &self.host
    }

    /// The port; `None` is any.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether `host` (lower-case, IPv6 in brackets) at `port` is within the scope.
    #[must_use]
    pub fn covers(&self, host: &str, port: u16) -> bool {
        self.port.is_none_or(|own| own == port) && self.host.covers(host)
    }

    /// What both scopes allow; `None` where they share nothing.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        Some(Self {
            host: self.host.intersect(&other.host)?,
            port: common_port(self.port, other.port)?,
        })
    }
}

/// The port that both allow; the inner `None` is any.
#[expect(clippy::option_option, reason = "`None` is no port in common, `Some(None)` any port")]
pub(super) fn common_port(a: Option<u16>, b: Option<u16>) -> Option<Option<u16>> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => None,
        (Some(port), _) | (None, Some(port)) => Some(Some(port)),
        (None, None) => Some(None),
    }
}

impl FromStr for NetScope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let fail = || ScopeError::new(text, EXPECTED);
        let (host, port) = text.rsplit_once(':').ok_or_else(fail)?;
        let port = match port {
            "*" => None,
            port => Some(port.parse().ok().filter(|_| !port.starts_with('+')).ok_or_else(fail)?),
        };
        Ok(Self { host: host.parse().map_err(|_| fail())?, port })
    }
}

impl fmt::Display for NetScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}:*", self.host),
        }
    }
}

super::as_text!(NetScope);
