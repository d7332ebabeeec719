//! The port to a store: rows go in, rows come out, and nothing is decided behind it.
//!
//! Whoever writes a store proves it with the suite in `tests/store-contract`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use longshore_model::{Outcome, RunId, Timestamp};
use longshore_reference::Digest;
use tokio::sync::oneshot;

use crate::{
    Claim, Durability, Error, Fence, Lease, Letter, Posted, Record, Result, StoreFault, Waiting,
    Wakes,
};

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
    /// The ticket fails as [`Standing::refusal`](crate::Standing::refusal) says: with
    /// [`Error::NotFound`] when the run was never opened, with [`Error::RunClosed`] when it has
    /// ended, with [`Error::Fenced`] when another host has taken it since, with
    /// [`Error::Conflict`] when `next` is not the run's next entry (of a run that opens: when the
    /// run exists); and with [`Error::Store`] when the store fails.
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

    /// Runs that a host could take now, those that are due longest first: see
    /// [`RunSummary::is_claimable`].
    async fn claimable(&self, now: Timestamp, limit: usize) -> Result<Vec<RunSummary>>;

    /// Takes runs, those that are due longest first: each that is given here has the claim's lease,
    /// the next fence, and waits for nothing; nobody else is given it. As safe as
    /// [`Durability::Synced`] wherever the store can outlive the hosts that use it.
    async fn claim(&self, claim: &Claim) -> Result<Vec<RunSummary>>;

    /// Prolongs the leases of runs that are held with these fences, also those that have run out
    /// unseen. Tells which: the others were taken, let go of, or have ended.
    async fn renew(&self, held: &[(RunId, Fence)], until: Timestamp) -> Result<Vec<RunId>>;

    /// From when on there is a run to claim, unless something happens before: the least of
    /// [`RunSummary::due`].
    async fn due(&self) -> Result<Option<Timestamp>>;

    /// Keeps a letter, and tells its place once it is as safe as [`Durability::Synced`]. The same
    /// letter again has the place it has.
    ///
    /// Fails as [`Letter::refusal`] says.
    async fn post(&self, letter: Letter) -> Result<u64>;

    /// The letters of a run that it has not taken, in order: at most `max`, and no more after
    /// [`MAX_PAGE_BYTES`]. A run that has ended has none, unless it is [`RunState::Continued`].
    async fn letters(&self, run: RunId, max: usize) -> Result<Vec<Posted>>;

    /// Listens for runs that may have something to do, because a letter came or because they were
    /// let go of. Times that come are not told: see [`due`](Self::due).
    fn wakes(&self) -> Wakes;

    /// Removes what is kept of runs: rows, entries, letters. Tells which are gone; those that have
    /// not ended, and those that are not there, are left alone. Their receipts stay: the chain of
    /// receipts has no gap.
    async fn remove(&self, runs: &[RunId]) -> Result<Vec<RunId>>;

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
    /// What the writer was given with the run: of one that opens, what the run begins with.
    pub fence: Fence,
    /// What the run's row says, when this opens the run.
    pub opening: Option<Opening>,
    /// How the run ended, when this ends it.
    pub ending: Option<Ending>,
    /// The run's letters before this one are in its history from here on.
    pub taken: Option<u64>,
    /// The run is let go of: nobody holds it, and it goes on when it is taken again.
    pub release: Option<Release>,
}

/// How a run is let go of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// What it waits for; a run that waits for nothing can be taken at once.
    pub waiting: Option<Waiting>,
}

impl Append {
    /// Whether it opens the run.
    #[must_use]
    pub const fn opens(&self) -> bool {
        self.opening.is_some() && self.next == 0
    }

    /// Whether it changes nothing, and only waits for what was appended before.
    #[must_use]
    pub const fn is_barrier(&self) -> bool {
        self.records.is_empty() && self.taken.is_none() && self.release.is_none()
    }

    /// Whether a host could take the run because of it.
    #[must_use]
    pub fn frees(&self) -> bool {
        let unheld = |opening: &Opening| opening.lease.is_none();
        self.release.is_some() || self.opening.as_ref().is_some_and(unheld)
    }

    /// How many entries the run has afterwards.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.next.saturating_add(self.records.len() as u64)
    }
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
    /// Who advances it; nobody yet, when it is opened for others to take.
    pub lease: Option<Lease>,
}

/// What a run's row says at the end; taken from the last entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How it ended; never a state that a store keeps as [`RunState::Open`].
    pub state: RunState,
    /// The time of the last entry.
    pub at: Timestamp,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    /// It has not ended, and somebody holds it.
    Open,
    /// It has not ended, and nobody holds it. A store never says this: it keeps the run as open.
    Interrupted,
    /// It has not ended, and was let go of until something comes. A store never says this: it keeps
    /// the run as open.
    Waiting,
    /// It has not ended, and the code that was to go on with it asked for something else than its
    /// history says. A store never says this: it keeps the run as open.
    Diverged,
    /// It returned a value.
    Ok,
    /// It returned its own failure.
    Failed,
    /// It was stopped.
    Fault,
    /// It goes on as a new run.
    Continued,
}

impl RunState {
    const ALL: [Self; 8] = [
        Self::Open,
        Self::Interrupted,
        Self::Waiting,
        Self::Diverged,
        Self::Ok,
        Self::Failed,
        Self::Fault,
        Self::Continued,
    ];

    /// How a run stands that ended with `outcome`, or that goes on as a new one.
    #[must_use]
    pub const fn ended(outcome: &Outcome, continued: bool) -> Self {
        match outcome {
            _ if continued => Self::Continued,
            Outcome::Ok(_) => Self::Ok,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Fault(_) => Self::Fault,
        }
    }

    /// `open`, `interrupted`, `waiting`, `diverged`, `ok`, `failed`, `fault` or `continued`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Interrupted => "interrupted",
            Self::Waiting => "waiting",
            Self::Diverged => "diverged",
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Fault => "fault",
            Self::Continued => "continued",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// What a store keeps for it.
    #[must_use]
    pub const fn stored(self) -> Self {
        match self {
            Self::Interrupted | Self::Waiting | Self::Diverged => Self::Open,
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
    /// How often it was taken.
    pub fence: Fence,
    /// Who holds it; nobody holds what has ended.
    pub lease: Option<Lease>,
    /// What it waits for; set only while nobody holds it.
    pub waiting: Option<Waiting>,
    /// How many letters it was sent.
    pub posted: u64,
    /// How many of them are in its history.
    pub taken: u64,
}

/// Which runs to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFilter {
    /// Only runs in this state.
    pub state: Option<RunState>,
    /// Only runs of this component.
    pub component: Option<Named>,
    /// Only runs that started then or later.
    pub since: Option<Timestamp>,
    /// Only runs that started before then.
    pub until: Option<Timestamp>,
    /// Only runs that ended before then.
    pub ended_before: Option<Timestamp>,
    /// Only runs with ids before this one: the last id of the page before.
    pub before: Option<RunId>,
    /// At most so many.
    pub limit: usize,
}

impl Default for RunFilter {
    /// The newest 50, in whatever state.
    fn default() -> Self {
        Self {
            state: None,
            component: None,
            since: None,
            until: None,
            ended_before: None,
            before: None,
            limit: 50,
        }
    }
}

/// How a component is named in a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By its digest.
    Digest(Digest),
    /// By how it was named for the run, or by the beginning of that name up to a `:` or `@`:
    /// without the digest, or without the version too.
    Reference(String),
}

impl Named {
    /// Whether a run with this row is meant.
    #[must_use]
    pub fn matches(&self, row: &RunSummary) -> bool {
        match self {
            Self::Digest(digest) => row.component == *digest,
            Self::Reference(name) => row
                .reference
                .strip_prefix(name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@'])),
        }
    }
}

impl RunFilter {
    /// Whether a run with this row passes, whatever the page.
    #[must_use]
    pub fn admits(&self, row: &RunSummary) -> bool {
        self.state.is_none_or(|state| row.state.stored() == state.stored())
            && self.component.as_ref().is_none_or(|named| named.matches(row))
            && self.since.is_none_or(|since| row.started >= since)
            && self.until.is_none_or(|until| row.started < until)
            && self.ended_before.is_none_or(|end| row.ended.is_some_and(|ended| ended < end))
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
