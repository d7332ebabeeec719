//! Answers: the body type, the specification's error documents, and the headers that every answer
//! carries.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};

/// The body of an answer: empty, in memory, or streamed from a file.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;
/// An answer.
pub(crate) type Reply = Response<Body>;
/// What a handler gives.
pub(crate) type Result<T = Reply> = std::result::Result<T, Fault>;

fn never(impossible: Infallible) -> std::io::Error {
    match impossible {}
}

/// No body.
pub(crate) fn empty() -> Body {
    Empty::new().map_err(never).boxed_unsync()
}

/// A body that is already in memory.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(never).boxed_unsync()
}

/// An answer with `status` and no body.
pub(crate) fn status(status: StatusCode) -> Reply {
    let mut reply = Response::new(empty());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    reply
}

/// A document of type `content_type`.
pub(crate) fn document(content_type: &'static str, bytes: Vec<u8>) -> Reply {
    let mut reply = Response::new(empty());
    reply.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    *reply.body_mut() = full(bytes);
    reply
}

/// Sets a header whose text we made ourselves from checked parts.
pub(crate) fn set(reply: &mut Reply, name: &'static str, value: impl AsRef<str>) {
    // A value that is not header text would be a defect of ours; the header is then absent rather
    // than the server dead.
    match HeaderValue::from_str(value.as_ref()) {
        Ok(value) => {
            reply.headers_mut().insert(http::HeaderName::from_static(name), value);
        }
        Err(_) => tracing::error!(header = name, "a header value is not header text"),
    }
}

/// The error codes of the specification (distribution spec 1.1, "Error Codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    TooManyRequests,
    /// Ours: the disk failed. The specification has no word for it, and docker's is the same.
    Unknown,
}

impl Code {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Why a request was not answered with what it asked for.
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    code: Code,
    message: String,
    detail: Option<String>,
    headers: Vec<(&'static str, String)>,
}

impl Fault {
    /// A fault; `message` is for people.
    pub(crate) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: None, headers: Vec::new() }
    }

    /// What the fault is about, for programs.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// A header that goes with the answer.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The disk failed: the cause goes to the log, not to the client.
    pub(crate) fn storage(operation: &'static str, cause: &std::io::Error) -> Self {
        tracing::error!(operation, error = %cause, "the registry's storage failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Unknown,
            format!("the registry could not {operation}"),
        )
    }

    /// The answer.
    pub(crate) fn into_reply(self) -> Reply {
        let mut error = serde_json::json!({
            "code": self.code.as_str(),
            "message": self.message,
        });
        if let Some(detail) = self.detail {
            error["detail"] = detail.into();
        }
        let bytes = serde_json::json!({ "errors": [error] }).to_string().into_bytes();
        let mut reply = document("application/json", bytes);
        *reply.status_mut() = self.status;
        for (name, value) in &self.headers {
            set(&mut reply, name, value);
        }
        reply
    }
}

impl Fault {
    /// Whether it says that something is larger than a limit.
    pub(crate) fn is_too_large(&self) -> bool {
        self.status == StatusCode::PAYLOAD_TOO_LARGE
    }
}
