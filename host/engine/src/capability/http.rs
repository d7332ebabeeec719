//! `wasi:http`: each request, of either WASI generation, goes through [`Egress::send_request`], and nowhere else.
//!
//! Scheme, host and port are checked against the grant; the name is resolved here, every address is vetted, and the vetted
//! address is the one connected to, so that a second look-up cannot change the answer. Redirects come back to the guest as
//! they are: following one is a new request. No proxy, no cookie, no credential of the host is ever used.

mod address;
mod body;
mod connect;

use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{Method, Request, Response, Uri};
use http_body_util::BodyExt as _;
use longshore_model::{
    CapabilityKind, Denied, Effect, EffectEnded, EffectStarted, Event, HttpScope, LimitName, Scope,
};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::call::Scene;

/// The longest that a connection may take to be made, whatever the guest asks for.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest that a server may be silent, whatever the guest asks for.
const SILENCE: Duration = Duration::from_secs(60);

type IoDriver = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, IoDriver), Error>;

/// The HTTP client of one call.
pub(crate) struct Egress {
    scene: Arc<Scene>,
}

/// Where a request goes, after its spelling was checked.
struct Target {
    https: bool,
    /// Lower-case; IPv6 in brackets.
    host: String,
    port: u16,
    /// Whether the operator named this very address: only then may it be a private one.
    private: bool,
}

impl Egress {
    pub(crate) fn new(scene: Arc<Scene>) -> Self {
        Self { scene }
    }

    /// The target of a request, if the grant has it.
    fn target(&self, method: &Method, uri: &Uri) -> Result<Target, Error> {
        let https = uri.scheme() == Some(&Scheme::HTTPS);
        let scheme = if https { "https" } else { "http" };
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        let Some((host, port)) = spelling(authority, https) else {
            self.deny(&format!("{scheme}://{}", shown(authority)), "the host is oddly spelled");
            return Err(Error::HttpRequestDenied);
        };
        let asked = format!("{scheme}://{host}:{port}");
        let server = (scheme, host.as_str(), port);
        match self.scene.grant.allows_http(method.as_str(), server, uri.path()) {
            Some(scope) => {
                // A name never leads to a private address: whoever answers for it could point it anywhere.
                let literal = host == "localhost" || address::literal(&host).is_some();
                let private = literal && scope.may_be_private();
                let narrow = HttpScope::of_request(method.as_str(), server, uri.path());
                let narrow = narrow.map_or_else(|| scope.scope().clone(), Scope::Http);
                self.scene.used(narrow);
                Ok(Target { https, host, port, private })
            }
            None => {
                self.deny(&asked, "no granted scope has it");
                Err(Error::HttpRequestDenied)
            }
        }
    }

    fn deny(&self, asked: &str, rule: &str) {
        self.scene.denied(Denied {
            call: Some(self.scene.id),
            capability: CapabilityKind::Http,
            asked: format!("http={asked}"),
            rule: rule.to_owned(),
            hint: format!("--allow http={asked}"),
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
        let address = address::literal(&host)?;
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
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: IoDriver,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let counted = self.scene.count(LimitName::HttpRequests, 1);
        let target = if counted {
            self.target(request.method(), request.uri())
        } else {
            Err(Error::ConnectionLimitReached)
        };
        let scene = Arc::clone(&self.scene);
        Box::new(async move {
            let target = target?;
            let method = request.method().clone();
            let path = request.uri().path().to_owned();
            let effect = begin(&scene, &target, &method, &path).await?;
            let result = exchange(&scene, &target, request, options).await;
            let said = match &result {
                Ok(response) => response.status().as_u16().to_string(),
                Err(error) => format!("failed: {error}"),
            };
            let ended = EffectEnded { call: scene.id, effect, result: said };
            scene.record(Event::EffectEnded(ended));
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

/// Journals the intent, as safely as the journal asks of it, before anything is sent.
async fn begin(scene: &Scene, target: &Target, method: &Method, path: &str) -> Result<u32, Error> {
    let effect = scene.next_effect();
    let scheme = if target.https { "https" } else { "http" };
    let url = format!("{scheme}://{}:{}{path}", target.host, target.port);
    let what = Effect::Http { method: method.as_str().to_owned(), url };
    let intent = Event::EffectStarted(EffectStarted { call: scene.id, effect, what });
    match scene.run().record_durably(intent).await {
        Ok(_) => Ok(effect),
        Err(error) => {
            scene.journal_failed(error);
            Err(Error::InternalError(Some("the journal cannot be written".to_owned())))
        }
    }
}

async fn exchange(
    scene: &Arc<Scene>,
    target: &Target,
    mut request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<Response<WasiBody>, Error> {
    let options = options.unwrap_or_default();
    let within = |asked: Option<Duration>, most: Duration| asked.map_or(most, |a| a.min(most));
    let connect_time = within(options.connect_timeout, CONNECT);
    let first_byte = within(options.first_byte_timeout, SILENCE);
    let between = within(options.between_bytes_timeout, SILENCE);

    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    let request = request.map(|inner| body::Outgoing::new(inner, Arc::clone(scene)).boxed_unsync());

    let connecting = connect::connect(target);
    let stream = tokio::time::timeout(connect_time, connecting)
        .await
        .map_err(|_| Error::ConnectionTimeout)??;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_headers(100)
        .max_buf_size(64 << 10)
        .handshake(wasmtime_wasi_http::io::TokioIo::new(stream))
        .await?;
    let connection = body::Driver::spawn(connection);
    let response = tokio::time::timeout(first_byte, sender.send_request(request))
        .await
        .map_err(|_| Error::ConnectionReadTimeout)??;
    Ok(response.map(|inner| {
        body::Incoming::new(inner, Arc::clone(scene), between, connection).boxed_unsync()
    }))
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
