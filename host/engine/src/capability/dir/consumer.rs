//! Where a stream of WASI 0.3 goes when a guest writes it to a file: every byte counted, then written off the executor.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use wasmtime::StoreContextMut;
use wasmtime::component::{Source, StreamConsumer, StreamResult};
use wasmtime_wasi::p3::bindings::filesystem::types::ErrorCode;

use super::{Mounts, Stop};

/// The most bytes of one write.
const CHUNK: usize = 64 << 10;

/// The end of a stream in a file of the folder `mount`.
pub(super) struct Consumer {
    pub(super) file: Arc<File>,
    /// Where the next byte goes; at the end of the file if nowhere.
    pub(super) offset: Option<u64>,
    pub(super) mounts: Arc<Mounts>,
    pub(super) mount: usize,
    pub(super) done: Option<oneshot::Sender<Result<(), ErrorCode>>>,
    pub(super) task: Option<JoinHandle<io::Result<usize>>>,
}

impl Consumer {
    fn close(&mut self, result: Result<(), ErrorCode>) {
        if let Some(done) = self.done.take() {
            // Nobody may be waiting for it.
            let _ = done.send(result);
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.close(Ok(()));
    }
}

impl<D> StreamConsumer<D> for Consumer {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        let me = &mut *self;
        if me.task.is_none() {
            let bytes = source.remaining();
            let bytes = bytes[..bytes.len().min(CHUNK)].to_vec();
            match me.mounts.write(me.mount, bytes.len() as u64) {
                Ok(()) => {}
                Err(Stop::Limit(hit)) => return Poll::Ready(Err(wasmtime::Error::new(hit))),
                Err(Stop::NotPermitted | Stop::Exists) => {
                    me.close(Err(ErrorCode::NotPermitted));
                    return Poll::Ready(Ok(StreamResult::Dropped));
                }
            }
            let (file, offset) = (Arc::clone(&me.file), me.offset);
            me.task = Some(spawn_blocking(move || write(&file, &bytes, offset)));
        }
        let Some(task) = &mut me.task else { unreachable!("it was spawned above") };
        let result = match Pin::new(&mut *task).poll(cx) {
            Poll::Pending if finish => {
                task.abort();
                ready!(Pin::new(task).poll(cx))
            }
            other => ready!(other),
        };
        me.task = None;
        match result {
            Ok(Ok(n)) => {
                source.mark_read(n);
                me.offset = me.offset.map(|offset| offset.saturating_add(n as u64));
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Ok(Err(error)) => {
                me.close(Err(error.into()));
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Err(error) if error.is_cancelled() => Poll::Ready(Ok(StreamResult::Cancelled)),
            Err(error) => Poll::Ready(Err(wasmtime::Error::new(error))),
        }
    }
}

/// Writes all of `bytes`, at `offset` or at the end.
fn write(file: &File, bytes: &[u8], offset: Option<u64>) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        let rest = &bytes[written..];
        let n = match offset {
            Some(offset) => write_at(file, rest, offset.saturating_add(written as u64))?,
            None => append(file, rest)?,
        };
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        written += n;
    }
    Ok(written)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset)
}

#[cfg(target_os = "linux")]
fn append(file: &File, bytes: &[u8]) -> io::Result<usize> {
    use rustix::io::{ReadWriteFlags, pwritev2};
    Ok(pwritev2(file, &[io::IoSlice::new(bytes)], 0, ReadWriteFlags::APPEND)?)
}

/// The end is looked up for each write.
#[cfg(not(target_os = "linux"))]
fn append(file: &File, bytes: &[u8]) -> io::Result<usize> {
    write_at(file, bytes, file.metadata()?.len())
}
