//! HTTP to registries: bounded, timed, retried, and careful with credentials. Knows nothing of
//! manifests or caches.
//!
//! Credentials go to the registry's own origin and to a vetted token realm, never along a redirect
//! or a foreign upload location.

mod auth;
mod challenge;
mod tls;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use longshore_reference::Repository;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::OnceCell;
use url::{Host, Url};

use crate::config::ClientConfig;
use crate::credentials::Credential;
use crate::error::{BoxError, Error, Result};

/// Redirects that one request may take.
const HOPS: usize = 5;
/// Attempts at an idempotent request.
const ATTEMPTS: u32 = 3;
/// The longest `Retry-After` that is waited for instead of reported.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest error body that is read.
const ERROR_LIMIT: u64 = 16 << 10;

/// One repository of one registry, and how to reach it.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// The registry as the reference writes it: for messages and for looking up credentials.
    pub(crate) host: String,
    /// The path within the registry.
    pub(crate) repository: String,
    /// `…/v2/<repository>/`.
    base: Url,
}

/// What an operation needs to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    Pull,
    Push,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// For messages: "the manifest `1.0.0`".
    pub(crate) what: &'a str,
    pub(crate) permission: Permission,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, url: Url, what: &'a str, permission: Permission) -> Self {
        Self { method, url, what, permission, headers: HeaderMap::new(), body: None }
    }

    pub(crate) fn get(url: Url, what: &'a str) -> Self {
        Self::new(Method::GET, url, what, Permission::Pull)
    }

    pub(crate) fn accept(mut self, types: &'static str) -> Self {
        self.headers.insert(header::ACCEPT, HeaderValue::from_static(types));
        self
    }

    pub(crate) fn body(mut self, media_type: &'static str, body: Bytes) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.body = Some(body);
        self
    }
}

impl Endpoint {
    /// `…/v2/<repository>/<tail>`.
    pub(crate) fn url(&self, tail: &str) -> Url {
        let mut url = self.base.clone();
        let path = format!("{}{tail}", self.base.path());
        url.set_path(&path);
        url
    }
}

pub(crate) struct Transport {
    pub(crate) config: ClientConfig,
    plain: OnceCell<reqwest::Client>,
    trusted: OnceCell<reqwest::Client>,
    /// The `Authorization` value that worked, by registry and scope.
    granted: Mutex<HashMap<(String, String), HeaderValue>>,
    credentials: tokio::sync::Mutex<HashMap<String, Option<Credential>>>,
}

impl Transport {
    pub(crate) fn new(config: ClientConfig) -> Self {
        Self {
            config,
            plain: OnceCell::new(),
            trusted: OnceCell::new(),
            granted: Mutex::default(),
            credentials: tokio::sync::Mutex::default(),
        }
    }

    /// Where `repository` is; plain HTTP for loopback and named hosts, TLS for all others.
    pub(crate) fn endpoint(&self, repository: &Repository) -> Result<Endpoint> {
        let host = repository
            .registry()
            .ok_or_else(|| Error::NoRegistry { reference: repository.to_string() })?;
        let authority = if host == "docker.io" { "registry-1.docker.io" } else { host };
        let unreadable = |source: url::ParseError| Error::Config {
            what: format!("the registry `{host}`"),
            source: Some(source.into()),
        };
        let path = format!("://{authority}/v2/{}/", repository.path());
        let secure = Url::parse(&format!("https{path}")).map_err(unreadable)?;
        let plain = Url::parse(&format!("http{path}")).map_err(unreadable)?;
        let base = if self.may_be_plain(&plain) { plain } else { secure };
        Ok(Endpoint { host: host.to_owned(), repository: repository.path().to_owned(), base })
    }

    fn may_be_plain(&self, url: &Url) -> bool {
        if is_named(&self.config.loopback_tls, url) {
            return false;
        }
        is_loopback(url) || is_named(&self.config.plain_http, url)
    }

    /// Runs `operation` again, twice, when it fails in a way that may pass; all of it within
    /// `limit`.
    pub(crate) async fn retry<T, F, R>(
        &self,
        host: &str,
        limit: Duration,
        operation: F,
    ) -> Result<T>
    where
        F: Fn() -> R + Send,
        R: Future<Output = Result<T>> + Send,
    {
        self.within(host, limit, async {
            let mut pause = self.config.timeouts.backoff;
            for _ in 1..ATTEMPTS {
                match operation().await {
                    Err(error) if let Some(asked) = passing(&error) => {
                        let wait = asked.unwrap_or(pause);
                        tracing::debug!(code = error.code(), ?wait, "trying again: {error}");
                        tokio::time::sleep(wait).await;
                        pause *= 4;
                    }
                    other => return other,
                }
            }
            operation().await
        })
        .await
    }

    /// Runs `operation` within `limit`.
    pub(crate) async fn within<T>(
        &self,
        host: &str,
        limit: Duration,
        operation: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::time::timeout(limit, operation).await.unwrap_or_else(|_| {
            Err(Error::Timeout { host: host.to_owned(), phase: "total", limit })
        })
    }

    /// Sends one request, with credentials where the registry asks for them, and follows redirects
    /// of reads. An answer outside 2xx is an error.
    pub(crate) async fn send(&self, endpoint: &Endpoint, call: &Call<'_>) -> Result<Response> {
        if self.config.offline {
            return Err(Error::Offline { what: call.what.to_owned() });
        }
        let mut url = call.url.clone();
        let mut hops = 0;
        let mut authorised = false;
        loop {
            let home = url.origin() == endpoint.base.origin();
            let mut request = self.client(&url).await?.request(call.method.clone(), url.clone());
            request = request.headers(call.headers.clone());
            if let Some(value) = self.granted(endpoint, call.permission).filter(|_| home) {
                request = request.header(header::AUTHORIZATION, value);
            }
            if let Some(body) = &call.body {
                request = request.body(body.clone());
            } else if !matches!(call.method, Method::GET | Method::HEAD) {
                request = request.header(header::CONTENT_LENGTH, 0);
            }
            let response = request.send().await.map_err(|e| self.failed(&url, call.what, e))?;
            let read = matches!(call.method, Method::GET | Method::HEAD);
            if read && is_redirect(response.status()) {
                hops += 1;
                if hops > HOPS {
                    return Err(refused(endpoint, &url, "too many redirects"));
                }
                url = self.location(endpoint, &url, &response, call.what)?;
            } else if response.status() == StatusCode::UNAUTHORIZED && home && !authorised {
                // Once: what is kept may have run out, and what is fresh is not refused for that.
                authorised = true;
                self.authorise(endpoint, call, &response).await?;
            } else if response.status().is_success() {
                return Ok(response);
            } else {
                return Err(self.refusal(endpoint, call.what, response).await);
            }
        }
    }

    /// The answer's body, up to `limit` bytes, with its headers; tried again when that may help.
    pub(crate) async fn read(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        limit: u64,
    ) -> Result<(HeaderMap, Vec<u8>)> {
        self.retry(&endpoint.host, self.config.timeouts.request, || async {
            let response = self.send(endpoint, call).await?;
            let headers = response.headers().clone();
            let body = self.body(&endpoint.host, call.what, response, limit).await?;
            Ok((headers, body))
        })
        .await
    }

    async fn body(
        &self,
        host: &str,
        what: &str,
        mut response: Response,
        limit: u64,
    ) -> Result<Vec<u8>> {
        let large = || Error::TooLarge { host: host.to_owned(), what: what.to_owned(), limit };
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut response, what).await? {
            if body.len() as u64 + chunk.len() as u64 > limit {
                return Err(large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The next piece of an answer's body.
    pub(crate) async fn chunk(&self, response: &mut Response, what: &str) -> Result<Option<Bytes>> {
        match response.chunk().await {
            Ok(chunk) => Ok(chunk),
            Err(error) => Err(self.failed(response.url(), what, error)),
        }
    }

    /// Where an answer's `Location` points to, if that may be followed.
    pub(crate) fn location(
        &self,
        endpoint: &Endpoint,
        from: &Url,
        response: &Response,
        what: &str,
    ) -> Result<Url> {
        let broken = |reason: &str| Error::BrokenAnswer {
            host: endpoint.host.clone(),
            what: what.to_owned(),
            reason: reason.to_owned(),
        };
        let value = response.headers().get(header::LOCATION);
        let value = value.ok_or_else(|| broken("it has no `Location`"))?;
        let text = value.to_str().map_err(|_| broken("its `Location` is not text"))?;
        let target = from.join(text).map_err(|_| broken("its `Location` is not a URL"))?;
        self.vet(endpoint, target)
    }

    /// Whether `target`, named by the registry, may be asked.
    pub(crate) fn vet(&self, endpoint: &Endpoint, mut target: Url) -> Result<Url> {
        let base = &endpoint.base;
        if target.scheme() == "http" && base.scheme() == "https" && target.host() == base.host() {
            // A registry behind a proxy that ends TLS often names itself with `http`.
            let moved = target.set_scheme("https").and_then(|()| target.set_port(base.port()));
            moved.map_err(|()| refused(endpoint, &target, "it has no host"))?;
        }
        let reason = match target.scheme() {
            _ if !target.username().is_empty() || target.password().is_some() => {
                "it carries credentials"
            }
            "http" | "https" if is_loopback(&target) && !is_loopback(base) => {
                "a remote registry may not point to this machine"
            }
            "https" => return Ok(target),
            "http" if self.may_be_plain(&target) => return Ok(target),
            "http" => "it is plain HTTP",
            _ => "it is not HTTP",
        };
        Err(refused(endpoint, &target, reason))
    }

    async fn client(&self, url: &Url) -> Result<&reqwest::Client> {
        if url.scheme() == "http" {
            return self.plain.get_or_try_init(|| async { tls::plain(&self.config) }).await;
        }
        self.trusted
            .get_or_try_init(|| async {
                let config = self.config.clone();
                let built = tokio::task::spawn_blocking(move || tls::trusted(&config)).await;
                built.unwrap_or_else(|error| {
                    Err(Error::Config { what: "TLS".into(), source: Some(error.into()) })
                })
            })
            .await
    }

    fn failed(&self, url: &Url, what: &str, error: reqwest::Error) -> Error {
        let host = authority(url);
        let limits = &self.config.timeouts;
        if error.is_timeout() {
            let (phase, limit) = if error.is_connect() {
                ("connect", limits.connect)
            } else {
                ("read", limits.read)
            };
            return Error::Timeout { host, phase, limit };
        }
        let is_connect = error.is_connect();
        let (cause, kind) = innermost(&error);
        let what = what.to_owned();
        match kind {
            Cause::Tls => Error::Tls { host, source: cause },
            _ if is_connect => Error::Connect { host, source: cause },
            Cause::Parse => Error::BrokenAnswer { host, what, reason: cause.to_string() },
            Cause::Other => Error::Interrupted { host, what, source: cause },
        }
    }

    /// The error that a status outside 2xx means.
    async fn refusal(&self, endpoint: &Endpoint, what: &str, response: Response) -> Error {
        let (status, headers) = (response.status(), response.headers().clone());
        let (host, what) = (endpoint.host.clone(), what.to_owned());
        let body = self.body(&host, &what, response, ERROR_LIMIT).await.unwrap_or_default();
        let message = said(&body);
        match status.as_u16() {
            401 => Error::Unauthenticated { host, what, message },
            403 => Error::Forbidden { host, what, message },
            404 => Error::NotFound { host, what },
            429 => {
                let seconds = headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
                let seconds = seconds.and_then(|text| text.trim().parse().ok());
                Error::RateLimited { host, retry_after: seconds.map(Duration::from_secs) }
            }
            status @ 500.. => Error::ServerFault { host, status, what, message },
            status => Error::Status { host, status, what, message },
        }
    }
}

/// Whether an error may pass by itself, and how long the registry asks to wait.
fn passing(error: &Error) -> Option<Option<Duration>> {
    match error {
        Error::Connect { .. } | Error::Interrupted { .. } | Error::ServerFault { .. } => Some(None),
        Error::Timeout { phase: "connect", .. } => Some(None),
        Error::RateLimited { retry_after: Some(after), .. } => {
            (*after <= PATIENCE).then_some(Some(*after))
        }
        Error::RateLimited { retry_after: None, .. } => Some(None),
        _ => None,
    }
}

enum Cause {
    Tls,
    Parse,
    Other,
}

/// The innermost cause: the outer layers of the HTTP stack say nothing more, and quote URLs.
fn innermost(error: &reqwest::Error) -> (BoxError, Cause) {
    let mut kind = Cause::Other;
    let mut text = "the HTTP exchange failed".to_owned();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = cause.to_string();
        if is_tls(cause) {
            kind = Cause::Tls;
        } else if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            kind = Cause::Parse;
        }
        next = cause.source();
    }
    (text.into(), kind)
}

/// Whether `cause` is TLS's. Causes inside I/O errors do not show up as sources, at any depth.
fn is_tls(cause: &(dyn std::error::Error + 'static)) -> bool {
    let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    cause.is::<rustls::Error>() || inner.is_some_and(|inner| is_tls(inner))
}

/// What the registry says is wrong (distribution spec 1.1, "Error codes"): one printable line of at
/// most 200 characters.
fn said(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Envelope {
        errors: Vec<Item>,
    }
    #[derive(serde::Deserialize)]
    struct Item {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope>(body) else { return String::new() };
    let items = envelope.errors.iter().take(3);
    let text = items.map(|i| format!("{} {}", i.code, i.message)).collect::<Vec<_>>().join("; ");
    let text = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    text.take(200).collect()
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// `host[:port]` of a URL.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A URL that may be shown: no user information, no query.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), authority(url), url.path())
}

fn refused(endpoint: &Endpoint, target: &Url, reason: &'static str) -> Error {
    Error::Redirect { host: endpoint.host.clone(), target: shown(target), reason }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

fn is_named(hosts: &[String], url: &Url) -> bool {
    let (full, bare) = (authority(url), url.host_str().unwrap_or_default());
    hosts.iter().any(|host| host.eq_ignore_ascii_case(&full) || host.eq_ignore_ascii_case(bare))
}
