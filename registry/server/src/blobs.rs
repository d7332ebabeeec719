//! Blobs: pulling, pushing whole or in chunks, mounting, deleting (distribution spec 1.1, "Pulling
//! blobs", "Pushing blobs").

use std::fs::File;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use longshore_reference::Digest;
use tokio::io::{AsyncRead, AsyncSeekExt, ReadBuf};
use tokio::time::Instant;

use crate::range::{self, Wanted};
use crate::reply::{self, Code, Fault, Reply};
use crate::route::{Name, Route, digest as parse_digest, query};
use crate::server::{App, method_not_allowed};
use crate::upload::{self, ForgetOnDrop, Progress};

const PIECE: usize = 64 << 10;

fn unknown(digest: Digest) -> Fault {
    Fault::new(StatusCode::NOT_FOUND, Code::BlobUnknown, "the repository has no such blob")
        .detail(digest.to_string())
}

fn text<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// `GET`, `HEAD` and `DELETE` of a blob.
pub(crate) async fn serve(
    app: &App,
    name: Name,
    digest: Digest,
    request: Request<Incoming>,
) -> reply::Result {
    match *request.method() {
        Method::GET | Method::HEAD => pull(app, name, digest, &request).await,
        Method::DELETE => {
            if !app.disk("delete a blob", move |store| store.remove_blob(&name, digest)).await? {
                return Err(unknown(digest));
            }
            Ok(reply::status(StatusCode::ACCEPTED))
        }
        _ => Err(method_not_allowed(&Route::Blob(name, digest))),
    }
}

async fn pull(app: &App, name: Name, digest: Digest, request: &Request<Incoming>) -> reply::Result {
    let opened = app.disk("read a blob", move |store| store.open_blob(&name, digest)).await?;
    let (file, size) = opened.ok_or_else(|| unknown(digest))?;
    let headers = request.headers();
    let etag = format!("\"{digest}\"");
    let same = |given: &str| given.split(',').any(|one| one.trim() == etag);
    let range = text(headers, &RANGE).filter(|_| text(headers, &IF_RANGE).is_none_or(same));
    let mut reply = if text(headers, &IF_NONE_MATCH).is_some_and(same) {
        reply::status(StatusCode::NOT_MODIFIED)
    } else {
        match range::wanted(range, size) {
            Wanted::Whole => stream(app, request.method(), file, 0, size).await?,
            Wanted::Part { first, last } => {
                let count = last - first + 1;
                let mut reply = stream(app, request.method(), file, first, count).await?;
                *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
                reply::set(&mut reply, "content-range", format!("bytes {first}-{last}/{size}"));
                reply
            }
            Wanted::Unsatisfiable => {
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                let message = "the blob does not have this range";
                return Err(Fault::new(status, Code::SizeInvalid, message)
                    .header("content-range", format!("bytes */{size}")));
            }
        }
    };
    reply::set(&mut reply, "docker-content-digest", digest.to_string());
    reply::set(&mut reply, "etag", etag);
    reply::set(&mut reply, "accept-ranges", "bytes");
    Ok(reply)
}

async fn stream(app: &App, method: &Method, file: File, first: u64, count: u64) -> reply::Result {
    let mut reply = reply::status(StatusCode::OK);
    reply.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(count));
    reply::set(&mut reply, "content-type", "application/octet-stream");
    if *method == Method::GET {
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(PIECE);
        file.seek(std::io::SeekFrom::Start(first))
            .await
            .map_err(|error| Fault::storage("read a blob", &error))?;
        let until = Instant::now() + app.limits.body;
        *reply.body_mut() = FileBody { file, left: count, until }.boxed_unsync();
    }
    Ok(reply)
}

/// Part of a file as a body, a piece at a time.
struct FileBody {
    file: tokio::fs::File,
    left: u64,
    until: Instant,
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if Instant::now() >= self.until {
            return Poll::Ready(Some(Err(std::io::ErrorKind::TimedOut.into())));
        }
        let room = usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE));
        let mut piece = vec![0; room];
        let mut buffer = ReadBuf::new(&mut piece);
        match Pin::new(&mut self.file).poll_read(context, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
            Poll::Ready(Ok(())) => {
                let count = buffer.filled().len();
                if count == 0 {
                    // The file is shorter than it was: the connection must break, not end well.
                    return Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())));
                }
                piece.truncate(count);
                self.left -= count as u64;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from(piece)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn created(name: &Name, digest: Digest) -> Reply {
    let mut reply = reply::status(StatusCode::CREATED);
    reply::set(&mut reply, "location", format!("/v2/{}/blobs/{digest}", name.as_str()));
    reply::set(&mut reply, "docker-content-digest", digest.to_string());
    reply
}

/// Where an upload stands.
fn standing(status: StatusCode, name: &Name, id: &str, offset: u64) -> Reply {
    let mut reply = reply::status(status);
    reply::set(&mut reply, "location", location(name, id));
    reply::set(&mut reply, "docker-upload-uuid", id);
    reply::set(&mut reply, "range", format!("0-{}", offset.saturating_sub(1)));
    reply
}

fn location(name: &Name, id: &str) -> String {
    format!("/v2/{}/blobs/uploads/{id}", name.as_str())
}

/// `POST` to the uploads of a repository: a mount, a whole blob at once, or the start of an upload.
pub(crate) async fn start(app: &App, name: Name, request: Request<Incoming>) -> reply::Result {
    if *request.method() != Method::POST {
        return Err(method_not_allowed(&Route::Uploads(name)));
    }
    let parameters = request.uri().query();
    if let Some(mount) = query(parameters, "mount") {
        let digest = parse_digest(&mount)?;
        if let Some(from) = query(parameters, "from") {
            let (from, to) = (Name::parse(&from)?, name.clone());
            if app.disk("mount a blob", move |store| store.mount(&from, &to, digest)).await? {
                return Ok(created(&name, digest));
            }
        }
    } else if let Some(digest) = query(parameters, "digest") {
        let digest = parse_digest(&digest)?;
        check_length(app, request.headers(), 0)?;
        let (id, upload) = app.uploads.start(app.store(), &name, app.limits.uploads)?;
        let _forget = ForgetOnDrop { uploads: &app.uploads, id: &id };
        let mut progress = upload.progress.lock().await.take().ok_or_else(upload::unknown)?;
        progress.append(request.into_body(), None, &app.limits).await?;
        return finish(app, name, digest, progress).await;
    }
    let (id, _) = app.uploads.start(app.store(), &name, app.limits.uploads)?;
    Ok(standing(StatusCode::ACCEPTED, &name, &id, 0))
}

/// Refuses a body that is too large before it is read, where its length is known.
fn check_length(app: &App, headers: &HeaderMap, offset: u64) -> reply::Result<()> {
    let length = text(headers, &CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    match length.and_then(|length| length.checked_add(offset)) {
        Some(end) if end > app.limits.blob_bytes => Err(upload::too_large(&app.limits)),
        _ => Ok(()),
    }
}

async fn finish(app: &App, name: Name, digest: Digest, progress: Progress) -> reply::Result {
    let file = progress.finish(digest).await?;
    let to = name.clone();
    app.disk("keep a blob", move |store| store.add_blob(&to, digest, file)).await?;
    Ok(created(&name, digest))
}

/// `GET`, `PATCH`, `PUT` and `DELETE` of an upload.
pub(crate) async fn upload(
    app: &App,
    name: Name,
    id: &str,
    request: Request<Incoming>,
) -> reply::Result {
    let upload = app.uploads.find(&name, id)?;
    // One request at a time: a second one would not know at which offset it writes.
    let mut progress = upload.progress.try_lock().map_err(|_| {
        let message = "another request is working on the upload";
        Fault::new(StatusCode::CONFLICT, Code::BlobUploadInvalid, message)
    })?;
    let known = progress.as_mut().ok_or_else(upload::unknown)?;
    upload.touch();
    match *request.method() {
        Method::GET | Method::HEAD => {
            Ok(standing(StatusCode::NO_CONTENT, &name, id, known.offset()))
        }
        Method::DELETE => {
            app.uploads.forget(id);
            *progress = None;
            Ok(reply::status(StatusCode::NO_CONTENT))
        }
        Method::PATCH => {
            let added = add(app, &name, id, known, request).await;
            upload.touch();
            added?;
            Ok(standing(StatusCode::ACCEPTED, &name, id, known.offset()))
        }
        Method::PUT => {
            let digest = query(request.uri().query(), "digest").ok_or_else(|| {
                let message = "the end of an upload names the digest";
                Fault::new(StatusCode::BAD_REQUEST, Code::DigestInvalid, message)
            })?;
            let digest = parse_digest(&digest)?;
            let added = add(app, &name, id, known, request).await;
            upload.touch();
            added?;
            let progress = progress.take().ok_or_else(upload::unknown)?;
            app.uploads.forget(id);
            finish(app, name, digest, progress).await
        }
        _ => Err(method_not_allowed(&Route::Upload(name, id.to_owned()))),
    }
}

/// Adds the body of a request to an upload, at the place that its `Content-Range` names.
async fn add(
    app: &App,
    name: &Name,
    id: &str,
    progress: &mut Progress,
    request: Request<Incoming>,
) -> reply::Result<()> {
    let offset = progress.offset();
    let mut length = None;
    if let Some(header) = request.headers().get(CONTENT_RANGE) {
        let range = header.to_str().ok().and_then(range::chunk).ok_or_else(|| {
            let message = "the Content-Range is not `<first>-<last>`";
            Fault::new(StatusCode::BAD_REQUEST, Code::BlobUploadInvalid, message)
        })?;
        let (first, last) = range;
        if first != offset {
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            let message = "the chunk does not start where the last one ended";
            return Err(Fault::new(status, Code::BlobUploadInvalid, message)
                .header("location", location(name, id))
                .header("docker-upload-uuid", id)
                .header("range", format!("0-{}", offset.saturating_sub(1))));
        }
        length = (last - first).checked_add(1);
    }
    let fits = check_length(app, request.headers(), offset);
    let added = match fits {
        Ok(()) => progress.append(request.into_body(), length, &app.limits).await,
        Err(fault) => Err(fault),
    };
    if added.as_ref().is_err_and(Fault::is_too_large) {
        // It can never be finished.
        app.uploads.forget(id);
    }
    added
}
