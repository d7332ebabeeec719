//! What will be an object: bytes that are streamed to the store once it has a name, and wait in memory until then.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use longshore_model::LimitName;
use longshore_ports::{Blob, BlobStore, BlobWriter};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

use super::{Answer, CHUNK, Container, Shelf, take, words};

/// A value that is being written.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Outgoing(pub(super) Arc<Draft>);

/// The bytes so far, and where they go.
pub(super) struct Draft {
    shelf: Shelf,
    state: Mutex<State>,
    _place: OwnedSemaphorePermit,
}

struct State {
    sink: Sink,
    /// Bytes so far.
    written: u64,
    /// The object that it will be.
    target: Option<(Container, String)>,
    /// Whether somebody has the stream.
    streams: bool,
    failed: Option<String>,
}

enum Sink {
    /// It has no name yet.
    Waiting(Vec<u8>),
    Open(Box<dyn BlobWriter>),
    /// A write is under way, and has the writer.
    Busy(Work),
    /// It was finished, or cannot be.
    Gone,
}

type Work = Pin<Box<dyn Future<Output = (Box<dyn BlobWriter>, Blob<()>)> + Send>>;

impl State {
    /// Goes on with the write that is under way, if one is.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Sink::Busy(work) = &mut self.sink else { return Poll::Ready(()) };
        let (writer, done) = ready!(work.as_mut().poll(cx));
        self.sink = Sink::Open(writer);
        self.failed = done.err().map(words);
        Poll::Ready(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.shelf.holdings.staged.fetch_sub(state.written, Ordering::Relaxed);
        if let Sink::Waiting(bytes) = &state.sink {
            self.shelf.holdings.waiting.fetch_sub(bytes.len() as u64, Ordering::Relaxed);
        }
    }
}

impl Draft {
    pub(super) fn new(shelf: Shelf) -> wasmtime::Result<Arc<Self>> {
        let place = shelf.place()?;
        let sink = Sink::Waiting(Vec::new());
        let state = State { sink, written: 0, target: None, streams: false, failed: None };
        Ok(Arc::new(Self { shelf, state: Mutex::new(state), _place: place }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream, for whoever asks first.
    pub(super) fn stream(self: &Arc<Self>) -> Option<Body> {
        let mut state = self.state();
        if std::mem::replace(&mut state.streams, true) {
            return None;
        }
        drop(state);
        Some(Body(Arc::clone(self)))
    }

    /// Names the object that it will be, and sends there what waits for it.
    pub(super) async fn name(&self, container: Container, object: &str) -> Answer<()> {
        self.shelf.named(object)?;
        if self.state().target.is_some() {
            return Ok(Err("the value has a name already".to_owned()));
        }
        let store: Arc<dyn BlobStore> = match self.shelf.store() {
            Ok(store) => store,
            Err(refused) => return Ok(Err(refused)),
        };
        let Sink::Waiting(bytes) = std::mem::replace(&mut self.state().sink, Sink::Gone) else {
            return Ok(Err("the value was finished".to_owned()));
        };
        self.shelf.holdings.waiting.fetch_sub(bytes.len() as u64, Ordering::Relaxed);
        let opened = self.shelf.ask(async {
            let mut writer = store.write(&container.name, object, self.shelf.now()).await?;
            if !bytes.is_empty() {
                writer.write(&bytes).await?;
            }
            Ok(writer)
        });
        let opened = opened.await?;
        let mut state = self.state();
        Ok(opened.map(|writer| {
            state.sink = Sink::Open(writer);
            state.target = Some((container, object.to_owned()));
        }))
    }

    /// Makes it the object that was named.
    pub(super) async fn finish(&self) -> Answer<()> {
        poll_fn(|cx| self.state().poll(cx)).await;
        let (sink, target, failed, written) = {
            let mut state = self.state();
            if state.target.is_none() {
                return Ok(Err("the value has no name: it was given to no container".to_owned()));
            }
            let sink = std::mem::replace(&mut state.sink, Sink::Gone);
            (sink, state.target.clone(), state.failed.take(), state.written)
        };
        if let Some(failed) = failed {
            return Ok(Err(failed));
        }
        let (Sink::Open(writer), Some((container, object))) = (sink, target) else {
            return Ok(Err("the value was finished".to_owned()));
        };
        let quota = self.shelf.quota();
        let what = ("write", object.as_str(), 1, written);
        self.shelf.change(&container, what, |_| writer.keep(quota)).await
    }
}

/// The stream into a value.
pub(super) struct Body(Arc<Draft>);

#[wasmtime_wasi::async_trait]
impl Pollable for Body {
    async fn ready(&mut self) {
        poll_fn(|cx| self.0.state().poll(cx)).await;
    }
}

impl OutputStream for Body {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        let Draft { shelf, .. } = &*self.0;
        let hit = |name| StreamError::Trap(shelf.hit(name));
        let mut state = self.0.state();
        if bytes.len() > CHUNK || matches!(state.sink, Sink::Busy(_)) {
            return Err(StreamError::trap("more was written than was permitted"));
        }
        let more = bytes.len() as u64;
        if state.written + more > shelf.limit(LimitName::BlobstoreObjectBytes) {
            return Err(hit(LimitName::BlobstoreObjectBytes));
        }
        // All that is not yet an object together: elsewhere it would be beyond every quota.
        let most = shelf.limit(LimitName::BlobstoreBytes);
        if !take(&shelf.holdings.staged, more, most) {
            return Err(hit(LimitName::BlobstoreBytes));
        }
        state.written += more;
        state.sink = match std::mem::replace(&mut state.sink, Sink::Gone) {
            Sink::Waiting(mut waiting) => {
                let most = shelf.limit(LimitName::HostCallBytes);
                if !take(&shelf.holdings.waiting, more, most) {
                    state.sink = Sink::Waiting(waiting);
                    return Err(hit(LimitName::HostCallBytes));
                }
                waiting.extend_from_slice(&bytes);
                Sink::Waiting(waiting)
            }
            Sink::Open(mut writer) => Sink::Busy(Box::pin(async move {
                let done = writer.write(&bytes).await;
                (writer, done)
            })),
            other => {
                state.sink = other;
                return Err(StreamError::Closed);
            }
        };
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        let mut state = self.0.state();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        if state.poll(&mut cx).is_pending() {
            return Ok(0);
        }
        if let Some(why) = &state.failed {
            return Err(StreamError::LastOperationFailed(wasmtime::Error::msg(why.clone())));
        }
        match state.sink {
            Sink::Gone => Err(StreamError::Closed),
            // More than the rest is permitted, so that the write that goes past a limit is seen and stops the call.
            _ => Ok(CHUNK),
        }
    }
}
