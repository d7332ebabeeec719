//! A connection whose bytes count against the call: what is on the wire, below TLS, so that nothing escapes the count.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use longshore_model::LimitName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::call::Scene;

/// A stream that counts; it fails once a budget is used up.
pub(crate) struct Metered<S> {
    inner: S,
    scene: Arc<Scene>,
}

impl<S> Metered<S> {
    pub(crate) fn new(inner: S, scene: Arc<Scene>) -> Self {
        Self { inner, scene }
    }

    fn count(&self, name: LimitName, bytes: usize) -> io::Result<()> {
        match self.scene.count(name, bytes as u64) {
            true => Ok(()),
            false => Err(io::Error::other(format!("the limit `{name}` is used up"))),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        Poll::Ready(self.count(LimitName::EgressReceivedBytes, read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        self.count(LimitName::EgressSentBytes, written)?;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, slices))?;
        self.count(LimitName::EgressSentBytes, written)?;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
