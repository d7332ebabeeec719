//! `wasi:http`: each request, of either WASI generation, goes through [`Egress::send_request`], and nowhere else.
//!
//! Method, scheme, host, port and path are checked against the grant; the name is resolved here, every address is vetted, and
//! the vetted address is the one connected to, so that a second look-up cannot change the answer. Redirects come back to the
//! guest as they are: following one is a new request. Bodies pass as they are, nothing is decompressed. No proxy, no cookie,
//! no credential of the host is ever used.

mod body;
mod connect;
mod headers;
mod idempotency;
mod pool;
mod rate;

use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{Method, Request, Response, Uri};
use http_body_util::BodyExt as _;
use longshore_model::{CapabilityKind, Denied, Effect, HttpScope, LimitName, Scope};
use tokio::time::Instant;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

use self::pool::{Connection, Key, Lease, Pool};
use crate::call::Scene;
use crate::capability::net::{Lookup, Reach, Resolver, literal};
use crate::capability::secret;

pub(crate) use rate::Rates;

/// The least that hyper's buffer may be told to hold, in bytes.
const MIN_BUFFER: usize = 8192;

/// The longest that a connection may take to be made, whatever the guest asks for.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest that a server may be silent, whatever the guest asks for.
const SILENCE: Duration = Duration::from_secs(60);

type IoDriver = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, IoDriver), Error>;

/// The HTTP client of one call.
pub(crate) struct Egress {
    scene: Arc<Scene>,
    resolver: Resolver,
    /// Made with the first request: most calls make none.
    pool: Option<Arc<Pool>>,
    keys: idempotency::Keys,
}

/// Where a request goes, after its spelling was checked.
struct Target {
    https: bool,
    /// Lower-case; IPv6 in brackets.
    host: String,
    port: u16,
    reach: Reach,
}

impl Target {
    fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// Host and port.
    fn server(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// As the `host` header has it: without the scheme's own port.
    fn authority(&self) -> String {
        match (self.https, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            _ => self.server(),
        }
    }
}

impl Egress {
    pub(crate) fn new(scene: Arc<Scene>, resolver: Resolver, keyed: Arc<[HttpScope]>) -> Self {
        Self { scene, resolver, pool: None, keys: idempotency::Keys::new(keyed) }
    }

    /// The target of a request, if the grant has it, and the narrowest scope that covers it.
    fn target(&self, method: &Method, uri: &Uri) -> Result<(Target, Scope), Error> {
        let https = uri.scheme() == Some(&Scheme::HTTPS);
        let scheme = if https { "https" } else { "http" };
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        let Some((host, port)) = spelling(authority, https) else {
            self.odd(&format!("{scheme}://{}", shown(authority)));
            return Err(Error::HttpRequestDenied);
        };
        let server = (scheme, host.as_str(), port);
        let Some(narrow) = HttpScope::of_request(method.as_str(), server, uri.path()) else {
            self.odd(&format!("{scheme}://{host}"));
            return Err(Error::HttpRequestDenied);
        };
        let (grant, narrow) = (&self.scene.grant, Scope::Http(narrow));
        match grant.allows_http(method.as_str(), server, uri.path()) {
            Some(granted) => {
                let private = grant.may_lead_to_private(&host);
                let reach = Reach::of(&host, granted.may_be_private(), private);
                Ok((Target { https, host, port, reach }, narrow))
            }
            None => {
                self.scene.denied(grant.denial(self.scene.id, &narrow));
                Err(Error::HttpRequestDenied)
            }
        }
    }

    /// A host that is a number in disguise, or no host at all, is never granted.
    fn odd(&self, asked: &str) {
        self.scene.denied(Denied {
            call: Some(self.scene.id),
            capability: CapabilityKind::Http,
            asked: format!("http={asked}"),
            rule: "the host is oddly spelled".to_owned(),
            hint: "the component has to spell it plainly: a name, or an address in full".to_owned(),
        });
    }
}

/// Host and port, if they are spelled the one plain way: no user info, no empty label, no trailing dot, and nothing that is
/// a number in disguise (`127.1`, `0x7f.1`, `2130706433`).
fn spelling(authority: &Authority, https: bool) -> Option<(String, u16)> {
    if authority.as_str().contains('@') {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    let port = match authority.port() {
        Some(port) => port.as_str().parse().ok().filter(|&p| p > 0)?,
        None if authority.as_str().ends_with(':') => return None,
        None if https => 443,
        None => 80,
    };
    if host.starts_with('[') {
        let address = literal(&host)?;
        return Some((format!("[{address}]"), port));
    }
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return None;
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit())
        || (last.starts_with("0x") && last[2..].bytes().all(|b| b.is_ascii_hexdigit()));
    if numeric {
        // `Ipv4Addr` takes four decimal numbers without leading zeros, and nothing else.
        host.parse::<std::net::Ipv4Addr>().ok()?;
    }
    Some((host, port))
}

/// The authority without user info, for messages.
fn shown(authority: &Authority) -> &str {
    let text = authority.as_str();
    text.rsplit_once('@').map_or(text, |(_, host)| host)
}

impl WasiHttpHooks for Egress {
    fn is_forbidden_header(&mut self, name: &http::HeaderName) -> bool {
        headers::is_forbidden(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        headers::filter()
    }

    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: IoDriver,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let counted = self.scene.count(LimitName::HttpRequests, 1);
        let target = if counted {
            self.target(request.method(), request.uri())
        } else {
            Err(Error::ConnectionLimitReached)
        };
        if let Ok((target, _)) = &target {
            let server = (target.scheme(), target.host.as_str(), target.port);
            self.keys.put(&self.scene, server, &mut request);
        }
        let client = Client {
            scene: Arc::clone(&self.scene),
            resolver: self.resolver.clone(),
            pool: Arc::clone(self.pool.get_or_insert_default()),
        };
        Box::new(async move {
            let (target, scope) = target?;
            client.scene.used(scope.clone());
            let server = (target.scheme(), target.host.as_str(), target.port);
            secret::inject(&client.scene, server, &mut request)?;
            client.pace(&target).await?;
            let url = format!("{}://{}{}", target.scheme(), target.server(), request.uri().path());
            let what = Effect::Http { method: request.method().as_str().to_owned(), url };
            let effect = client.scene.intend(what).await.ok_or_else(unwritten)?;
            let result = client.exchange(&target, &scope, request, options).await;
            let said = match &result {
                Ok(response) => response.status().as_u16().to_string(),
                Err(error) => format!("failed: {error}"),
            };
            client.scene.effect_ended(effect, said);
            let done: IoDriver = Box::new(async { Ok(()) });
            Ok((result?, done))
        })
    }

    fn p2_error_from_connect(
        &mut self,
        error: &std::io::Error,
    ) -> wasmtime_wasi_http::p2::bindings::http::types::ErrorCode {
        use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
        match error.kind() {
            std::io::ErrorKind::TimedOut => ErrorCode::ConnectionTimeout,
            _ => ErrorCode::ConnectionRefused,
        }
    }
}

fn unwritten() -> Error {
    Error::InternalError(Some("the journal cannot be written".to_owned()))
}

/// What one request needs, apart from the store that it came from.
struct Client {
    scene: Arc<Scene>,
    resolver: Resolver,
    pool: Arc<Pool>,
}

/// How long the parts of one request may take.
struct Times {
    connect: Duration,
    first_byte: Duration,
    between: Duration,
    ends: Instant,
}

impl Client {
    /// Holds a request back while its host has had too many.
    async fn pace(&self, target: &Target) -> Result<(), Error> {
        let rate = self.scene.grant.limits().http_rate;
        match self.scene.cx.rates().take(&target.server(), rate, std::time::Instant::now()) {
            Some(Duration::ZERO) => Ok(()),
            Some(wait) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            None => {
                self.scene.hit(LimitName::HttpRate);
                Err(Error::ConnectionLimitReached)
            }
        }
    }

    async fn exchange(
        &self,
        target: &Target,
        scope: &Scope,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<Response<WasiBody>, Error> {
        let options = options.unwrap_or_default();
        let within = |asked: Option<Duration>, most: Duration| asked.map_or(most, |a| a.min(most));
        let whole = Duration::from_millis(self.scene.grant.limits().http_request_ms);
        let times = Times {
            connect: within(options.connect_timeout, CONNECT),
            first_byte: within(options.first_byte_timeout, SILENCE),
            between: within(options.between_bytes_timeout, SILENCE),
            ends: Instant::now() + whole,
        };
        headers::clean(target, &mut request)?;
        let wrap = |inner| body::Outgoing::new(inner, Arc::clone(&self.scene)).boxed_unsync();
        let sending = self.send(target, scope, request.map(wrap), &times);
        match tokio::time::timeout_at(times.ends, sending).await {
            Ok(response) => response,
            Err(_) => Err(Error::HttpResponseTimeout),
        }
    }

    /// Sends over a connection that waits, or over a new one.
    async fn send(
        &self,
        target: &Target,
        scope: &Scope,
        mut request: Request<WasiBody>,
        times: &Times,
    ) -> Result<Response<WasiBody>, Error> {
        let key = Key { https: target.https, server: target.server() };
        while let Some(connection) = self.pool.take(&key).await {
            match self.over(connection, &key, request, times).await {
                Ok(response) => return Ok(response),
                // It was closed before a byte of the request left: another connection may have it.
                Err((_, Some(unsent))) => request = *unsent,
                Err((error, None)) => return Err(error),
            }
        }
        let connection = tokio::time::timeout(times.connect, self.connect(target, scope))
            .await
            .map_err(|_| Error::ConnectionTimeout)??;
        self.over(connection, &key, request, times).await.map_err(|(error, _)| error)
    }

    async fn connect(&self, target: &Target, scope: &Scope) -> Result<Connection, Error> {
        let scene = &self.scene;
        let found = self.resolver.vetted(&target.host, target.reach).await;
        let addresses = found.map_err(|why| match why {
            Lookup::Failed => Error::DnsError { rcode: None, info_code: None },
            Lookup::Nothing => Error::DestinationNotFound,
            Lookup::Prohibited(bad) => {
                let denial = scene.grant.denial_of_address(scene.id, scope, &target.host, bad);
                scene.denied(denial);
                Error::DestinationIpProhibited
            }
        })?;
        let stream = connect::connect(scene, target, addresses).await?;
        let limits = scene.grant.limits();
        let in_memory = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let (sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_headers(in_memory(limits.http_headers))
            .max_buf_size(in_memory(limits.http_header_bytes).max(MIN_BUFFER))
            .handshake(wasmtime_wasi_http::io::TokioIo::new(stream))
            .await?;
        Ok(Connection { sender, _driver: body::Driver::spawn(connection) })
    }

    async fn over(
        &self,
        mut connection: Connection,
        key: &Key,
        request: Request<WasiBody>,
        times: &Times,
    ) -> Result<Response<WasiBody>, (Error, Option<Box<Request<WasiBody>>>)> {
        let sending = connection.sender.try_send_request(request);
        let mut response = match tokio::time::timeout(times.first_byte, sending).await {
            Ok(Ok(response)) => response,
            Ok(Err(mut failed)) => {
                let unsent = failed.take_message().map(Box::new);
                return Err((self.failed(failed.into_error()), unsent));
            }
            Err(_) => return Err((Error::ConnectionReadTimeout, None)),
        };
        self.head(&response).map_err(|error| (error, None))?;
        secret::redact(&self.scene, &mut response);
        let lease = Lease { connection, key: key.clone(), pool: Arc::clone(&self.pool) };
        let wrap = |inner| {
            let scene = Arc::clone(&self.scene);
            body::Incoming::new(inner, scene, times.between, times.ends, lease).boxed_unsync()
        };
        Ok(response.map(wrap))
    }

    fn failed(&self, error: hyper::Error) -> Error {
        match error.is_parse_too_large() {
            true => self.header_too_large(),
            false => Error::from(error),
        }
    }

    fn header_too_large(&self) -> Error {
        let limit = self.scene.grant.limits().http_header_bytes;
        Error::HttpResponseHeaderSectionSize(u32::try_from(limit).ok())
    }

    /// Whether the head of a response may be passed on.
    fn head(&self, response: &Response<hyper::body::Incoming>) -> Result<(), Error> {
        if response.status() == http::StatusCode::SWITCHING_PROTOCOLS {
            return Err(Error::HttpUpgradeFailed);
        }
        let fields = response.headers().iter();
        let bytes: usize = fields.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        match bytes as u64 > self.scene.grant.limits().http_header_bytes {
            true => Err(self.header_too_large()),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plain_spelling_of_a_host_is_taken() {
        let plain =
            |text: &str| spelling(&text.parse().unwrap(), true).map(|(h, p)| format!("{h} {p}"));
        assert_eq!(plain("Example.COM"), Some("example.com 443".into()));
        assert_eq!(plain("127.0.0.1:8080"), Some("127.0.0.1 8080".into()));
        assert_eq!(plain("[0:0:0:0:0:0:0:1]:8"), Some("[::1] 8".into()));
        for odd in [
            "user@example.com",
            "user:pass@example.com:80",
            "example.com.",
            "example..com",
            "127.1",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "0x7f000001",
            "2130706433",
            "127.0.0.1.",
            "127.0.0.01",
            "example.com:0",
            "ex%61mple.com",
        ] {
            let parsed: Result<Authority, _> = odd.parse();
            assert!(parsed.is_err() || spelling(&parsed.unwrap(), true).is_none(), "{odd}");
        }
    }
}
