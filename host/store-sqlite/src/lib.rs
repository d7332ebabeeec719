//! The journal in one SQLite file: rows in, rows out, no decision.
//!
//! One thread per store owns the only connection. Whatever waits when it is free goes into one
//! transaction and, where anybody asked for it, one sync: that is the group commit. A process of one
//! short run may do without the thread (`hands.rs`). Several processes may share one file.

mod fault;
mod hands;
mod open;
mod queue;
mod rows;
mod schema;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use longshore_journal::{
    Append, Bell, Claim, Durability, Error, Fence, Letter, Posted, Record, Result, RunFilter,
    RunSummary, SealedReceipt, Sealer, Store, StoreFault, StoredReceipt, Ticket, Wake, Wakes,
};
use longshore_model::{RunId, Timestamp};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::hands::Hands;
use crate::queue::{Queue, Request};
use crate::worker::Worker;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file. It and its folder are made, for their owner only, where they do not exist.
    pub path: PathBuf,
    /// How long to wait for another process that holds the file.
    pub busy: Duration,
    /// The most pages that the file may have; none for SQLite's own limit.
    pub max_pages: Option<u32>,
    /// When the store's thread starts.
    pub start: Start,
}

/// When a store's thread starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the store: for hosts of many runs.
    #[default]
    AtOnce,
    /// When something must be on disk before a run may go on, and a few milliseconds after the first entry of any. Until then
    /// whoever waits for an answer does the work, and may be held up for as long as another process holds the file.
    WhenNeeded,
}

impl Options {
    /// The file at `path`, five seconds of patience, no limit of our own.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            busy: Duration::from_secs(5),
            max_pages: None,
            start: Start::AtOnce,
        }
    }
}

/// A journal in a file. Dropped, it finishes what was handed in.
#[derive(Debug)]
pub struct SqliteStore {
    hands: Arc<Hands>,
    bell: Bell,
}

impl SqliteStore {
    /// A store over the file at `path`: see [`Options::new`].
    ///
    /// # Errors
    ///
    /// When no thread can be started. The file is opened behind this function's back: what is wrong
    /// with it comes with the first answer, or from [`ready`](Self::ready).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        Self::open_with(Options::new(path))
    }

    /// A store with options.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(options: Options) -> Result<Self> {
        let queue = Arc::new(Queue::default());
        let bell = Bell::new();
        let start = options.start;
        let worker = Worker::new(Arc::clone(&queue), bell.clone(), options);
        Ok(Self { hands: Hands::new(queue, worker, start)?, bell })
    }

    /// Waits until the file is open.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, or is not ours.
    pub async fn ready(&self) -> Result<()> {
        self.task(|_| Ok(())).await
    }

    /// Waits until everything that was committed is on disk.
    async fn sync(&self) -> Result<()> {
        let (completion, ticket) = Ticket::pending();
        self.hands.push(Request::Sync(completion));
        ticket.await
    }

    /// Runs `work` on the store's thread, after everything that was handed in before.
    async fn task<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        self.hands.push(Request::Task(Box::new(move |connection| {
            // Nobody waits any more: that is their right.
            let _ = sender.send(connection.and_then(work));
        })));
        receiver.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.hands.finish();
    }
}

fn stopped() -> Error {
    Error::store(StoreFault::Stopped, "the store of the journal has stopped")
}

#[async_trait]
impl Store for SqliteStore {
    fn append(&self, append: Append) -> Ticket {
        let (completion, ticket) = Ticket::pending();
        self.hands.push(Request::Append(append, completion));
        ticket
    }

    async fn load(&self, run: RunId, from: u64, max: usize) -> Result<Vec<Record>> {
        self.task(move |connection| rows::load(connection, run, from, max)).await
    }

    async fn summary(&self, run: RunId) -> Result<Option<RunSummary>> {
        self.task(move |connection| rows::summary(connection, run)).await
    }

    async fn first_page(
        &self,
        run: RunId,
        max: usize,
    ) -> Result<Option<(RunSummary, Vec<Record>)>> {
        self.task(move |connection| rows::first_page(connection, run, max)).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>> {
        let filter = filter.clone();
        self.task(move |connection| rows::runs(connection, &filter)).await
    }

    async fn claimable(&self, now: Timestamp, limit: usize) -> Result<Vec<RunSummary>> {
        self.task(move |connection| rows::claimable(connection, now, limit)).await
    }

    // Not synced: a power cut that loses it ends every host that uses the file too.
    async fn claim(&self, claim: &Claim) -> Result<Vec<RunSummary>> {
        let claim = *claim;
        self.task(move |connection| rows::claim(connection, &claim)).await
    }

    async fn renew(&self, held: &[(RunId, Fence)], until: Timestamp) -> Result<Vec<RunId>> {
        let held = held.to_vec();
        self.task(move |connection| rows::renew(connection, &held, until)).await
    }

    async fn due(&self) -> Result<Option<Timestamp>> {
        self.task(|connection| rows::due(connection)).await
    }

    async fn post(&self, letter: Letter) -> Result<u64> {
        let run = letter.run;
        let seq = self.task(move |connection| rows::post(connection, &letter)).await?;
        self.sync().await?;
        self.bell.ring(Wake::Run(run));
        Ok(seq)
    }

    async fn letters(&self, run: RunId, max: usize) -> Result<Vec<Posted>> {
        self.task(move |connection| rows::letters(connection, run, max)).await
    }

    fn wakes(&self) -> Wakes {
        let wakes = self.bell.listen();
        // The thread waits differently from now on. Where none can be started, wakes come with the answers.
        let _ = self.hands.start();
        self.hands.push(Request::Task(Box::new(|_| {})));
        wakes
    }

    async fn remove(&self, runs: &[RunId]) -> Result<Vec<RunId>> {
        let runs = runs.to_vec();
        self.task(move |connection| rows::remove(connection, &runs)).await
    }

    async fn seal(
        &self,
        run: RunId,
        durability: Durability,
        sealer: Sealer,
    ) -> Result<StoredReceipt> {
        let stored = self.task(move |connection| rows::seal(connection, run, sealer)).await?;
        if durability == Durability::Synced {
            self.sync().await?;
        }
        Ok(stored)
    }

    async fn receipt(&self, run: RunId) -> Result<Option<StoredReceipt>> {
        self.task(move |connection| rows::receipt(connection, run)).await
    }

    async fn receipts(&self, position: u64, max: usize) -> Result<Vec<StoredReceipt>> {
        self.task(move |connection| rows::receipts(connection, position, max)).await
    }
}

/// What a receipt is made of, as the rows hold it.
pub(crate) fn sealed(bytes: Vec<u8>, digest: longshore_reference::Digest) -> SealedReceipt {
    SealedReceipt { bytes, digest }
}
