//! The streams of a TCP connection, counted against the call.

use std::sync::Arc;

use bytes::Bytes;
use longshore_model::LimitName;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use crate::call::Scene;
use crate::limiter::LimitHit;

fn count(scene: &Scene, name: LimitName, bytes: usize) -> StreamResult<()> {
    match scene.count(name, bytes as u64) {
        true => Ok(()),
        false => {
            let limit = scene.grant.limits().get(name);
            Err(StreamError::Trap(wasmtime::Error::new(LimitHit { name, limit })))
        }
    }
}

/// What comes in.
pub(super) struct Input {
    pub(super) inner: Box<dyn InputStream>,
    pub(super) scene: Arc<Scene>,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Input {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let bytes = self.inner.read(size)?;
        count(&self.scene, LimitName::EgressReceivedBytes, bytes.len())?;
        Ok(bytes)
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

/// What goes out.
pub(super) struct Output {
    pub(super) inner: Box<dyn OutputStream>,
    pub(super) scene: Arc<Scene>,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        count(&self.scene, LimitName::EgressSentBytes, bytes.len())?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}
