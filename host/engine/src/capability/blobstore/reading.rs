//! An object, or a part of one, that is read: at once or as a stream.

use bytes::Bytes;
use longshore_model::LimitName;
use longshore_ports::BlobReader;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError};

use super::{Answer, CHUNK, Shelf, words};

/// A part of an object, as it was when it was asked for.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Incoming {
    reader: Box<dyn BlobReader>,
    at: u64,
    /// Behind the last byte.
    end: u64,
    _place: OwnedSemaphorePermit,
}

impl Incoming {
    /// The bytes from `start` to `end`, both included; none where the object has no byte at `start`.
    pub(super) fn of(
        reader: Box<dyn BlobReader>,
        (start, end): (u64, u64),
        place: OwnedSemaphorePermit,
    ) -> Option<Self> {
        let size = reader.size();
        // Of an empty object, all of it is nothing.
        let empty = size == 0 && start == 0;
        if !empty && (start >= size || end < start) {
            return None;
        }
        let end = end.saturating_add(1).min(size);
        Some(Self { reader, at: start, end, _place: place })
    }

    pub(super) const fn len(&self) -> u64 {
        self.end - self.at
    }

    async fn next(&mut self) -> Result<Vec<u8>, String> {
        let most = usize::try_from(self.len()).unwrap_or(CHUNK).min(CHUNK);
        let bytes = self.reader.read(self.at, most).await.map_err(words)?;
        if bytes.is_empty() {
            return Err("the object ends too early".to_owned());
        }
        self.at += bytes.len() as u64;
        Ok(bytes)
    }

    /// All of it, if it is no more than one host call may hand over.
    pub(super) async fn all(mut self, shelf: &Shelf) -> Answer<Vec<u8>> {
        if self.len() > shelf.limit(LimitName::HostCallBytes) {
            return Err(shelf.hit(LimitName::HostCallBytes));
        }
        let mut all = Vec::with_capacity(usize::try_from(self.len()).unwrap_or(0));
        while self.at < self.end {
            match self.next().await {
                Ok(bytes) => all.extend(bytes),
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(all))
    }
}

/// The stream out of an object. What was read and not yet taken waits.
pub(super) struct Body {
    value: Incoming,
    waiting: Option<Result<Bytes, String>>,
}

impl Body {
    pub(super) const fn new(value: Incoming) -> Self {
        Self { value, waiting: None }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Body {
    async fn ready(&mut self) {
        if self.waiting.is_none() && self.value.at < self.value.end {
            self.waiting = Some(self.value.next().await.map(Bytes::from));
        }
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Body {
    fn read(&mut self, size: usize) -> Result<Bytes, StreamError> {
        match self.waiting.take() {
            Some(Ok(mut bytes)) => {
                let taken = bytes.split_to(size.min(bytes.len()));
                self.waiting = (!bytes.is_empty()).then_some(Ok(bytes));
                Ok(taken)
            }
            Some(Err(why)) => {
                self.value.at = self.value.end;
                Err(StreamError::LastOperationFailed(wasmtime::Error::msg(why)))
            }
            None if self.value.at >= self.value.end => Err(StreamError::Closed),
            None => Ok(Bytes::new()),
        }
    }
}
