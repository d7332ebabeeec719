//! Byte streams of WASI 0.3 that pass through the host on their way, and are counted there against the call.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, Bytes, BytesMut};
use longshore_model::LimitName;
use wasmtime::component::{
    Destination, Source, StreamConsumer, StreamProducer, StreamReader, StreamResult,
};
use wasmtime::{AsContextMut, StoreContextMut};

use crate::call::Scene;
use crate::host::Host;
use crate::limiter::LimitHit;

/// The most that is taken at once, in bytes.
const CHUNK: usize = 64 << 10;

/// The stream `reader`, each byte of it counted under `name`.
pub(super) fn counted(
    mut store: impl AsContextMut<Data = Host>,
    reader: StreamReader<u8>,
    name: LimitName,
) -> wasmtime::Result<StreamReader<u8>> {
    let scene = Arc::clone(&store.as_context_mut().data().scene);
    let pipe = Pipe::default();
    reader.pipe(&mut store, Inlet { pipe: pipe.clone(), scene, name })?;
    StreamReader::new(&mut store, Outlet(pipe))
}

/// What was counted and not yet passed on: one chunk at most.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    held: Bytes,
    /// Nothing more comes.
    ended: bool,
    /// Nobody reads any more.
    gone: bool,
    /// Whoever waits: for room, or for bytes. Never both at once.
    waiting: Option<Waker>,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    fn wait(&mut self, cx: &Context<'_>, finish: bool) -> Poll<wasmtime::Result<StreamResult>> {
        if finish {
            return Poll::Ready(Ok(StreamResult::Cancelled));
        }
        self.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

struct Inlet {
    pipe: Pipe,
    scene: Arc<Scene>,
    name: LimitName,
}

impl StreamConsumer<Host> for Inlet {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, Host>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut state = self.pipe.lock();
        if state.gone {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        if !state.held.is_empty() {
            return state.wait(cx, finish);
        }
        let mut source = source.as_direct(store);
        let bytes = source.remaining();
        let taken = Bytes::copy_from_slice(&bytes[..bytes.len().min(CHUNK)]);
        source.mark_read(taken.len());
        if !self.scene.count(self.name, taken.len() as u64) {
            let limit = self.scene.grant.limits().get(self.name);
            return Poll::Ready(Err(wasmtime::Error::new(LimitHit { name: self.name, limit })));
        }
        state.held = taken;
        state.wake();
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        let mut state = self.pipe.lock();
        state.ended = true;
        state.wake();
    }
}

struct Outlet(Pipe);

impl StreamProducer<Host> for Outlet {
    type Item = u8;
    type Buffer = BytesMut;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, Host>,
        destination: Destination<'a, u8, BytesMut>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut state = self.0.lock();
        if state.held.is_empty() {
            return match state.ended {
                true => Poll::Ready(Ok(StreamResult::Dropped)),
                false => state.wait(cx, finish),
            };
        }
        // A reader without room asks whether there is something.
        if destination.remaining(store.as_context_mut()) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let mut destination = destination.as_direct(store, state.held.len());
        let room = destination.remaining();
        let given = room.len().min(state.held.len());
        room[..given].copy_from_slice(&state.held[..given]);
        destination.mark_written(given);
        state.held.advance(given);
        if state.held.is_empty() {
            state.wake();
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.gone = true;
        state.wake();
    }
}
