//! The store that keeps everything in memory: for embedding, and as the model that other stores are
//! compared with.
//!
//! Bounded: of the runs that ended, it keeps the latest, and forgets the oldest first; open runs
//! are never forgotten.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use longshore_model::{RunId, Timestamp};
use longshore_reference::Digest;

use crate::{
    Append, Bell, Claim, Durability, Error, Fence, GENESIS, Letter, MAX_PAGE_BYTES, Opening,
    Posted, Record, Result, RunFilter, RunState, RunSummary, Sealer, Standing, Store,
    StoredReceipt, Ticket, Wake, Wakes,
};

/// A store without a disk. [`Durability::Synced`] is as good as [`Durability::Buffered`] here.
#[derive(Debug)]
pub struct MemoryStore {
    rows: Mutex<Rows>,
    keep: usize,
    bell: Bell,
}

#[derive(Debug, Default)]
struct Rows {
    runs: HashMap<RunId, Row>,
    /// The order for listing.
    ids: BTreeMap<RunId, ()>,
    /// Runs that can be taken, by when.
    due: BTreeSet<(Timestamp, RunId)>,
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
    /// Letters that were not taken, by their place.
    letters: BTreeMap<u64, Letter>,
    /// The places of all letters there were.
    senders: HashMap<[u8; 16], u64>,
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
        Self { rows: Mutex::default(), keep: runs.max(1), bell: Bell::new() }
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

impl Row {
    fn new(run: RunId, opening: Opening, fence: Fence) -> Self {
        let summary = RunSummary {
            run,
            component: opening.component,
            reference: opening.reference,
            function: opening.function,
            started: opening.started,
            ended: None,
            state: RunState::Open,
            entries: 0,
            head: GENESIS,
            fence,
            lease: opening.lease,
            waiting: None,
            posted: 0,
            taken: 0,
        };
        let (letters, senders) = Default::default();
        Self { summary, records: Vec::new(), sealed: false, letters, senders }
    }

    const fn standing(&self) -> Standing {
        let RunSummary { entries, state, fence, .. } = self.summary;
        Standing { entries, open: matches!(state, RunState::Open), fence }
    }
}

impl Rows {
    fn append(&mut self, mut append: Append, keep: usize) -> Result<()> {
        let run = append.run;
        let found = self.runs.get(&run).map(Row::standing);
        if append.is_barrier() && found.is_some() {
            return Ok(());
        }
        if let Some(error) = Standing::refusal(found, &append) {
            return Err(error);
        }
        let end = append.end();
        if let Some(opening) = append.opening.take() {
            self.ids.insert(run, ());
            self.runs.insert(run, Row::new(run, opening, append.fence));
            self.index(run, None);
        }
        let Some(row) = self.runs.get_mut(&run) else { return Err(Error::NotFound(run)) };
        let before = row.summary.due();
        row.summary.entries = end;
        if let Some(last) = append.records.last() {
            row.summary.head = last.hash;
        }
        if row.records.is_empty() {
            row.records = append.records;
        } else {
            row.records.extend(append.records);
        }
        if let Some(taken) = append.taken {
            row.summary.taken = taken;
            row.letters = row.letters.split_off(&taken);
        }
        if let Some(release) = append.release {
            row.summary.lease = None;
            row.summary.waiting = release.waiting;
        }
        if let Some(ending) = append.ending {
            row.summary.state = ending.state;
            row.summary.ended = Some(ending.at);
            row.summary.lease = None;
            if ending.state != RunState::Continued {
                row.letters.clear();
            }
        }
        self.index(run, before);
        if append.ending.is_some() {
            self.ended.push_back(run);
            self.forget(keep);
        }
        Ok(())
    }

    /// Brings the index up to date after a run's row has changed.
    fn index(&mut self, run: RunId, before: Option<Timestamp>) {
        let now = self.runs.get(&run).and_then(|row| row.summary.due());
        if before != now {
            before.map(|due| self.due.remove(&(due, run)));
            now.map(|due| self.due.insert((due, run)));
        }
    }

    /// Changes a run's row, and the index with it.
    fn change<T>(&mut self, run: RunId, change: impl FnOnce(&mut Row) -> T) -> Option<T> {
        let row = self.runs.get_mut(&run)?;
        let before = row.summary.due();
        let result = change(row);
        self.index(run, before);
        Some(result)
    }

    fn due_by(&self, now: Timestamp) -> impl Iterator<Item = &RunSummary> {
        let last = (now, RunId::from_bytes([0xff; 16]));
        self.due.range(..=last).filter_map(|(_, run)| Some(&self.runs.get(run)?.summary))
    }

    fn claim(&mut self, claim: &Claim) -> Vec<RunSummary> {
        let wanted: Vec<RunId> = match claim.only {
            Some(run) => {
                let row = self.runs.get(&run).filter(|row| row.summary.yields_to(claim));
                row.map(|row| row.summary.run).into_iter().collect()
            }
            None => self.due_by(claim.now).take(claim.limit).map(|row| row.run).collect(),
        };
        let take = |row: &mut Row| {
            row.summary.fence = row.summary.fence.next();
            row.summary.lease = Some(claim.lease);
            row.summary.waiting = None;
            row.summary.clone()
        };
        wanted.into_iter().filter_map(|run| self.change(run, take)).collect()
    }

    fn post(&mut self, letter: Letter) -> Result<u64> {
        let (run, row) = (letter.run, self.runs.get(&letter.run));
        if let Some(seq) = row.and_then(|row| row.senders.get(&letter.id)) {
            return Ok(*seq);
        }
        if let Some(error) = letter.refusal(row.map(|row| &row.summary)) {
            return Err(error);
        }
        let keep = |row: &mut Row| {
            let seq = row.summary.posted;
            row.summary.posted += 1;
            row.senders.insert(letter.id, seq);
            row.letters.insert(seq, letter);
            seq
        };
        self.change(run, keep).ok_or(Error::NotFound(run))
    }

    fn remove(&mut self, run: RunId) -> bool {
        let ended = self.runs.get(&run).is_some_and(|row| row.summary.state != RunState::Open);
        if ended {
            self.runs.remove(&run);
            self.ids.remove(&run);
        }
        ended
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
        let (run, free) = (append.run, append.frees());
        let result = self.rows().append(append, self.keep);
        if free && result.is_ok() {
            self.bell.ring(Wake::Run(run));
        }
        Ticket::ready(result)
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
        let end = filter.before.map_or(Bound::Unbounded, Bound::Excluded);
        let newest_first = rows.ids.range((Bound::Unbounded, end)).rev();
        let summaries = newest_first.filter_map(|(run, ())| Some(&rows.runs.get(run)?.summary));
        let wanted = summaries.filter(|row| filter.admits(row));
        Ok(wanted.take(filter.limit).cloned().collect())
    }

    async fn claimable(&self, now: Timestamp, limit: usize) -> Result<Vec<RunSummary>> {
        Ok(self.rows().due_by(now).take(limit).cloned().collect())
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<RunSummary>> {
        Ok(self.rows().claim(claim))
    }

    async fn renew(&self, held: &[(RunId, Fence)], until: Timestamp) -> Result<Vec<RunId>> {
        let mut rows = self.rows();
        let mut renewed = Vec::new();
        for (run, fence) in held {
            let prolong = |row: &mut Row| match &mut row.summary.lease {
                Some(lease) if row.summary.fence == *fence => {
                    lease.until = lease.until.max(until);
                    true
                }
                _ => false,
            };
            if rows.change(*run, prolong) == Some(true) {
                renewed.push(*run);
            }
        }
        Ok(renewed)
    }

    async fn due(&self) -> Result<Option<Timestamp>> {
        Ok(self.rows().due.first().map(|(due, _)| *due))
    }

    async fn post(&self, letter: Letter) -> Result<u64> {
        let run = letter.run;
        let seq = self.rows().post(letter)?;
        self.bell.ring(Wake::Run(run));
        Ok(seq)
    }

    async fn letters(&self, run: RunId, max: usize) -> Result<Vec<Posted>> {
        let rows = self.rows();
        let Some(row) = rows.runs.get(&run) else { return Ok(Vec::new()) };
        let mut bytes = 0;
        let page = row.letters.iter().take(max).take_while(|(_, letter)| {
            let more = bytes < MAX_PAGE_BYTES;
            bytes += letter.bytes.len();
            more
        });
        Ok(page.map(|(seq, letter)| Posted { seq: *seq, letter: letter.clone() }).collect())
    }

    fn wakes(&self) -> Wakes {
        self.bell.listen()
    }

    async fn remove(&self, runs: &[RunId]) -> Result<Vec<RunId>> {
        let mut rows = self.rows();
        let gone: Vec<RunId> = runs.iter().copied().filter(|run| rows.remove(*run)).collect();
        if !gone.is_empty() {
            let removed: HashSet<&RunId> = gone.iter().collect();
            rows.ended.retain(|run| !removed.contains(run));
        }
        Ok(gone)
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
