//! `wasi:cli/{stdin,stdout,stderr}`: captured, bounded and attributed to the call. Whoever runs a command may also watch its
//! output as it comes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use longshore_model::{LimitName, Stream};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

use crate::limiter::LimitHit;

/// Sees what a call writes, as it writes it.
pub type Watcher = Arc<dyn Fn(Stream, &[u8]) + Send + Sync>;

/// What a call writes to both of its streams: one allocation for the two, most of the time never written to.
#[derive(Clone)]
pub(crate) struct Captured(Arc<Both>);

struct Both {
    held: [Mutex<Held>; 2],
    limits: [u64; 2],
    watcher: Option<Watcher>,
}

/// One captured stream, for the guest to write to.
#[derive(Clone)]
pub(crate) struct Capture {
    stream: Stream,
    captured: Captured,
}

#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    overflowed: bool,
}

impl Captured {
    /// Empty streams, of at most `limits` bytes each: standard output, standard error.
    pub(crate) fn new(limits: [u64; 2], watcher: Option<Watcher>) -> Self {
        Self(Arc::new(Both { held: Default::default(), limits, watcher }))
    }

    /// The guest's end of `stream`.
    pub(crate) fn stream(&self, stream: Stream) -> Capture {
        Capture { stream, captured: self.clone() }
    }

    /// Takes what was written to `stream` so far.
    pub(crate) fn take(&self, stream: Stream) -> Vec<u8> {
        std::mem::take(&mut self.held(stream).bytes)
    }

    /// The limit that was hit, if one was.
    pub(crate) fn overflow(&self) -> Option<LimitHit> {
        let overflowed = |stream: &Stream| self.held(*stream).overflowed;
        [Stream::Stdout, Stream::Stderr].into_iter().find(overflowed).map(|s| self.hit(s))
    }

    fn hit(&self, stream: Stream) -> LimitHit {
        let name = match stream {
            Stream::Stdout => LimitName::StdoutBytes,
            Stream::Stderr => LimitName::StderrBytes,
        };
        LimitHit { name, limit: self.0.limits[stream as usize] }
    }

    fn held(&self, stream: Stream) -> MutexGuard<'_, Held> {
        self.0.held[stream as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Capture {
    fn push(&self, bytes: &[u8]) -> Result<(), LimitHit> {
        let hit = self.captured.hit(self.stream);
        let mut held = self.captured.held(self.stream);
        let room = usize::try_from(hit.limit).unwrap_or(usize::MAX) - held.bytes.len();
        let taken = &bytes[..bytes.len().min(room)];
        held.bytes.extend_from_slice(taken);
        held.overflowed |= taken.len() < bytes.len();
        let overflowed = held.overflowed;
        drop(held);
        if let Some(watcher) = &self.captured.0.watcher {
            watcher(self.stream, taken);
        }
        if overflowed { Err(hit) } else { Ok(()) }
    }
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

impl OutputStream for Capture {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.push(&bytes).map_err(|hit| StreamError::Trap(wasmtime::Error::new(hit)))
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        // More than the rest is permitted, so that the write that goes past the limit is seen and stops the call.
        Ok(64 << 10)
    }
}

impl AsyncWrite for Capture {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.push(bytes).map(|()| bytes.len()).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
