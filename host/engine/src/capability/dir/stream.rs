//! An output stream of WASI 0.2 into a file, every byte counted before it is written.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::{Mounts, Stop};

/// A stream of wasmtime-wasi's into a file of the folder `mount`.
pub(super) struct Counted {
    inner: DynOutputStream,
    mounts: Arc<Mounts>,
    mount: usize,
}

impl Counted {
    pub(super) fn new(inner: DynOutputStream, mounts: Arc<Mounts>, mount: usize) -> Self {
        Self { inner, mounts, mount }
    }

    fn count(&self, n: usize) -> StreamResult<()> {
        self.mounts.write(self.mount, n as u64).map_err(|stop| match stop {
            Stop::Limit(hit) => StreamError::Trap(wasmtime::Error::new(hit)),
            Stop::NotPermitted | Stop::Exists => StreamError::Closed,
        })
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Counted {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Counted {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.count(bytes.len())?;
        self.inner.write(bytes)
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.count(bytes.len())?;
        self.inner.blocking_write_and_flush(bytes).await
    }

    fn write_zeroes(&mut self, n: usize) -> StreamResult<()> {
        self.count(n)?;
        self.inner.write_zeroes(n)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn write_ready(&mut self) -> StreamResult<usize> {
        self.inner.write_ready().await
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}
