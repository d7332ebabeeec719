//! Reading a run back. Nothing is believed: every hash is computed again, and every row compared
//! with its entry.

use std::collections::VecDeque;
use std::sync::Arc;

use longshore_model::{Ask, Continue, Event, RunEnded, RunId, RunStarted, Timestamp};
use longshore_reference::Digest;

use crate::writer::Writer;
use crate::{Chain, Entry, Error, Fence, Record, Result, RunState, RunSummary, Store};

/// Entries read from the store at once.
pub(crate) const PAGE: usize = 1_000;

/// A checked history: every entry of a run, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    summary: RunSummary,
    /// Never empty; the first is a `RunStarted`.
    entries: Vec<Entry>,
}

impl History {
    pub(crate) async fn read(store: &dyn Store, run: RunId) -> Result<Self> {
        let (summary, records) = store.first_page(run, PAGE).await?.ok_or(Error::NotFound(run))?;
        Self::check(store, summary, records).await
    }

    /// The history that begins with `records`; what lacks is read.
    pub(crate) async fn check(
        store: &dyn Store,
        summary: RunSummary,
        records: Vec<Record>,
    ) -> Result<Self> {
        let mut checker = Checker::new(summary);
        let mut entries = Vec::new();
        if checker.summary.entries > 0 {
            entries = checker.records(records)?;
        }
        while let Some(page) = checker.page(store).await? {
            entries.extend(page);
        }
        Ok(Self { summary: checker.summary, entries })
    }

    /// The run.
    #[must_use]
    pub const fn run(&self) -> RunId {
        self.summary.run
    }

    /// The hash of the last entry.
    #[must_use]
    pub const fn head(&self) -> Digest {
        self.summary.head
    }

    /// The run's row; it says what the entries say.
    #[must_use]
    pub const fn summary(&self) -> &RunSummary {
        &self.summary
    }

    /// The entries, from 0.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries, taken out.
    #[must_use]
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// Entry 0.
    #[must_use]
    pub fn start(&self) -> &RunStarted {
        match &self.entries[0].event {
            Event::RunStarted(start) => start,
            other => unreachable!("the checker lets no other entry 0 pass: {other:?}"),
        }
    }

    /// Entry 0 with what is in force now: where the run was moved, the component and the grant that it goes on with.
    #[must_use]
    pub fn in_force(&self) -> RunStarted {
        in_force(&self.entries).unwrap_or_else(|| self.start().clone())
    }

    /// The last entry, if the run has ended.
    #[must_use]
    pub fn end(&self) -> Option<&RunEnded> {
        match &self.entries.last()?.event {
            Event::RunEnded(end) => Some(end),
            _ => None,
        }
    }

    /// As which run it goes on, or is about to.
    #[must_use]
    pub fn continued(&self) -> Option<&Continue> {
        // One that was to go on, and was stopped on its way there, does not.
        if self.end().is_some_and(|end| !end.outcome.is_ok()) {
            return None;
        }
        self.entries.iter().rev().find_map(|entry| continues_as(&entry.event))
    }

    /// The end that grows.
    pub(crate) fn writer(&self, fence: Fence) -> Result<Writer> {
        if self.end().is_some() {
            return Err(Error::RunClosed(self.run()));
        }
        let first = Some(Arc::new(self.entries[0].clone()));
        let last_at = self.entries.last().map_or_else(Timestamp::default, |entry| entry.at);
        let limit = self.start().grant.limits.events;
        let chain = Chain::after(self.head());
        Ok(Writer::after(self.run(), fence, limit, first, chain, self.summary.entries, last_at))
    }
}

/// [`History::in_force`] of entries; nothing, when they do not begin with the start of a run.
#[must_use]
pub fn in_force(entries: &[Entry]) -> Option<RunStarted> {
    let Some(Event::RunStarted(start)) = entries.first().map(|entry| &entry.event) else {
        return None;
    };
    let moved = entries.iter().rev().find_map(|entry| match &entry.event {
        Event::RunMoved(moved) => Some(moved),
        _ => None,
    });
    let start = RunStarted::clone(start);
    Some(match moved {
        Some(moved) => start.moved(moved),
        None => start,
    })
}

/// As which run the run goes on that records `event`: nothing but the end of that run stands between.
fn continues_as(event: &Event) -> Option<&Continue> {
    match event {
        Event::Asked(asked) => match &asked.what {
            Ask::Continue(next) => Some(next),
            _ => None,
        },
        _ => None,
    }
}

/// A history that is read and checked page by page.
pub struct Reader {
    store: Arc<dyn Store>,
    checker: Checker,
    ready: VecDeque<Entry>,
}

impl Reader {
    pub(crate) async fn open(store: Arc<dyn Store>, run: RunId) -> Result<Self> {
        let summary = store.summary(run).await?.ok_or(Error::NotFound(run))?;
        Ok(Self { store, checker: Checker::new(summary), ready: VecDeque::new() })
    }

    /// The run's row as it stood when the reader was opened.
    #[must_use]
    pub const fn summary(&self) -> &RunSummary {
        &self.checker.summary
    }

    /// The next entry; none after the last, and only then is the whole history known to be good.
    ///
    /// # Errors
    ///
    /// As [`Journal::read`](crate::Journal::read).
    pub async fn next(&mut self) -> Result<Option<Entry>> {
        if self.ready.is_empty() {
            match self.checker.page(&*self.store).await? {
                Some(page) => self.ready = page.into(),
                None => return Ok(None),
            }
        }
        Ok(self.ready.pop_front())
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("run", &self.checker.summary.run).finish_non_exhaustive()
    }
}

/// Follows the chain through the records of a run.
struct Checker {
    summary: RunSummary,
    chain: Chain,
    next: u64,
    last_at: Timestamp,
    host: Option<String>,
    /// Whether it was to go on as a new run.
    continued: bool,
    ended: bool,
}

impl Checker {
    const fn new(summary: RunSummary) -> Self {
        let last_at = Timestamp::from_unix_us(0);
        Self {
            summary,
            chain: Chain::new(),
            next: 0,
            last_at,
            host: None,
            continued: false,
            ended: false,
        }
    }

    /// The next page, checked; none once the whole history has been.
    async fn page(&mut self, store: &dyn Store) -> Result<Option<Vec<Entry>>> {
        let (run, entries) = (self.summary.run, self.summary.entries);
        if self.next == entries {
            self.finish()?;
            return Ok(None);
        }
        self.records(store.load(run, self.next, PAGE).await?).map(Some)
    }

    /// Checks what a store gave back from the next entry on.
    fn records(&mut self, records: Vec<Record>) -> Result<Vec<Entry>> {
        let (run, entries) = (self.summary.run, self.summary.entries);
        if records.is_empty() {
            return Err(Error::Truncated { run, missing: self.next, entries });
        }
        // Entries that were added after the row was read belong to a later reading.
        let wanted = usize::try_from(entries - self.next).unwrap_or(usize::MAX);
        records.iter().take(wanted).map(|record| self.check(record)).collect()
    }

    fn edited(&self, what: impl Into<String>) -> Error {
        Error::Edited { run: self.summary.run, what: what.into() }
    }

    fn check(&mut self, record: &Record) -> Result<Entry> {
        let (run, seq, entries) = (self.summary.run, self.next, self.summary.entries);
        if record.seq != seq {
            return Err(Error::Truncated { run, missing: seq, entries });
        }
        if self.chain.push(&record.bytes) != record.hash {
            return Err(match record.decode() {
                Ok(entry) if entry.seq != seq && entry.seq < entries => {
                    Error::Reordered { run, seq, found: entry.seq }
                }
                _ => self.edited(format!("entry {seq}")),
            });
        }
        let entry = record.decode().map_err(|source| Error::Newer {
            run,
            seq,
            host: self.host.clone(),
            source: Arc::new(source),
        })?;
        if entry.seq != seq {
            return Err(Error::Reordered { run, seq, found: entry.seq });
        }
        if entry.at != record.at || entry.at < self.last_at || self.ended {
            return Err(self.edited(format!("entry {seq}")));
        }
        self.last_at = entry.at;
        self.compare(&entry)?;
        self.next += 1;
        Ok(entry)
    }

    /// What the row says of an entry must be what the entry says.
    fn compare(&mut self, entry: &Entry) -> Result<()> {
        let row = &self.summary;
        let agrees = match &entry.event {
            Event::RunStarted(start) => {
                self.host = Some(start.host.clone());
                entry.seq == 0
                    && start.run == row.run
                    && start.component.digest == row.component
                    && start.component.reference == row.reference
                    && start.function == row.function
                    && entry.at == row.started
            }
            Event::RunEnded(end) => {
                self.ended = true;
                let continued = self.continued && end.outcome.is_ok();
                let state = RunState::ended(&end.outcome, continued);
                row.state == state && row.ended == Some(entry.at)
            }
            event => {
                self.continued |= continues_as(event).is_some();
                entry.seq > 0
            }
        };
        if agrees { Ok(()) } else { Err(self.edited("the run's row")) }
    }

    fn finish(&self) -> Result<()> {
        let (run, entries) = (self.summary.run, self.summary.entries);
        let open = self.summary.state.stored() == RunState::Open;
        if entries == 0 || (!self.ended && !open) {
            return Err(Error::Truncated { run, missing: entries, entries });
        }
        if self.chain.head() != self.summary.head || (open && self.summary.ended.is_some()) {
            return Err(self.edited("the run's row"));
        }
        Ok(())
    }
}
