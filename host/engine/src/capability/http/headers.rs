//! What a request may say about its own transport: nothing. Framing, connection and destination are the host's to write, so
//! that a request cannot be read in two ways.

use std::sync::{Arc, LazyLock};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Version};
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, WasiBody};

use super::Target;

/// Tells guests which headers are not theirs to set.
pub(super) fn filter() -> ForbiddenHeaderFilter {
    static FILTER: LazyLock<ForbiddenHeaderFilter> = LazyLock::new(|| Arc::new(is_forbidden));
    Arc::clone(&FILTER)
}

/// Whether `name` speaks of the transport or of a proxy.
pub(super) fn is_forbidden(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name)
        || matches!(*name, header::TE | header::TRAILER | header::EXPECT)
        || name.as_str().starts_with("proxy-")
}

/// Makes `request` what may leave: in origin form, with the one `host` that it was granted for, and no header that speaks of
/// the transport.
pub(super) fn clean(target: &Target, request: &mut Request<WasiBody>) -> Result<(), Error> {
    // One would make a tunnel of the connection, the other would hand its headers back.
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Error::HttpRequestMethodInvalid);
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    if !path.starts_with('/') {
        return Err(Error::HttpRequestUriInvalid);
    }
    *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    let forbidden: Vec<_> = headers.keys().filter(|name| is_forbidden(name)).cloned().collect();
    for name in forbidden {
        headers.remove(name);
    }
    let host = HeaderValue::try_from(target.authority());
    headers.insert(header::HOST, host.map_err(|_| Error::HttpRequestUriInvalid)?);
    one_length(headers)
}

/// At most one `content-length`, and that a plain number.
fn one_length(headers: &HeaderMap) -> Result<(), Error> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let plain = lengths.next().is_none_or(|length| {
        let length = length.as_bytes();
        (1..=19).contains(&length.len()) && length.iter().all(u8::is_ascii_digit)
    });
    match plain && lengths.next().is_none() {
        true => Ok(()),
        false => Err(Error::HttpProtocolError),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Empty};

    use super::*;

    fn target() -> Target {
        let host = "a.example".to_owned();
        Target { https: false, host, port: 8080, reach: crate::capability::net::Reach::Public }
    }

    fn request(method: &str, headers: &[(&str, &str)]) -> Request<WasiBody> {
        let mut request = Request::builder().method(method).uri("http://a.example:8080/x?y=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Empty::new().map_err(|never: std::convert::Infallible| match never {});
        request.body(body.boxed_unsync()).unwrap()
    }

    #[test]
    fn what_speaks_of_the_transport_does_not_leave() {
        let mut sent = request(
            "POST",
            &[
                ("host", "other.example"),
                ("connection", "upgrade"),
                ("upgrade", "h2c"),
                ("transfer-encoding", "chunked"),
                ("te", "trailers"),
                ("trailer", "x"),
                ("keep-alive", "1"),
                ("expect", "100-continue"),
                ("proxy-authorization", "x"),
                ("proxy-anything", "x"),
                ("content-length", "0"),
                ("x-own", "1"),
            ],
        );
        clean(&target(), &mut sent).unwrap();
        let names: Vec<_> = sent.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(sent.headers()["host"], "a.example:8080");
        assert!(["host", "content-length", "x-own"].iter().all(|own| names.contains(own)));
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!(sent.uri().to_string(), "/x?y=1");
    }

    #[test]
    fn tunnels_echoes_and_two_lengths_are_refused() {
        for method in ["CONNECT", "TRACE"] {
            assert!(clean(&target(), &mut request(method, &[])).is_err(), "{method}");
        }
        for lengths in [
            &[("content-length", "1"), ("content-length", "1")][..],
            &[("content-length", "+1")],
            &[("content-length", "1, 1")],
        ] {
            assert!(clean(&target(), &mut request("POST", lengths)).is_err(), "{lengths:?}");
        }
    }
}
