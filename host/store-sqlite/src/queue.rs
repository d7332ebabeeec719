//! What waits for the store's thread. Order is kept: an answer to a read has seen every append
//! before it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_journal::{Append, Completion, Error, Result};
use rusqlite::Connection;

/// How many bytes of entries may wait. Whoever hands in more waits for the disk.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// Something for the store's thread to do.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are appends: a box for each would cost more"
)]
pub(crate) enum Request {
    /// Add records.
    Append(Append, Completion),
    /// Bring everything before to disk.
    Sync(Completion),
    /// Anything else; given the reason when there is no connection.
    Task(Task),
}

pub(crate) type Task = Box<dyn FnOnce(Result<&mut Connection>) + Send>;

impl Request {
    /// Answers with an error.
    pub(crate) fn refuse(self, error: &Error) {
        match self {
            Self::Append(_, completion) | Self::Sync(completion) => {
                completion.complete(Err(error.clone()));
            }
            Self::Task(task) => task(Err(error.clone())),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Append(append, _) => append.records.iter().map(|record| record.bytes.len()).sum(),
            _ => 0,
        }
    }
}

/// The queue: many hands in, one hand out.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    /// Something was handed in, or the queue was closed.
    filled: Condvar,
    /// Something was taken out.
    drained: Condvar,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    bytes: usize,
    /// Nothing more will be handed in.
    closed: bool,
    /// Nothing more will be taken out.
    abandoned: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands something in, and says how many bytes wait with it. After the thread has gone, it is refused.
    pub(crate) fn push(&self, request: Request) -> usize {
        let bytes = request.bytes();
        let mut waiting = self.waiting();
        while waiting.bytes > MAX_WAITING_BYTES && !waiting.abandoned {
            waiting = self.drained.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.abandoned {
            drop(waiting);
            request.refuse(&crate::stopped());
            return 0;
        }
        waiting.bytes += bytes;
        let bytes = waiting.bytes;
        let was_empty = waiting.requests.is_empty();
        waiting.requests.push_back(request);
        drop(waiting);
        if was_empty {
            self.filled.notify_one();
        }
        bytes
    }

    /// Waits for something and takes all of it; none once the queue is closed and empty. Takes
    /// nothing when `patience` has passed.
    pub(crate) fn take(&self, patience: Option<Duration>) -> Option<VecDeque<Request>> {
        let mut waiting = self.waiting();
        while waiting.requests.is_empty() {
            if waiting.closed {
                return None;
            }
            let Some(patience) = patience else {
                waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let woken = self.filled.wait_timeout(waiting, patience);
            let (still, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                return Some(VecDeque::new());
            }
            waiting = still;
        }
        Some(self.all(waiting))
    }

    /// Takes what waits; none when nothing does.
    pub(crate) fn take_what_waits(&self) -> Option<VecDeque<Request>> {
        let waiting = self.waiting();
        (!waiting.requests.is_empty()).then(|| self.all(waiting))
    }

    fn all(&self, mut waiting: MutexGuard<'_, Waiting>) -> VecDeque<Request> {
        waiting.bytes = 0;
        let requests = std::mem::take(&mut waiting.requests);
        drop(waiting);
        self.drained.notify_all();
        requests
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting().requests.is_empty()
    }

    /// Says that nothing more will be handed in.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.filled.notify_one();
    }

    /// Says that nothing more will be taken out.
    pub(crate) fn abandon(&self) {
        let requests = {
            let mut waiting = self.waiting();
            waiting.abandoned = true;
            std::mem::take(&mut waiting.requests)
        };
        self.drained.notify_all();
        requests.into_iter().for_each(|request| request.refuse(&crate::stopped()));
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}
