//! Bodies that are counted and bounded while they pass, and the task that drives a connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use longshore_model::LimitName;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use super::pool::Lease;
use crate::call::Scene;
use crate::capability::secret;

/// The task that moves a connection's bytes; it ends when this is dropped.
pub(super) struct Driver(tokio::task::AbortHandle);

impl Driver {
    pub(super) fn spawn<F>(connection: F) -> Self
    where
        F: Future<Output = Result<(), hyper::Error>> + Send + 'static,
    {
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP connection ended early");
            }
        });
        Self(task.abort_handle())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A request's body.
pub(super) struct Outgoing {
    inner: WasiBody,
    scene: Arc<Scene>,
    sent: u64,
    watch: secret::Watch,
}

impl Outgoing {
    pub(super) fn new(inner: WasiBody, scene: Arc<Scene>) -> Self {
        Self { inner, scene, sent: 0, watch: secret::Watch::default() }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            this.watch.check(&this.scene, data)?;
            this.sent += data.len() as u64;
            this.scene.counters.http_sent_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
            let limit = this.scene.grant.limits().http_request_bytes;
            if this.sent > limit {
                this.scene.hit(LimitName::HttpRequestBytes);
                return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(limit)))));
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's body.
pub(super) struct Incoming {
    inner: hyper::body::Incoming,
    scene: Arc<Scene>,
    /// The longest that the server may be silent, and when the whole answer must be there.
    silence: Duration,
    ends: Instant,
    alarm: Pin<Box<Sleep>>,
    received: u64,
    /// Until the end was read.
    lease: Option<Lease>,
}

impl Incoming {
    pub(super) fn new(
        inner: hyper::body::Incoming,
        scene: Arc<Scene>,
        silence: Duration,
        ends: Instant,
        lease: Lease,
    ) -> Self {
        let alarm = Box::pin(tokio::time::sleep_until(ends.min(Instant::now() + silence)));
        let mut body = Self { inner, scene, silence, ends, alarm, received: 0, lease: Some(lease) };
        if body.inner.is_end_stream() {
            body.over();
        }
        body
    }

    fn over(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.over();
        }
    }

    fn count(&mut self, frame: &Frame<Bytes>) -> Result<(), Error> {
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        self.received += length;
        self.scene.counters.http_received_bytes.fetch_add(length, Ordering::Relaxed);
        let limit = self.scene.grant.limits().http_response_bytes;
        if self.received > limit {
            self.scene.hit(LimitName::HttpResponseBytes);
            return Err(Error::HttpResponseBodySize(Some(limit)));
        }
        Ok(())
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // A server that sends a byte now and then is never silent; that is what the end is for.
        if Instant::now() >= self.ends {
            self.lease = None;
            return Poll::Ready(Some(Err(Error::HttpResponseTimeout)));
        }
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending => {
                ready!(self.alarm.as_mut().poll(cx));
                self.lease = None;
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Err(error) = self.count(&frame) {
                    self.lease = None;
                    return Poll::Ready(Some(Err(error)));
                }
                if self.inner.is_end_stream() {
                    self.over();
                } else {
                    let next = self.ends.min(Instant::now() + self.silence);
                    self.alarm.as_mut().reset(next);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.lease = None;
                Poll::Ready(Some(Err(Error::from(error))))
            }
            Poll::Ready(None) => {
                self.over();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
