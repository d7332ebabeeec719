//! The component side: one exchange over `wasi:http/outgoing-handler@0.2`.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
};
use wasip2::http::types::{RequestOptions, Scheme};
use wasip2::io::streams::{InputStream, StreamError};

use super::{Request, Response, Url, too_large};
use crate::{Failure, Result};

/// What a stream takes at once, by its contract.
const WRITE: usize = 4096;

/// What is asked of a stream at once.
const READ: u64 = 64 << 10;

pub(super) fn send(request: &Request, url: &Url<'_>) -> Result<Response> {
    let outgoing = outgoing(request, url)?;
    let body = outgoing.body().map_err(|()| broken("the request has no body"))?;
    let options = RequestOptions::new();
    let nanoseconds = Some(request.timeout_ms.saturating_mul(1_000_000));
    // A host may not know a timeout; the call's deadline holds in any case.
    let _ = options.set_connect_timeout(nanoseconds);
    let _ = options.set_first_byte_timeout(nanoseconds);
    let pending = outgoing_handler::handle(outgoing, Some(options)).map_err(failure)?;
    write(body, &request.body)?;
    let ready = pending.subscribe();
    ready.block();
    let response = match pending.get() {
        Some(Ok(response)) => response.map_err(failure)?,
        Some(Err(())) | None => return Err(broken("the answer was taken twice")),
    };
    receive(&response, request.max_bytes)
}

fn outgoing(request: &Request, url: &Url<'_>) -> Result<OutgoingRequest> {
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
        .collect::<Vec<_>>();
    let headers =
        Fields::from_list(&headers).map_err(|_| broken("a header is malformed or forbidden"))?;
    let outgoing = OutgoingRequest::new(headers);
    let method = match request.method.as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    };
    let scheme = if url.secure { Scheme::Https } else { Scheme::Http };
    outgoing.set_method(&method).map_err(|()| broken("the method is malformed"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| broken("the scheme is malformed"))?;
    outgoing.set_authority(Some(url.authority)).map_err(|()| broken("the host is malformed"))?;
    outgoing.set_path_with_query(Some(&url.path)).map_err(|()| broken("the path is malformed"))?;
    Ok(outgoing)
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Result<()> {
    if !bytes.is_empty() {
        let stream = body.write().map_err(|()| broken("the body was taken twice"))?;
        for chunk in bytes.chunks(WRITE) {
            stream.blocking_write_and_flush(chunk).map_err(|_| {
                Failure::retryable("http-connect", "the connection ended while sending")
            })?;
        }
    }
    OutgoingBody::finish(body, None).map_err(failure)
}

fn receive(response: &IncomingResponse, max: usize) -> Result<Response> {
    let headers = response
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect();
    let body = response.consume().map_err(|()| broken("the body was taken twice"))?;
    let stream = body.stream().map_err(|()| broken("the body was taken twice"))?;
    Ok(Response {
        url: String::new(),
        status: response.status(),
        headers,
        body: read(&stream, max)?,
    })
}

fn read(stream: &InputStream, max: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(READ) {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(_)) => {
                return Err(Failure::retryable(
                    "http-connect",
                    "the connection ended while receiving",
                ));
            }
        }
        if bytes.len() > max {
            return Err(too_large(max));
        }
    }
}

fn broken(what: &str) -> Failure {
    Failure::fatal("http", what)
}

fn failure(code: ErrorCode) -> Failure {
    match code {
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => {
            Failure::retryable("http-timeout", "the server took too long")
        }
        ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTerminated
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::HttpResponseIncomplete => {
            Failure::retryable("http-connect", "the server could not be reached")
        }
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
            Failure::fatal("http-denied", "the host does not allow this request")
        }
        ErrorCode::TlsCertificateError
        | ErrorCode::TlsProtocolError
        | ErrorCode::TlsAlertReceived(_) => {
            Failure::fatal("http-tls", "the server's certificate or TLS was not accepted")
        }
        _ => Failure::fatal("http", "the exchange broke the protocol"),
    }
}
