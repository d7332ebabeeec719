//! The way in: opens runs, reads them back, lists them, seals their receipts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longshore_model::{Clock, Event, RunId, RunStarted, Timestamp};

use crate::keeper::{Keeper, any_host};
use crate::steady::Steady;
use crate::writer::Writer;
use crate::{
    Claim, Closed, Durability, Error, Fence, History, HostId, LEASE, Letter, MemoryStore, Opening,
    Posted, Reader, Record, Result, Run, RunFilter, RunState, RunSummary, Sealer, Store,
    StoredReceipt, Wakes, durability_of, is_pure_run,
};

/// Rows read at once where most may not be wanted: many runs wait, and few were interrupted.
const REFINED_PAGE: usize = 1_000;

/// The journal of a host: a store and a clock. Clones share both.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keeper: Arc<Keeper>,
}

impl Shared {
    pub(crate) fn hold(&self, run: RunId, fence: Fence) {
        self.keeper.hold(run, fence, &self.store, &self.clock);
    }

    pub(crate) fn release(&self, run: RunId, fence: Fence) {
        self.keeper.release(run, fence);
    }
}

impl Journal {
    /// A journal over `store`, as a host of its own.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self::hosted(store, clock, any_host(), LEASE)
    }

    /// The same as the host that is named, whose leases hold for `lease`.
    #[must_use]
    pub fn hosted(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        host: HostId,
        lease: Duration,
    ) -> Self {
        let keeper = Arc::new(Keeper::new(host, lease));
        let clock = Arc::new(Steady::new(clock));
        Self { shared: Arc::new(Shared { store, clock, keeper }) }
    }

    /// Who this journal is to others on the same store.
    #[must_use]
    pub fn host(&self) -> HostId {
        self.shared.keeper.host()
    }

    /// The time, as entries are given it; it never goes backwards.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// A journal that remembers the latest runs in memory: see [`MemoryStore`].
    #[must_use]
    pub fn in_memory(clock: Arc<dyn Clock>) -> Self {
        Self::new(Arc::new(MemoryStore::new()), clock)
    }

    /// Opens a run: `start` becomes entry 0. The limit `events` of its grant bounds the run.
    /// Returns without waiting for the store, unless [`durability_of`] demands a sync; a failure of
    /// the store comes with the next sync, or the end.
    ///
    /// # Errors
    ///
    /// When the store fails, or has the run already.
    pub async fn open(&self, start: RunStarted) -> Result<Run> {
        let (id, pure) = (start.run, is_pure_run(&start));
        let mut opening = Opening {
            component: start.component.digest,
            reference: start.component.reference.clone(),
            function: start.function.clone(),
            started: Timestamp::default(),
            lease: None,
        };
        let mut writer = Writer::new(id, start.grant.limits.events);
        let event = Event::RunStarted(Box::new(start));
        let durability = durability_of(&event);
        writer.push(&*self.shared.clock, event, true)?;
        opening.started = writer.last_at();
        opening.lease = Some(self.shared.keeper.lease(opening.started));
        writer.open_with(opening);
        writer.hand_over(&*self.shared.store, Durability::Buffered);
        writer.check()?;
        let run = Run::new(Arc::clone(&self.shared), id, pure, writer);
        if durability == Durability::Synced {
            run.sync().await?;
        }
        Ok(run)
    }

    /// Takes a run that did not end and goes on with it: its history, checked, and the run to record
    /// into. Whoever held it before is refused from now on.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::RunClosed`] when it has ended, [`Error::Held`] while a host
    /// holds it, and as [`read`](Self::read).
    pub async fn resume(&self, run: RunId) -> Result<(Run, History)> {
        let taken = self.shared.store.claim(&self.claim_for(Some(run), 1)).await?;
        match taken.first() {
            Some(row) => self.go_on(row).await,
            None => Err(self.not_taken(run).await?),
        }
    }

    /// Takes runs that have something to do and that nobody holds, at most `limit`, those that are
    /// due longest first. [`go_on`](Self::go_on) with each.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn claim(&self, limit: usize) -> Result<Vec<RunSummary>> {
        self.shared.store.claim(&self.claim_for(None, limit)).await
    }

    /// Goes on with a run that was taken by [`claim`](Self::claim).
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read). The run is then let go of when its lease runs out.
    pub async fn go_on(&self, taken: &RunSummary) -> Result<(Run, History)> {
        let (run, fence) = (taken.run, taken.fence);
        self.shared.hold(run, fence);
        let resumed = async {
            let history = self.read(run).await?;
            let writer = history.writer(fence)?;
            let pure = is_pure_run(&history.in_force());
            Ok((Run::new(Arc::clone(&self.shared), run, pure, writer), history))
        };
        let resumed = resumed.await;
        if resumed.is_err() {
            self.shared.release(run, fence);
        }
        resumed
    }

    fn claim_for(&self, only: Option<RunId>, limit: usize) -> Claim {
        let now = self.shared.clock.now();
        Claim { lease: self.shared.keeper.lease(now), now, only, limit }
    }

    /// Why a run was not to be had.
    async fn not_taken(&self, run: RunId) -> Result<Error> {
        let row = self.shared.store.summary(run).await?;
        Ok(match row.map(|row| (row.state, row.lease)) {
            None => Error::NotFound(run),
            Some((RunState::Open, lease)) => {
                Error::Held { run, until: lease.map(|lease| lease.until).unwrap_or_default() }
            }
            Some(_) => Error::RunClosed(run),
        })
    }

    /// From when on [`claim`](Self::claim) gives a run, unless something happens before.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn due(&self) -> Result<Option<Timestamp>> {
        self.shared.store.due().await
    }

    /// Listens for runs that may have something to do before they are [`due`](Self::due).
    #[must_use]
    pub fn wakes(&self) -> Wakes {
        self.shared.store.wakes()
    }

    /// Sends a letter to a run, whoever holds it, and tells its place among the run's letters once
    /// it is safe. The same `id` again is the same letter.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::RunClosed`], [`Error::MailboxFull`],
    /// [`Error::LetterTooLarge`], and when the store fails.
    pub async fn post(&self, run: RunId, id: [u8; 16], bytes: Bytes) -> Result<u64> {
        let at = self.shared.clock.now();
        self.shared.store.post(Letter { run, id, at, bytes }).await
    }

    /// The letters of a run that are not in its history, in order, at most `max`.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn letters(&self, run: RunId, max: usize) -> Result<Vec<Posted>> {
        self.shared.store.letters(run, max).await
    }

    /// Removes what is kept of runs that have ended, and tells which are gone. Their receipts stay,
    /// so that the chain of receipts has no gap.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn remove(&self, runs: &[RunId]) -> Result<Vec<RunId>> {
        self.shared.store.remove(runs).await
    }

    /// Reads a run back and checks all of it: every hash, every place, the number of entries, and
    /// that the run's row says what its entries say.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Truncated`, `Edited`, `Reordered` or `Newer` of [`Error`], and
    /// when the store fails.
    pub async fn read(&self, run: RunId) -> Result<History> {
        History::read(&*self.shared.store, run).await
    }

    /// A run that has ended, with its history: for sealing it, where whoever ended it did not come to that.
    ///
    /// # Errors
    ///
    /// [`Error::StillOpen`], and as [`read`](Self::read).
    pub async fn ended(&self, run: RunId) -> Result<(Closed, History)> {
        let history = self.read(run).await?;
        let Some(ended) = history.end().and_then(|_| history.entries().last()) else {
            return Err(Error::StillOpen(run));
        };
        let pure = is_pure_run(history.start());
        let closed = Closed {
            run,
            head: history.head(),
            entries: history.summary().entries,
            ended: ended.at,
            durability: if pure { Durability::Buffered } else { Durability::Synced },
            shared: Arc::clone(&self.shared),
        };
        Ok((closed, history))
    }

    /// The entries of a run as they are kept, unread and unchecked: for whoever hands them on.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn all_records(&self, run: RunId) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        loop {
            let from = records.len() as u64;
            let page = self.shared.store.load(run, from, 1_000).await?;
            if page.is_empty() {
                return Ok(records);
            }
            records.extend(page);
        }
    }

    /// Reads a run like [`read`](Self::read), page by page: for histories that should not be in
    /// memory at once.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], and when the store fails.
    pub async fn reader(&self, run: RunId) -> Result<Reader> {
        Reader::open(Arc::clone(&self.shared.store), run).await
    }

    /// The entries of a run as they are stored, from `from` on: at most `max`, and fewer where they
    /// are large. Nothing is checked.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn records(&self, run: RunId, from: u64, max: usize) -> Result<Vec<Record>> {
        self.shared.store.load(run, from, max).await
    }

    /// Runs that pass the filter, newest first. Of a run that has not ended, the state is
    /// [`RunSummary::state_at`] now.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>> {
        // Open, waiting and interrupted are one state in a store: pages are read until enough of
        // the wanted kind are found.
        let mut page = filter.clone();
        if filter.state.is_some_and(|state| state.stored() == RunState::Open) {
            page.limit = page.limit.max(REFINED_PAGE);
        }
        let mut found = Vec::new();
        while found.len() < filter.limit {
            let rows = self.shared.store.runs(&page).await?;
            let full = rows.len() == page.limit;
            page.before = rows.last().map(|row| row.run);
            let listed = rows.into_iter().map(|row| self.listed(row));
            found.extend(listed.filter(|row| filter.state.is_none_or(|state| row.state == state)));
            if !full {
                break;
            }
        }
        found.truncate(filter.limit);
        Ok(found)
    }

    /// One run's row, as [`runs`](Self::runs) lists it.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn summary(&self, run: RunId) -> Result<Option<RunSummary>> {
        Ok(self.shared.store.summary(run).await?.map(|row| self.listed(row)))
    }

    fn listed(&self, mut row: RunSummary) -> RunSummary {
        row.state = row.state_at(self.shared.clock.now());
        row
    }

    /// Adds the receipt of a closed run to the chain of receipts, as safe as the run's own journal.
    /// `sealer` is called once with the digest of the receipt before.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadySealed`], [`Error::Seal`]
    /// when `sealer` fails, and when the store fails.
    pub async fn seal(&self, closed: &Closed, sealer: Sealer) -> Result<StoredReceipt> {
        self.shared.store.seal(closed.run, closed.durability, sealer).await
    }

    /// The receipt of a run.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn receipt(&self, run: RunId) -> Result<Option<StoredReceipt>> {
        self.shared.store.receipt(run).await
    }

    /// Receipts in the order of their chain: at most `max`, from `position` on.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn receipts(&self, position: u64, max: usize) -> Result<Vec<StoredReceipt>> {
        self.shared.store.receipts(position, max).await
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Journal")
    }
}
