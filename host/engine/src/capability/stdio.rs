//! `wasi:cli/{stdin,stdout,stderr}`: captured, bounded and attributed to the call. Whoever runs a command may also watch its
//! output as it comes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use longshore_model::{LimitName, Stream};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

use crate::limiter::LimitHit;

/// Sees what a call writes, as it writes it.
pub type Watcher = Arc<dyn Fn(Stream, &[u8]) + Send + Sync>;

/// One captured stream.
#[derive(Clone)]
pub(crate) struct Capture {
    stream: Stream,
    limit: u64,
    watcher: Option<Watcher>,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    overflowed: bool,
}

impl Capture {
    pub(crate) fn new(stream: Stream, limit: u64, watcher: Option<Watcher>) -> Self {
        Self { stream, limit, watcher, held: Arc::default() }
    }

    fn limit_name(&self) -> LimitName {
        match self.stream {
            Stream::Stdout => LimitName::StdoutBytes,
            Stream::Stderr => LimitName::StderrBytes,
        }
    }

    /// Takes what was written so far.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut held.bytes)
    }

    /// The limit that was hit, if it was.
    pub(crate) fn overflow(&self) -> Option<LimitHit> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.overflowed.then(|| LimitHit { name: self.limit_name(), limit: self.limit })
    }

    fn push(&self, bytes: &[u8]) -> Result<(), LimitHit> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let room = usize::try_from(self.limit).unwrap_or(usize::MAX) - held.bytes.len();
        let taken = &bytes[..bytes.len().min(room)];
        held.bytes.extend_from_slice(taken);
        held.overflowed |= taken.len() < bytes.len();
        let overflowed = held.overflowed;
        drop(held);
        if let Some(watcher) = &self.watcher {
            watcher(self.stream, taken);
        }
        if overflowed {
            return Err(LimitHit { name: self.limit_name(), limit: self.limit });
        }
        Ok(())
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
