//! What waits to be written. Order is kept; whoever hands in more than fits waits for the server.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use longshore_journal::{Append, Completion, Error, Result, Sealer, StoredReceipt};
use longshore_model::RunId;
use tokio::sync::{Notify, oneshot};

/// How many bytes of entries may wait.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// Something to write.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are appends: a box for each would cost more"
)]
pub(crate) enum Request {
    Append(Waiting),
    Seal(Sealing),
    /// Tells when everything before it has been served.
    Mark(oneshot::Sender<()>),
}

/// An append that waits.
pub(crate) struct Waiting {
    pub(crate) append: Append,
    pub(crate) completion: Completion,
    /// Until then it is tried again when the server does not answer.
    pub(crate) deadline: Instant,
}

/// A receipt that waits.
pub(crate) struct Sealing {
    pub(crate) run: RunId,
    pub(crate) sealer: Sealer,
    pub(crate) answer: oneshot::Sender<Result<StoredReceipt>>,
    pub(crate) deadline: Instant,
}

impl Request {
    /// Answers with an error.
    pub(crate) fn refuse(self, error: &Error) {
        match self {
            Self::Append(waiting) => waiting.completion.complete(Err(error.clone())),
            // Nobody waits any more: that is their right.
            Self::Seal(sealing) => drop(sealing.answer.send(Err(error.clone()))),
            Self::Mark(told) => drop(told),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Append(waiting) => bytes_of(&waiting.append),
            Self::Seal(_) | Self::Mark(_) => 0,
        }
    }
}

/// The size of an append's entries.
pub(crate) fn bytes_of(append: &Append) -> usize {
    append.records.iter().map(|record| record.bytes.len()).sum()
}

/// The queue: many hands in, one hand out.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Contents>,
    /// Something was handed in, or the queue was closed.
    filled: Notify,
    /// Something was taken out.
    drained: Condvar,
}

#[derive(Default)]
struct Contents {
    requests: VecDeque<Request>,
    bytes: usize,
    /// What was taken out last is being served.
    serving: bool,
    /// Nothing more will be handed in.
    closed: bool,
    /// Nothing more will be taken out.
    abandoned: bool,
}

impl Queue {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands something in. After the thread has gone, it is refused.
    pub(crate) fn push(&self, request: Request) {
        let bytes = request.bytes();
        let mut contents = self.contents();
        while contents.bytes > MAX_WAITING_BYTES && !contents.abandoned {
            contents = self.drained.wait(contents).unwrap_or_else(PoisonError::into_inner);
        }
        if contents.abandoned {
            drop(contents);
            request.refuse(&crate::stopped());
            return;
        }
        contents.bytes += bytes;
        contents.requests.push_back(request);
        drop(contents);
        self.filled.notify_one();
    }

    /// Waits until everything that was handed in so far has been served.
    pub(crate) async fn settled(&self) {
        let served = {
            let mut contents = self.contents();
            if contents.abandoned || (contents.requests.is_empty() && !contents.serving) {
                return;
            }
            let (told, served) = oneshot::channel();
            contents.requests.push_back(Request::Mark(told));
            served
        };
        self.filled.notify_one();
        // The thread has gone: there is nothing to wait for.
        let _ = served.await;
    }

    /// Waits for something and takes all of it; none once the queue is closed and empty.
    pub(crate) async fn take(&self) -> Option<VecDeque<Request>> {
        loop {
            {
                let mut contents = self.contents();
                contents.serving = !contents.requests.is_empty();
                if !contents.requests.is_empty() {
                    contents.bytes = 0;
                    let requests = std::mem::take(&mut contents.requests);
                    drop(contents);
                    self.drained.notify_all();
                    return Some(requests);
                }
                if contents.closed {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Says that nothing more will be handed in.
    pub(crate) fn close(&self) {
        self.contents().closed = true;
        self.filled.notify_one();
    }

    /// Says that nothing more will be taken out, and refuses what is left.
    pub(crate) fn abandon(&self) {
        let mut contents = self.contents();
        contents.abandoned = true;
        let left = std::mem::take(&mut contents.requests);
        drop(contents);
        self.drained.notify_all();
        left.into_iter().for_each(|request| request.refuse(&crate::stopped()));
    }
}
