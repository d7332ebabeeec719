//! Blocking HTTP over `wasi:http/outgoing-handler`, with failures that know whether trying again makes sense.
//!
//! The host decides which servers a component reaches. Natively [`crate::testing::with_http`] answers; nothing here opens a
//! socket.

#[cfg(target_family = "wasm")]
mod wasi;

use crate::{Failure, Result};

/// How much of a body is read unless the request says otherwise: 8 MiB.
pub const DEFAULT_MAX_BYTES: usize = 8 << 20;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;

/// A request to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The absolute `http` or `https` URL.
    pub url: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Vec<u8>,
    /// The most bytes of the answer's body to take; more is a failure.
    pub max_bytes: usize,
    /// How long to wait for the connection, and for the first byte, in milliseconds.
    pub timeout_ms: u64,
}

impl Request {
    /// A request without headers and body: 8 MiB, 30 seconds.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            max_bytes: DEFAULT_MAX_BYTES,
            timeout_ms: 30_000,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the most bytes of the answer's body.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sends it; any status is an answer. A `GET` or `HEAD` follows up to five redirects, each granted or refused by the host.
    ///
    /// # Errors
    ///
    /// Retryable `http-connect` and `http-timeout`; fatal `http-denied` (the host refuses), `http-url`, `http-too-large`,
    /// `http-redirects` and `http` (anything else).
    pub fn send(mut self) -> Result<Response> {
        for _ in 0..=MAX_REDIRECTS {
            let mut response = send(&self)?;
            if response.body.len() > self.max_bytes {
                return Err(too_large(self.max_bytes));
            }
            response.url.clone_from(&self.url);
            let follows = matches!(self.method.as_str(), "GET" | "HEAD")
                && matches!(response.status, 301 | 302 | 303 | 307 | 308);
            match response.header("location") {
                Some(location) if follows => {
                    let next = Url::parse(&self.url)?.join(location);
                    // What was meant for one server is not for another.
                    if Url::parse(&next)?.origin() != Url::parse(&self.url)?.origin() {
                        self.headers.retain(|(name, _)| !is_secret(name));
                    }
                    self.url = next;
                }
                _ => return Ok(response),
            }
        }
        Err(Failure::fatal("http-redirects", format!("more than {MAX_REDIRECTS} redirects")))
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Where it came from, after redirects.
    pub url: String,
    /// For example 200.
    pub status: u16,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(have, _)| have.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text; what is not UTF-8 becomes `U+FFFD`.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Itself when the status is 2xx.
    ///
    /// # Errors
    ///
    /// `http-<status>`: retryable for 408, 429 and 5xx (except 501 and 505), with the server's `retry-after` seconds; else fatal.
    pub fn ok(self) -> Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let code = format!("http-{}", self.status);
        let message =
            format!("`{}` answered with status {}", without_query(&self.url), self.status);
        let again = matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504 | 506..=599);
        if !again {
            return Err(Failure::fatal(code, message));
        }
        let mut failure = Failure::retryable(code, message);
        failure.retry_after_ms = self
            .header("retry-after")
            .and_then(|seconds| seconds.trim().parse::<u64>().ok())
            .map(|seconds| seconds.saturating_mul(1000));
        Err(failure)
    }
}

/// Gets a URL.
///
/// # Errors
///
/// As [`Request::send`]; any status is an answer.
pub fn get(url: &str) -> Result<Response> {
    Request::new("GET", url).send()
}

/// Posts a body.
///
/// # Errors
///
/// As [`Request::send`]; any status is an answer.
pub fn post(url: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Result<Response> {
    Request::new("POST", url).header("content-type", content_type).body(body).send()
}

#[cfg(target_family = "wasm")]
fn send(request: &Request) -> Result<Response> {
    wasi::send(request, &Url::parse(&request.url)?)
}

#[cfg(not(target_family = "wasm"))]
fn send(request: &Request) -> Result<Response> {
    Url::parse(&request.url)?;
    crate::testing::native::respond(request).unwrap_or_else(|| {
        Err(Failure::fatal("native", "there is no network natively: use `testing::with_http`"))
    })
}

fn too_large(max: usize) -> Failure {
    Failure::fatal("http-too-large", format!("the answer has more than {max} bytes"))
}

fn is_secret(header: &str) -> bool {
    ["authorization", "cookie", "proxy-authorization"]
        .iter()
        .any(|name| header.eq_ignore_ascii_case(name))
}

/// A URL that may stand in a message: queries carry keys.
fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

/// The parts of a URL that a request needs.
#[derive(Debug, PartialEq, Eq)]
struct Url<'a> {
    secure: bool,
    authority: &'a str,
    /// Begins with `/`; without the fragment.
    path: String,
}

impl<'a> Url<'a> {
    fn parse(url: &'a str) -> Result<Self> {
        let wrong =
            |why: &str| Failure::fatal("http-url", format!("`{}` {why}", without_query(url)));
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| wrong("is not an absolute URL"))?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(wrong("is neither `http` nor `https`")),
        };
        if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(Failure::fatal(
                "http-url",
                "the URL contains spaces or control characters",
            ));
        }
        let rest = rest.split('#').next().unwrap_or(rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(Failure::fatal(
                "http-url",
                "the URL carries a user name: send a header instead",
            ));
        }
        if authority.is_empty() || authority.starts_with(':') {
            return Err(wrong("names no host"));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { secure, authority, path })
    }

    fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    fn origin(&self) -> (bool, String) {
        (self.secure, self.authority.to_ascii_lowercase())
    }

    /// Where a `location` leads from here (RFC 3986, section 5, for what servers send).
    fn join(&self, location: &str) -> String {
        let (scheme, authority) = (self.scheme(), self.authority);
        if location.contains("://") && !location.starts_with(['/', '?']) {
            return location.to_owned();
        }
        if let Some(rest) = location.strip_prefix("//") {
            return format!("{scheme}://{rest}");
        }
        let here = self.path.split('?').next().unwrap_or("/");
        let path = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{here}{location}"),
            _ => format!("{}{location}", &here[..=here.rfind('/').unwrap_or(0)]),
        };
        let (path, query) = match path.find(['?', '#']) {
            Some(at) => path.split_at(at),
            None => (path.as_str(), ""),
        };
        format!("{scheme}://{authority}{}{query}", without_dots(path))
    }
}

/// A path without `.` and `..`.
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_http;

    fn response(status: u16, headers: &[(&str, &str)]) -> Response {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Response { url: "http://a/p?key=secret".into(), status, headers, body: b"body".to_vec() }
    }

    #[test]
    fn a_status_knows_whether_to_try_again() {
        assert!(response(204, &[]).ok().is_ok());
        let busy = response(503, &[("Retry-After", "2")]).ok().unwrap_err();
        assert_eq!(
            (busy.code.as_str(), busy.is_retryable(), busy.retry_after_ms),
            ("http-503", true, Some(2000))
        );
        let gone = response(404, &[]).ok().unwrap_err();
        assert!(!gone.is_retryable());
        assert!(!gone.message.contains("secret"), "{}", gone.message);
    }

    #[test]
    fn redirects_are_followed_without_carrying_secrets_to_another_server() {
        let answer = with_http(
            |request| match request.url.as_str() {
                "http://a/x/y" => Ok(response(302, &[("location", "../z?q=1")])),
                "http://a/z?q=1" => {
                    assert_eq!(request.headers.len(), 1);
                    Ok(response(301, &[("Location", "https://b/")]))
                }
                url => {
                    assert_eq!((url, request.headers.len()), ("https://b/", 0));
                    Ok(response(200, &[]))
                }
            },
            || Request::new("GET", "http://a/x/y").header("Authorization", "k").send(),
        );
        assert_eq!(answer.unwrap().url, "https://b/");
        let looping = with_http(|_| Ok(response(302, &[("location", "/")])), || get("http://a/"));
        assert_eq!(looping.unwrap_err().code, "http-redirects");
    }

    #[test]
    fn urls_are_taken_apart_and_odd_ones_refused() {
        let url = Url::parse("https://h:8443?x=1#f").unwrap();
        assert_eq!((url.secure, url.authority, url.path.as_str()), (true, "h:8443", "/?x=1"));
        for bad in ["h/p", "ftp://h/", "http:///p", "http://u:p@h/", "http://h/a b", "http://:80/"]
        {
            assert_eq!(Url::parse(bad).unwrap_err().code, "http-url", "{bad}");
        }
    }

    #[test]
    fn a_body_past_the_bound_is_refused() {
        let result = with_http(
            |_| Ok(response(200, &[])),
            || Request::new("GET", "http://a/").max_bytes(3).send(),
        );
        assert_eq!(result.unwrap_err().code, "http-too-large");
    }
}
