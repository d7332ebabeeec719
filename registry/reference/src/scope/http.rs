//! Which HTTP requests: methods, scheme, host, port and a path prefix. Pure text; nothing is sent here.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::ScopeError;
use super::net::{HostPattern, common_port};

pub(super) const EXPECTED: &str = "an HTTP scope such as `https://api.example.com`, \
    `*.example.com`, `http://127.0.0.1:8080` or `GET,HEAD https://api.example.com/v1`";

/// Which HTTP requests: `[METHOD,… ][scheme://]host[:port][/path]`, where `host` is a name, an address, `*.name` (exactly one
/// more label) or `*` (any). Without a scheme it is `https`; without a port, the scheme's own; `:*` is any port. Without
/// methods it is any method. A path covers itself and whatever lies below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpScope {
    /// Upper-case; empty is any.
    methods: BTreeSet<String>,
    /// `http` or `https`.
    scheme: String,
    host: HostPattern,
    /// `None` is any port.
    port: Option<u16>,
    /// Begins with `/` and does not end with one; empty is any path.
    path: String,
}

impl HttpScope {
    /// The methods, in upper case; none is any.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        self.methods.iter().map(String::as_str)
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host pattern.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.as_str()
    }

    /// The port; `None` is any.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The path below which requests may go; empty is any.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the scope names one host or address (no wildcard): only then may it lead to a private address.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.host.is_exact()
    }

    /// Whether some request to `scheme://host:port` is within the scope. `host` is lower-case, IPv6 in brackets.
    #[must_use]
    pub fn covers(&self, scheme: &str, host: &str, port: u16) -> bool {
        self.scheme == scheme && self.port.is_none_or(|own| own == port) && self.host.covers(host)
    }

    /// Whether a request of `method` for `path` (as it is sent, without the query) to a host that is covered is within the
    /// scope. Methods are case-sensitive, as they are in HTTP.
    #[must_use]
    pub fn covers_request(&self, method: &str, path: &str) -> bool {
        let method = self.methods.is_empty() || self.methods.contains(method);
        method && (self.path.is_empty() || (is_plain(path) && below(path, &self.path)))
    }

    /// The narrowest scope that covers a request of `method` to `scheme://host:port` for `path` (as it is sent, without the
    /// query). `None` where no scope can: a host that is spelled oddly, or another scheme.
    #[must_use]
    pub fn of_request(
        method: &str,
        (scheme, host, port): (&str, &str, u16),
        path: &str,
    ) -> Option<Self> {
        let written = |path: &str| path.bytes().all(is_written) && is_plain(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let path = if path.len() <= MAX_PATH && written(path) { path } else { "" };
        matches!(scheme, "http" | "https").then_some(())?;
        Some(Self {
            methods: methods_of(method).unwrap_or_default(),
            scheme: scheme.to_owned(),
            host: host.parse().ok().filter(HostPattern::is_exact)?,
            port: Some(port),
            path: path.to_owned(),
        })
    }

    /// What both scopes allow; `None` where they share nothing.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let methods: BTreeSet<_> = match (self.methods.is_empty(), other.methods.is_empty()) {
            (true, _) => other.methods.clone(),
            (_, true) => self.methods.clone(),
            _ => self.methods.intersection(&other.methods).cloned().collect(),
        };
        if methods.is_empty() && !(self.methods.is_empty() && other.methods.is_empty()) {
            return None;
        }
        let path = if below(&self.path, &other.path) {
            &self.path
        } else if below(&other.path, &self.path) {
            &other.path
        } else {
            return None;
        };
        let host = self.host.intersect(&other.host)?;
        let port = common_port(self.port, other.port)?;
        (self.scheme == other.scheme).then(|| Self {
            methods,
            scheme: self.scheme.clone(),
            host,
            port,
            path: path.clone(),
        })
    }
}

/// The longest path of a scope, in bytes.
const MAX_PATH: usize = 1024;

/// Whether the path of a scope may have this byte.
fn is_written(b: u8) -> bool {
    b.is_ascii_graphic() && !b"?#\\\"<>^`{|}*".contains(&b)
}

/// Whether `path` is `prefix` or below it.
fn below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path says where it leads: no `.` or `..`, no empty part, and none of these or `/` and `\` behind an escape. A
/// server may read such a path in a way of its own, so where a scope has a path they are never within it.
fn is_plain(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let escaped = ["%2e", "%2f", "%5c", "%00", "%25"].iter().any(|escape| lower.contains(escape));
    let parts = path.strip_prefix('/').is_some_and(|rest| {
        let mut parts = rest.split('/').peekable();
        let mut plain = true;
        while let Some(part) = parts.next() {
            // A `/` at the very end is an empty last part, and harmless; so is a `;` outside of a dot part.
            let last = parts.peek().is_none();
            let stem = part.split(';').next().unwrap_or(part);
            plain &= !matches!(stem, "." | "..") && (last || !part.is_empty());
        }
        plain
    });
    parts && !escaped && !path.contains('\\')
}

impl FromStr for HttpScope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let fail = || ScopeError::new(text, EXPECTED);
        let (methods, url) = match text.split_once(' ') {
            Some((methods, url)) => (methods_of(methods).ok_or_else(fail)?, url),
            None => (BTreeSet::new(), text),
        };
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        if !matches!(scheme, "http" | "https") {
            return Err(fail());
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.len() > MAX_PATH
            || !path.bytes().all(is_written)
            || (!path.is_empty() && (!is_plain(path) || path.ends_with('/')))
        {
            return Err(fail());
        }
        let (host, port) = match authority.rfind(':') {
            Some(colon) if !authority[colon..].contains(']') => {
                (&authority[..colon], Some(&authority[colon + 1..]))
            }
            _ => (authority, None),
        };
        let port = match port {
            Some("*") => None,
            Some(port) => {
                Some(port.parse().ok().filter(|_| !port.starts_with('+')).ok_or_else(fail)?)
            }
            None if host == "*" => None,
            None => Some(if scheme == "https" { 443 } else { 80 }),
        };
        let host = host.parse().map_err(|_| fail())?;
        Ok(Self { methods, scheme: scheme.to_owned(), host, port, path: path.to_owned() })
    }
}

/// `GET,HEAD`: upper-case words, each once.
fn methods_of(text: &str) -> Option<BTreeSet<String>> {
    let method = |word: &str| {
        let ok = (1..=32).contains(&word.len())
            && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        ok.then(|| word.to_owned())
    };
    text.split(',').map(method).collect()
}

impl fmt::Display for HttpScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, method) in self.methods.iter().enumerate() {
            write!(f, "{}{method}", if n == 0 { "" } else { "," })?;
        }
        if !self.methods.is_empty() {
            f.write_str(" ")?;
        }
        write!(f, "{}://{}", self.scheme, self.host)?;
        // `*` alone is any port, so there the scheme's own port has to be said.
        match (self.scheme.as_str(), self.port) {
            (_, None) if self.host.as_str() == "*" => {}
            (_, Some(port)) if self.host.as_str() == "*" => write!(f, ":{port}")?,
            ("https", Some(443)) | ("http", Some(80)) => {}
            (_, Some(port)) => write!(f, ":{port}")?,
            (_, None) => f.write_str(":*")?,
        }
        f.write_str(&self.path)
    }
}

super::as_text!(HttpScope);
