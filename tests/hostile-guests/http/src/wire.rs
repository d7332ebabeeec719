//! One exchange, and the words for how it failed.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{ErrorCode, Fields, IncomingResponse, Method, OutgoingBody};
use wasip2::http::types::{OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

/// A request, to be spoiled.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) scheme: Scheme,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Fields,
    pub(crate) response: IncomingResponse,
}

impl Ask {
    /// `GET http://host/path`
    pub(crate) fn get(host: impl Into<String>, path: &str) -> Self {
        Self {
            method: Method::Get,
            scheme: Scheme::Http,
            host: host.into(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sends it: the answer up to its body, or the word for why there is none.
    pub(crate) fn send(self) -> Result<Answer, String> {
        let headers = Fields::from_list(&self.headers).map_err(|e| word(format!("{e:?}")))?;
        let request = OutgoingRequest::new(headers);
        request.set_method(&self.method).map_err(|()| "method refused")?;
        request.set_scheme(Some(&self.scheme)).map_err(|()| "scheme refused")?;
        request.set_authority(Some(&self.host)).map_err(|()| "host refused")?;
        request.set_path_with_query(Some(&self.path)).map_err(|()| "path refused")?;
        let body = request.body().map_err(|()| "no body")?;
        let pending = outgoing_handler::handle(request, None).map_err(failure)?;
        if !self.body.is_empty() {
            let stream = body.write().map_err(|()| "no stream")?;
            for chunk in self.body.chunks(4096) {
                if stream.blocking_write_and_flush(chunk).is_err() {
                    break;
                }
            }
        }
        OutgoingBody::finish(body, None).map_err(failure)?;
        pending.subscribe().block();
        let response = pending.get().ok_or("not ready")?.map_err(|()| "taken")?.map_err(failure)?;
        Ok(Answer { status: response.status(), headers: response.headers(), response })
    }

    /// Sends it and reads the whole answer.
    pub(crate) fn exchange(self) -> Result<(u16, Vec<u8>), String> {
        let answer = self.send()?;
        let body = answer.response.consume().map_err(|()| "no body")?;
        let stream = body.stream().map_err(|()| "no stream")?;
        let mut bytes = Vec::new();
        loop {
            match stream.blocking_read(64 << 10) {
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(StreamError::Closed) => return Ok((answer.status, bytes)),
                Err(StreamError::LastOperationFailed(error)) => {
                    let code = wasip2::http::types::http_error_code(&error);
                    return Err(code.map_or_else(|| "stream failed".to_owned(), failure));
                }
            }
        }
    }

    /// The same as something stolen: status and text.
    pub(crate) fn steal(self) -> Result<String, String> {
        let (status, bytes) = self.exchange()?;
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        Ok(format!("{status} {text}"))
    }
}

/// The word for an error: its case in WIT, without what it carries.
pub(crate) fn failure(code: ErrorCode) -> String {
    word(format!("{code:?}"))
}

fn word(text: String) -> String {
    let text = text.rsplit("::").next().unwrap_or(&text).to_owned();
    text.split(['(', ' ']).next().unwrap_or_default().to_owned()
}
