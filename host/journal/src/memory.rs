//! The store that keeps everything in memory: for embedding, and as the model that other stores are
//! compared with.
//!
//! Bounded: of the runs that ended, it keeps the latest, and forgets the oldest first; open runs
//! are never forgotten.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use longshore_model::RunId;
use longshore_reference::Digest;

use crate::{
    Append, Durability, Error, MAX_PAGE_BYTES, Record, Result, RunFilter, RunState, RunSummary,
    Sealer, Store, StoredReceipt, Ticket,
};

/// A store without a disk. [`Durability::Synced`] is as good as [`Durability::Buffered`] here.
#[derive(Debug)]
pub struct MemoryStore {
    rows: Mutex<Rows>,
    keep: usize,
}

#[derive(Debug, Default)]
struct Rows {
    runs: HashMap<RunId, Row>,
    /// The order for listing.
    ids: BTreeMap<RunId, ()>,
    /// Ended runs, oldest first.
    ended: VecDeque<RunId>,
    receipts: VecDeque<StoredReceipt>,
    /// How many receipts there have been.
    sealed: u64,
    last_receipt: Option<Digest>,
}

#[derive(Debug)]
struct Row {
    summary: RunSummary,
    records: Vec<Record>,
    sealed: bool,
}

impl MemoryStore {
    /// A store that remembers the latest 1,024 ended runs and as many receipts.
    #[must_use]
    pub fn new() -> Self {
        Self::keeping(1_024)
    }

    /// A store that remembers the latest `runs` ended runs and as many receipts; at least one.
    #[must_use]
    pub fn keeping(runs: usize) -> Self {
        Self { rows: Mutex::default(), keep: runs.max(1) }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        // A panic in here would be a bug of ours, and the rows are changed last: they are still
        // whole.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Rows {
    fn append(&mut self, append: Append, keep: usize) -> Result<()> {
        let run = append.run;
        if let Some(opening) = append.opening.filter(|_| append.next == 0) {
            if let Some(row) = self.runs.get(&run) {
                let found = row.summary.entries;
                return Err(Error::Conflict { run, expected: append.next, found });
            }
            let summary = RunSummary {
                run,
                component: opening.component,
                reference: opening.reference,
                function: opening.function,
                started: opening.started,
                ended: None,
                state: RunState::Open,
                entries: 0,
                head: crate::GENESIS,
            };
            self.ids.insert(run, ());
            self.runs.insert(run, Row { summary, records: Vec::new(), sealed: false });
        }
        let row = self.runs.get_mut(&run).ok_or(Error::NotFound(run))?;
        if row.summary.state != RunState::Open {
            return if append.records.is_empty() { Ok(()) } else { Err(Error::RunClosed(run)) };
        }
        if row.summary.entries != append.next {
            let found = row.summary.entries;
            return Err(Error::Conflict { run, expected: append.next, found });
        }
        if let Some(last) = append.records.last() {
            row.summary.entries = last.seq + 1;
            row.summary.head = last.hash;
        }
        if row.records.is_empty() {
            row.records = append.records;
        } else {
            row.records.extend(append.records);
        }
        if let Some(ending) = append.ending {
            row.summary.state = ending.state;
            row.summary.ended = Some(ending.at);
            self.ended.push_back(run);
            self.forget(keep);
        }
        Ok(())
    }

    fn forget(&mut self, keep: usize) {
        while self.ended.len() > keep {
            if let Some(oldest) = self.ended.pop_front() {
                self.runs.remove(&oldest);
                self.ids.remove(&oldest);
            }
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn append(&self, append: Append) -> Ticket {
        Ticket::ready(self.rows().append(append, self.keep))
    }

    async fn load(&self, run: RunId, from: u64, max: usize) -> Result<Vec<Record>> {
        let rows = self.rows();
        let Some(row) = rows.runs.get(&run) else { return Ok(Vec::new()) };
        let start = row.records.partition_point(|record| record.seq < from);
        let mut bytes = 0;
        let page = row.records[start..].iter().take(max).take_while(|record| {
            let more = bytes < MAX_PAGE_BYTES;
            bytes += record.bytes.len();
            more
        });
        Ok(page.cloned().collect())
    }

    async fn summary(&self, run: RunId) -> Result<Option<RunSummary>> {
        Ok(self.rows().runs.get(&run).map(|row| row.summary.clone()))
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>> {
        let rows = self.rows();
        let state = filter.state.map(RunState::stored);
        let end = filter.before.map_or(Bound::Unbounded, Bound::Excluded);
        let newest_first = rows.ids.range((Bound::Unbounded, end)).rev();
        let summaries = newest_first.filter_map(|(run, ())| rows.runs.get(run));
        let wanted = summaries.filter(|row| state.is_none_or(|state| row.summary.state == state));
        Ok(wanted.take(filter.limit).map(|row| row.summary.clone()).collect())
    }

    async fn seal(
        &self,
        run: RunId,
        _durability: Durability,
        sealer: Sealer,
    ) -> Result<StoredReceipt> {
        let mut rows = self.rows();
        let (position, previous) = (rows.sealed, rows.last_receipt);
        let row = rows.runs.get_mut(&run).ok_or(Error::NotFound(run))?;
        if row.sealed {
            return Err(Error::AlreadySealed(run));
        }
        if row.summary.state == RunState::Open {
            return Err(Error::StillOpen(run));
        }
        let receipt =
            sealer(previous).map_err(|source| Error::Seal { run, source: source.into() })?;
        row.sealed = true;
        rows.sealed += 1;
        rows.last_receipt = Some(receipt.digest);
        let stored = StoredReceipt { position, run, previous, receipt };
        rows.receipts.push_back(stored.clone());
        if rows.receipts.len() > self.keep {
            rows.receipts.pop_front();
        }
        Ok(stored)
    }

    async fn receipt(&self, run: RunId) -> Result<Option<StoredReceipt>> {
        // The latest are asked for most.
        Ok(self.rows().receipts.iter().rev().find(|stored| stored.run == run).cloned())
    }

    async fn receipts(&self, position: u64, max: usize) -> Result<Vec<StoredReceipt>> {
        let rows = self.rows();
        let wanted = rows.receipts.iter().filter(|stored| stored.position >= position);
        Ok(wanted.take(max).cloned().collect())
    }
}
