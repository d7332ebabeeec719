//! Uploads in progress: bytes go to a file that nobody sees, hashed as they come. An upload does
//! not outlive the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use longshore_reference::{Digest, Hasher};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use crate::Limits;
use crate::reply::{Code, Fault};
use crate::route::Name;
use crate::store::{Store, Temporary};

/// What has come of one upload.
#[derive(Debug)]
pub(crate) struct Progress {
    file: tokio::fs::File,
    temporary: Temporary,
    hasher: Hasher,
    offset: u64,
}

/// One upload.
#[derive(Debug)]
pub(crate) struct Upload {
    name: Name,
    touched: Mutex<Instant>,
    /// Whoever holds it is the one request that works on the upload. Empty once it was finished.
    pub(crate) progress: tokio::sync::Mutex<Option<Progress>>,
}

/// All uploads.
#[derive(Debug, Default)]
pub(crate) struct Uploads(Mutex<HashMap<String, Arc<Upload>>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn unknown() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, Code::BlobUploadUnknown, "no such upload")
}

impl Uploads {
    /// Starts an upload and gives its id.
    pub(crate) fn start(
        &self,
        store: &Store,
        name: &Name,
        limit: usize,
    ) -> Result<(String, Arc<Upload>), Fault> {
        let busy = || {
            let status = StatusCode::TOO_MANY_REQUESTS;
            Fault::new(status, Code::TooManyRequests, "too many uploads are in progress")
                .header("retry-after", "5")
        };
        if lock(&self.0).len() >= limit {
            return Err(busy());
        }
        let (temporary, file) =
            store.temporary().map_err(|error| Fault::storage("start an upload", &error))?;
        let mut raw = [0; 16];
        getrandom::fill(&mut raw)
            .map_err(|error| Fault::storage("start an upload", &std::io::Error::other(error)))?;
        let id = format!("{:032x}", u128::from_le_bytes(raw));
        let progress = Progress {
            file: tokio::fs::File::from_std(file),
            temporary,
            hasher: Hasher::new(),
            offset: 0,
        };
        let upload = Arc::new(Upload {
            name: name.clone(),
            touched: Mutex::new(Instant::now()),
            progress: tokio::sync::Mutex::new(Some(progress)),
        });
        let mut uploads = lock(&self.0);
        if uploads.len() >= limit {
            return Err(busy());
        }
        uploads.insert(id.clone(), Arc::clone(&upload));
        Ok((id, upload))
    }

    /// The upload of that id in that repository.
    pub(crate) fn find(&self, name: &Name, id: &str) -> Result<Arc<Upload>, Fault> {
        lock(&self.0).get(id).filter(|upload| upload.name == *name).cloned().ok_or_else(unknown)
    }

    /// Forgets an upload; its file goes when the last request lets go of it.
    pub(crate) fn forget(&self, id: &str) {
        lock(&self.0).remove(id);
    }

    /// Forgets what rested for longer than `idle` and is not being worked on.
    pub(crate) fn expire(&self, idle: Duration) {
        lock(&self.0).retain(|_, upload| {
            upload.progress.try_lock().is_err() || lock(&upload.touched).elapsed() < idle
        });
    }
}

impl Upload {
    /// Marks the upload as in use.
    pub(crate) fn touch(&self) {
        *lock(&self.touched) = Instant::now();
    }
}

/// Takes an upload out of the list unless it was kept, also when the request is dropped half way.
pub(crate) struct ForgetOnDrop<'a> {
    pub(crate) uploads: &'a Uploads,
    pub(crate) id: &'a str,
}

impl Drop for ForgetOnDrop<'_> {
    fn drop(&mut self) {
        self.uploads.forget(self.id);
    }
}

/// The next piece of a body, within the time limits.
pub(crate) async fn piece(
    body: &mut Incoming,
    limits: &Limits,
    until: Instant,
) -> Result<Option<bytes::Bytes>, Fault> {
    let slow = || {
        let status = StatusCode::REQUEST_TIMEOUT;
        Fault::new(status, Code::BlobUploadInvalid, "the body came too slowly")
            .header("connection", "close")
    };
    loop {
        let wait = limits.body_idle.min(until.saturating_duration_since(Instant::now()));
        match timeout(wait, body.frame()).await {
            Err(_) => return Err(slow()),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => {
                let status = StatusCode::BAD_REQUEST;
                return Err(Fault::new(status, Code::BlobUploadInvalid, "the body broke off"));
            }
            Ok(Some(Ok(frame))) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

impl Progress {
    /// How many bytes have come.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Adds a body. What came before a body broke off is kept, so that the client can go on from
    /// there; a body that is not `length` long where that was promised is not kept.
    pub(crate) async fn append(
        &mut self,
        mut body: Incoming,
        length: Option<u64>,
        limits: &Limits,
    ) -> Result<(), Fault> {
        let storage = |error: std::io::Error| Fault::storage("write an upload", &error);
        // A request that was dropped in the middle of a write may have left more in the file than
        // was counted.
        self.file.set_len(self.offset).await.map_err(storage)?;
        self.file.seek(std::io::SeekFrom::Start(self.offset)).await.map_err(storage)?;
        let (start, before) = (self.offset, self.hasher.clone());
        let until = Instant::now() + limits.body;
        while let Some(bytes) = piece(&mut body, limits, until).await? {
            let end = self.offset + bytes.len() as u64;
            if end > limits.blob_bytes {
                return Err(too_large(limits));
            }
            self.file.write_all(&bytes).await.map_err(storage)?;
            self.hasher.update(&bytes);
            self.offset = end;
        }
        self.file.flush().await.map_err(storage)?;
        if length.is_some_and(|length| length != self.offset - start) {
            (self.offset, self.hasher) = (start, before);
            let status = StatusCode::BAD_REQUEST;
            let message = "the body is not as long as its Content-Range says";
            return Err(Fault::new(status, Code::SizeInvalid, message));
        }
        Ok(())
    }

    /// The file with everything on disk, if it has the digest that was promised.
    pub(crate) async fn finish(mut self, promised: Digest) -> Result<Temporary, Fault> {
        let storage = |error: std::io::Error| Fault::storage("write an upload", &error);
        let actual = self.hasher.finish();
        if actual != promised {
            let status = StatusCode::BAD_REQUEST;
            let message = "the uploaded bytes have another digest";
            return Err(Fault::new(status, Code::DigestInvalid, message).detail(actual.to_string()));
        }
        self.file.flush().await.map_err(storage)?;
        self.file.set_len(self.offset).await.map_err(storage)?;
        self.file.sync_all().await.map_err(storage)?;
        Ok(self.temporary)
    }
}

pub(crate) fn too_large(limits: &Limits) -> Fault {
    let message = format!("a blob may have {} bytes at most", limits.blob_bytes);
    Fault::new(StatusCode::PAYLOAD_TOO_LARGE, Code::SizeInvalid, message)
        .header("connection", "close")
}
