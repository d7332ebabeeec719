//! Who may make a request at all: browsers may not, users are checked, a read-only registry is not
//! written to.

use std::fmt;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, Request, StatusCode};
use longshore_reference::{Access, Digest};

use crate::config::Config;
use crate::reply::{Code, Fault};
use crate::route::{Route, is_read};

/// The rules, made from the settings.
pub(crate) struct Guard {
    /// SHA-256 of `name:password`, so that comparing takes the same time whatever was guessed.
    users: Vec<(Digest, Access)>,
    anonymous_read: bool,
    read_only: bool,
    /// The host names that are served; `None` where the address is not loopback.
    hosts: Option<Vec<String>>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("users", &self.users.len())
            .field("anonymous_read", &self.anonymous_read)
            .field("read_only", &self.read_only)
            .field("hosts", &self.hosts)
            .finish()
    }
}

fn denied(message: &'static str) -> Fault {
    Fault::new(StatusCode::FORBIDDEN, Code::Denied, message)
}

impl Guard {
    pub(crate) fn new(config: &Config, address: SocketAddr) -> Self {
        let user = |user: &crate::User| {
            (Digest::of(format!("{}:{}", user.name, user.password).as_bytes()), user.access)
        };
        Self {
            users: config.users.iter().map(user).collect(),
            anonymous_read: config.anonymous_read,
            read_only: config.read_only,
            hosts: address
                .ip()
                .is_loopback()
                .then(|| config.hosts.iter().map(|host| host.to_ascii_lowercase()).collect()),
        }
    }

    /// Lets a request in and reads its route, which nobody learns anything about before.
    pub(crate) fn admit<B>(
        &self,
        request: &Request<B>,
        route: impl FnOnce() -> Result<Route, Fault>,
    ) -> Result<Route, Fault> {
        self.check_host(request.headers())?;
        // Registry clients send neither; a web page that tries to push from within a browser cannot
        // avoid one of them.
        let headers = request.headers();
        let site = headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
        if headers.contains_key(ORIGIN) || site.is_some_and(|site| site != b"none") {
            return Err(denied("web pages may not use the registry"));
        }
        let access = self.access(headers)?;
        let route = match (access, route()) {
            // `/v2/` is where clients learn that there is something to log in to.
            (Granted::Anonymous, Ok(Route::Ping)) => return Err(unauthorized()),
            (_, route) => route?,
        };
        if !is_read(request.method()) {
            match access {
                Granted::Anonymous => return Err(unauthorized()),
                Granted::User(Access::ReadOnly | Access::Create) => {
                    return Err(denied("the user may only pull"));
                }
                Granted::Open | Granted::User(Access::ReadWrite) if self.read_only => {
                    let status = StatusCode::METHOD_NOT_ALLOWED;
                    let message = "the registry is read-only";
                    return Err(
                        Fault::new(status, Code::Unsupported, message).header("allow", "GET, HEAD")
                    );
                }
                Granted::Open | Granted::User(Access::ReadWrite) => {}
            }
        }
        Ok(route)
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let Some(hosts) = &self.hosts else { return Ok(()) };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name = match host.rfind(':') {
            Some(colon) if !host[colon..].contains(']') => &host[..colon],
            _ => host,
        };
        let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let loopback = name == "localhost"
            || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if loopback || hosts.contains(&name) {
            return Ok(());
        }
        Err(denied("the registry does not answer to this host name"))
    }

    fn access(&self, headers: &HeaderMap) -> Result<Granted, Fault> {
        if self.users.is_empty() {
            return Ok(Granted::Open);
        }
        let Some(header) = headers.get(AUTHORIZATION) else {
            return if self.anonymous_read { Ok(Granted::Anonymous) } else { Err(unauthorized()) };
        };
        let given = header
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
            .and_then(|(_, text)| STANDARD.decode(text.trim()).ok())
            .ok_or_else(unauthorized)?;
        let given = Digest::of(&given);
        let mut granted = None;
        for (known, access) in &self.users {
            let pairs = known.as_bytes().iter().zip(given.as_bytes());
            if pairs.fold(0, |different, (a, b)| different | (a ^ b)) == 0 {
                granted = Some(Granted::User(*access));
            }
        }
        granted.ok_or_else(unauthorized)
    }
}

#[derive(Clone, Copy, Debug)]
enum Granted {
    /// There are no users.
    Open,
    /// There are users, this is none of them, and pulls need none.
    Anonymous,
    User(Access),
}

fn unauthorized() -> Fault {
    Fault::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, "a user and a password are required")
        .header("www-authenticate", "Basic realm=\"longshore\", charset=\"UTF-8\"")
}
