//! The port to a store: rows go in, rows come out, and nothing is decided behind it.
//!
//! Whoever writes a store proves it with the suite in `tests/store-contract`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use longshore_model::{RunId, Timestamp};
use longshore_reference::Digest;
use tokio::sync::oneshot;

use crate::{Durability, Error, Record, Result, StoreFault};

/// Where a page of [`Store::load`] ends early: once it holds this many bytes of entries.
pub const MAX_PAGE_BYTES: usize = 8 << 20;

/// A place that keeps runs, their entries and their receipts.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Adds records to the end of a run, all or none. Never waits for the store: what is handed in
    /// takes its place in the order now, and the ticket tells when it is as safe as asked for. A
    /// ticket that is dropped changes nothing.
    ///
    /// Without records it is a barrier: what was appended before becomes as safe as asked for.
    ///
    /// The ticket fails with [`Error::Conflict`] when `next` is not the run's next entry (of a run
    /// that opens: when the run exists), with [`Error::RunClosed`] when the run has ended, with
    /// [`Error::NotFound`] when it was never opened, and with [`Error::Store`] when the store
    /// fails.
    fn append(&self, append: Append) -> Ticket;

    /// Records of a run from entry `from` on, in order: at most `max`, and no more after
    /// [`MAX_PAGE_BYTES`]. Empty at the end, and for a run that is not there.
    async fn load(&self, run: RunId, from: u64, max: usize) -> Result<Vec<Record>>;

    /// One run's row.
    async fn summary(&self, run: RunId) -> Result<Option<RunSummary>>;

    /// One run's row and its first records, as [`load`](Self::load) gives them. A store that can
    /// answer both in one step does: who seals a run waits for it.
    async fn first_page(
        &self,
        run: RunId,
        max: usize,
    ) -> Result<Option<(RunSummary, Vec<Record>)>> {
        let Some(summary) = self.summary(run).await? else { return Ok(None) };
        Ok(Some((summary, self.load(run, 0, max).await?)))
    }

    /// Runs that pass the filter, newest first.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>>;

    /// Adds the receipt of a run to the store's chain of receipts: reads the digest of the last
    /// one, lets `sealer` make the next, and keeps it, all in one step that no other writer of the
    /// same store can come between.
    ///
    /// Fails with [`Error::NotFound`], [`Error::AlreadySealed`] and [`Error::StillOpen`]; with
    /// [`Error::Seal`] when `sealer` fails, and then nothing is kept.
    async fn seal(
        &self,
        run: RunId,
        durability: Durability,
        sealer: Sealer,
    ) -> Result<StoredReceipt>;

    /// The receipt of a run.
    async fn receipt(&self, run: RunId) -> Result<Option<StoredReceipt>>;

    /// Receipts in the order of their chain: at most `max`, from `position` on.
    async fn receipts(&self, position: u64, max: usize) -> Result<Vec<StoredReceipt>>;
}

/// Makes a receipt, given the digest of the receipt before it in the chain. Called once, on the
/// store's thread; it must not block on anything but computing.
pub type Sealer = Box<
    dyn FnOnce(
            Option<Digest>,
        )
            -> std::result::Result<SealedReceipt, Box<dyn std::error::Error + Send + Sync>>
        + Send,
>;

/// What is added to a run in one step.
#[derive(Clone, Debug)]
pub struct Append {
    /// The run.
    pub run: RunId,
    /// The place of the first record: the run's next entry.
    pub next: u64,
    /// The records, in order and without gaps.
    pub records: Vec<Record>,
    /// How safe it must be before it is acknowledged.
    pub durability: Durability,
    /// What the run's row says, when this opens the run.
    pub opening: Option<Opening>,
    /// How the run ended, when this ends it.
    pub ending: Option<Ending>,
}

/// What a run's row says from the beginning; taken from entry 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The digest of the root component.
    pub component: Digest,
    /// How it was named.
    pub reference: String,
    /// What is called.
    pub function: String,
    /// The time of entry 0.
    pub started: Timestamp,
}

/// What a run's row says at the end; taken from the last entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How it ended; never [`RunState::Open`] or [`RunState::Interrupted`].
    pub state: RunState,
    /// The time of the last entry.
    pub at: Timestamp,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    /// It has not ended, and somebody holds it.
    Open,
    /// It has not ended, and nobody known here holds it. A store never says this: it keeps the run
    /// as open.
    Interrupted,
    /// It returned a value.
    Ok,
    /// It returned its own failure.
    Failed,
    /// It was stopped.
    Fault,
}

impl RunState {
    /// `open`, `interrupted`, `ok`, `failed` or `fault`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Interrupted => "interrupted",
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Fault => "fault",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Open, Self::Interrupted, Self::Ok, Self::Failed, Self::Fault]
            .into_iter()
            .find(|state| state.as_str() == word)
    }

    /// What a store keeps for it.
    #[must_use]
    pub const fn stored(self) -> Self {
        match self {
            Self::Interrupted => Self::Open,
            other => other,
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One run's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// The digest of the root component.
    pub component: Digest,
    /// How it was named.
    pub reference: String,
    /// What is called.
    pub function: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended, if it has.
    pub ended: Option<Timestamp>,
    /// Where it stands.
    pub state: RunState,
    /// How many entries it has.
    pub entries: u64,
    /// The hash of the last entry.
    pub head: Digest,
}

/// Which runs to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFilter {
    /// Only runs in this state.
    pub state: Option<RunState>,
    /// Only runs with ids before this one: the last id of the page before.
    pub before: Option<RunId>,
    /// At most so many.
    pub limit: usize,
}

impl Default for RunFilter {
    /// The newest 50, in whatever state.
    fn default() -> Self {
        Self { state: None, before: None, limit: 50 }
    }
}

/// A receipt as it was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedReceipt {
    /// The receipt's bytes, exactly as they are handed out.
    pub bytes: Vec<u8>,
    /// The digest by which the next receipt names this one.
    pub digest: Digest,
}

/// A receipt as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReceipt {
    /// Its place in the store's chain, from 0.
    pub position: u64,
    /// The run.
    pub run: RunId,
    /// The digest of the receipt before it; none at position 0.
    pub previous: Option<Digest>,
    /// The receipt.
    pub receipt: SealedReceipt,
}

/// The promise to say when an append is safe.
#[derive(Debug)]
#[must_use = "an append that nobody waits for may fail unseen"]
pub struct Ticket(Promise);

#[derive(Debug)]
enum Promise {
    Kept(Option<Result<()>>),
    Open(oneshot::Receiver<Result<()>>),
}

/// The other end of a [`Ticket`]. Dropped without an answer, the ticket says that the store has
/// stopped.
#[derive(Debug)]
pub struct Completion(oneshot::Sender<Result<()>>);

impl Ticket {
    /// A ticket with its answer.
    pub const fn ready(result: Result<()>) -> Self {
        Self(Promise::Kept(Some(result)))
    }

    /// A ticket whose answer comes later.
    pub fn pending() -> (Completion, Self) {
        let (sender, receiver) = oneshot::channel();
        (Completion(sender), Self(Promise::Open(receiver)))
    }

    /// The answer, if it is there.
    pub(crate) fn peek(&mut self) -> Option<Result<()>> {
        if let Promise::Open(receiver) = &mut self.0 {
            match receiver.try_recv() {
                Ok(result) => self.0 = Promise::Kept(Some(result)),
                Err(oneshot::error::TryRecvError::Empty) => return None,
                Err(oneshot::error::TryRecvError::Closed) => {
                    self.0 = Promise::Kept(Some(Err(stopped())));
                }
            }
        }
        match &self.0 {
            Promise::Kept(result) => Some(result.clone().unwrap_or_else(|| Err(stopped()))),
            Promise::Open(_) => None,
        }
    }
}

impl Completion {
    /// Answers the ticket.
    pub fn complete(self, result: Result<()>) {
        // Nobody waits any more: that is their right.
        let _ = self.0.send(result);
    }
}

impl Future for Ticket {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.0 {
            Promise::Kept(result) => Poll::Ready(result.take().unwrap_or_else(|| Err(stopped()))),
            Promise::Open(receiver) => Pin::new(receiver)
                .poll(context)
                .map(|answer| answer.unwrap_or_else(|_| Err(stopped()))),
        }
    }
}

fn stopped() -> Error {
    Error::store(StoreFault::Stopped, "the store of the journal has stopped")
}
