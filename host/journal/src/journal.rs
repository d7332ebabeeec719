//! The way in: opens runs, reads them back, lists them, seals their receipts.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use longshore_model::{Clock, Event, RunId, RunStarted};

use crate::writer::Writer;
use crate::{
    Closed, Durability, History, MemoryStore, Opening, Reader, Result, Run, RunFilter, RunState,
    RunSummary, Sealer, Store, StoredReceipt, durability_of, is_pure_run,
};

/// The journal of a host: a store and a clock. Clones share both.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The runs that this journal holds.
    held: Mutex<HashSet<RunId>>,
}

impl Shared {
    pub(crate) fn hold(&self, run: RunId) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(run);
    }

    pub(crate) fn release(&self, run: RunId) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }

    fn holds(&self, run: RunId) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).contains(&run)
    }
}

impl Journal {
    /// A journal over `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::new(Shared { store, clock, held: Mutex::default() }) }
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
            started: longshore_model::Timestamp::default(),
        };
        let mut writer = Writer::new(id, start.grant.limits.events);
        let event = Event::RunStarted(Box::new(start));
        let durability = durability_of(&event);
        writer.push(&*self.shared.clock, event, true)?;
        opening.started = writer.last_at();
        writer.open_with(opening);
        writer.hand_over(&*self.shared.store, Durability::Buffered);
        writer.check()?;
        let run = Run::new(Arc::clone(&self.shared), id, pure, writer);
        if durability == Durability::Synced {
            run.sync().await?;
        }
        Ok(run)
    }

    /// Goes on with a run that did not end: its history, checked, and the run to record into.
    /// Nothing keeps another process from doing the same; of two writers, the store refuses the
    /// second.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and [`Error::RunClosed`](crate::Error::RunClosed) when it has
    /// ended.
    pub async fn resume(&self, run: RunId) -> Result<(Run, History)> {
        let history = self.read(run).await?;
        let writer = history.writer()?;
        let pure = is_pure_run(history.start());
        Ok((Run::new(Arc::clone(&self.shared), run, pure, writer), history))
    }

    /// Reads a run back and checks all of it: every hash, every place, the number of entries, and
    /// that the run's row says what its entries say.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Truncated`, `Edited`, `Reordered` or `Newer` of [`Error`](crate::Error), and
    /// when the store fails.
    pub async fn read(&self, run: RunId) -> Result<History> {
        History::read(&*self.shared.store, run).await
    }

    /// The same, page by page: for histories that should not be in memory at once.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::Error::NotFound), and when the store fails.
    pub async fn reader(&self, run: RunId) -> Result<Reader> {
        Reader::open(Arc::clone(&self.shared.store), run).await
    }

    /// Runs that pass the filter, newest first. A run that has not ended and is not held by this
    /// journal is listed as interrupted.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>> {
        // Open and interrupted are one state in a store: pages are read until enough of the wanted
        // kind are found.
        let mut page = filter.clone();
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
        if row.state == RunState::Open && !self.shared.holds(row.run) {
            row.state = RunState::Interrupted;
        }
        row
    }

    /// Adds the receipt of a closed run to the chain of receipts, as safe as the run's own journal.
    /// `sealer` is called once with the digest of the receipt before.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadySealed`](crate::Error::AlreadySealed), [`Error::Seal`](crate::Error::Seal)
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
