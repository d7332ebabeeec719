//! Appends that are written together: many runs in one statement, which is one transaction and, where
//! anybody asked for it, one sync of the server's log.

use std::collections::{HashMap, HashSet};

use longshore_journal::{Append, Durability, Error, Fence, GENESIS, Standing};
use longshore_model::RunId;
use longshore_reference::Digest;
use tokio_postgres::types::ToSql;

use crate::fault::Fail;
use crate::queue::{Waiting, bytes_of};
use crate::rows::{id, number, run_id, unsigned};
use crate::session::{CHANNEL, Session};

/// So many runs, or so many bytes, and a group is full.
const MAX_RUNS: usize = 512;
const MAX_BYTES: usize = 8 << 20;

/// Appends that are written together: one slot a run.
#[derive(Default)]
pub(crate) struct Group {
    slots: Vec<Slot>,
    places: HashMap<RunId, usize>,
    bytes: usize,
    /// Those that only wait for what comes before them.
    pub(crate) barriers: Vec<Waiting>,
}

/// Appends to one run that follow each other.
pub(crate) struct Slot {
    pub(crate) parts: Vec<Waiting>,
    /// All of them as one.
    pub(crate) whole: Append,
}

impl Slot {
    pub(crate) fn new(waiting: Waiting) -> Self {
        let whole = waiting.append.clone();
        Self { parts: vec![waiting], whole }
    }

    /// Whether `append` goes on where this ends.
    fn leads_to(&self, append: &Append) -> bool {
        let whole = &self.whole;
        !append.opens()
            && whole.ending.is_none()
            && whole.release.is_none()
            && whole.fence == append.fence
            && whole.end() == append.next
    }

    fn add(&mut self, waiting: Waiting) {
        let (append, whole) = (&waiting.append, &mut self.whole);
        whole.records.extend(append.records.iter().cloned());
        whole.durability = whole.durability.max(append.durability);
        whole.ending = append.ending;
        whole.release = append.release;
        whole.taken = whole.taken.max(append.taken);
        self.parts.push(waiting);
    }
}

impl Group {
    /// Adds an append; gives it back when it belongs to the next group.
    pub(crate) fn add(&mut self, waiting: Waiting) -> Option<Waiting> {
        if waiting.append.is_barrier() {
            self.barriers.push(waiting);
            return None;
        }
        let bytes = bytes_of(&waiting.append);
        if !self.slots.is_empty() && self.bytes + bytes > MAX_BYTES {
            return Some(waiting);
        }
        let run = waiting.append.run;
        let full = self.slots.len() >= MAX_RUNS;
        match self.places.get(&run).copied().and_then(|place| self.slots.get_mut(place)) {
            Some(slot) if slot.leads_to(&waiting.append) => slot.add(waiting),
            None if !full => {
                self.places.insert(run, self.slots.len());
                self.slots.push(Slot::new(waiting));
            }
            _ => return Some(waiting),
        }
        self.bytes += bytes;
        None
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.barriers.is_empty()
    }

    pub(crate) fn wants_sync(&self) -> bool {
        let synced = |append: &Append| append.durability == Durability::Synced;
        self.slots.iter().any(|slot| synced(&slot.whole))
            || self.barriers.iter().any(|waiting| synced(&waiting.append))
    }

    pub(crate) fn take(self) -> (Vec<Slot>, Vec<Waiting>) {
        (self.slots, self.barriers)
    }
}

/// Writes the slots in one statement. Tells which runs it fitted; the others are as they were.
pub(crate) async fn write(
    session: &Session,
    slots: &[Slot],
    synced: bool,
) -> Result<HashSet<RunId>, Fail> {
    let input = Input::of(slots);
    let mode = if synced { "on" } else { "off" };
    let mut params = input.params();
    params.extend([&mode as &(dyn ToSql + Sync), &CHANNEL]);
    let rows = session.query(include_str!("group/write.sql"), &params).await?;
    rows.iter().map(|row| run_id(row, 0)).collect()
}

/// Brings to the server's disk what was committed without waiting for it: a record of nothing, whose
/// commit is waited for.
pub(crate) async fn barrier(session: &Session) -> Result<(), Fail> {
    session.query("SELECT pg_logical_emit_message(true, 'longshore', '')", &[]).await.map(drop)
}

/// The slots as columns.
#[derive(Default)]
struct Input<'s> {
    run: Vec<&'s [u8]>,
    opens: Vec<bool>,
    next: Vec<i64>,
    end: Vec<i64>,
    fence: Vec<i64>,
    head: Vec<Option<&'s [u8]>>,
    state: Vec<Option<&'s str>>,
    ended: Vec<Option<i64>>,
    taken: Vec<Option<i64>>,
    frees: Vec<bool>,
    tells: Vec<bool>,
    waits_on: Vec<Option<&'s str>>,
    wake_at: Vec<Option<i64>>,
    component: Vec<Option<&'s [u8]>>,
    reference: Vec<Option<&'s str>>,
    function: Vec<Option<&'s str>>,
    started: Vec<Option<i64>>,
    host: Vec<Option<&'s [u8]>>,
    held_until: Vec<Option<i64>>,
    entry_run: Vec<&'s [u8]>,
    entry_seq: Vec<i64>,
    entry_at: Vec<i64>,
    entry_hash: Vec<&'s [u8]>,
    entry_bytes: Vec<&'s [u8]>,
}

impl<'s> Input<'s> {
    fn of(slots: &'s [Slot]) -> Self {
        let mut input = Self::default();
        slots.iter().for_each(|slot| input.add(&slot.whole));
        input
    }

    fn add(&mut self, append: &'s Append) {
        let opening = append.opening.as_ref().filter(|_| append.opens());
        let waiting = append.release.and_then(|release| release.waiting);
        let last = append.records.last().map(|last| last.hash.as_bytes().as_slice());
        let frees = append.ending.is_some() || append.release.is_some();
        let lease = opening.and_then(|opening| opening.lease.as_ref()).filter(|_| !frees);
        self.run.push(id(&append.run));
        self.opens.push(opening.is_some());
        self.next.push(number(append.next));
        self.end.push(number(append.end()));
        self.fence.push(number(append.fence.0));
        self.head.push(last);
        self.state.push(append.ending.map(|ending| ending.state.as_str()));
        self.ended.push(append.ending.map(|ending| number(ending.at.unix_us())));
        self.taken.push(append.taken.map(number));
        self.frees.push(frees);
        self.tells.push(append.frees());
        self.waits_on.push(waiting.map(|waiting| waiting.on.as_str()));
        let wake_at = waiting.and_then(|waiting| waiting.wake_at);
        self.wake_at.push(wake_at.map(|at| number(at.unix_us())));
        self.component.push(opening.map(|opening| opening.component.as_bytes().as_slice()));
        self.reference.push(opening.map(|opening| opening.reference.as_str()));
        self.function.push(opening.map(|opening| opening.function.as_str()));
        self.started.push(opening.map(|opening| number(opening.started.unix_us())));
        self.host.push(lease.map(|lease| lease.host.as_bytes().as_slice()));
        self.held_until.push(lease.map(|lease| number(lease.until.unix_us())));
        for record in &append.records {
            self.entry_run.push(id(&append.run));
            self.entry_seq.push(number(record.seq));
            self.entry_at.push(number(record.at.unix_us()));
            self.entry_hash.push(record.hash.as_bytes());
            self.entry_bytes.push(&record.bytes);
        }
    }

    /// In the order of the statement's parameters.
    fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![
            &self.run,
            &self.opens,
            &self.next,
            &self.end,
            &self.fence,
            &self.head,
            &self.state,
            &self.ended,
            &self.taken,
            &self.frees,
            &self.tells,
            &self.waits_on,
            &self.wake_at,
            &self.component,
            &self.reference,
            &self.function,
            &self.started,
            &self.host,
            &self.held_until,
            &self.entry_run,
            &self.entry_seq,
            &self.entry_at,
            &self.entry_hash,
            &self.entry_bytes,
        ]
    }
}

/// Why an append did not fit. When it may have been written before, by an attempt whose answer was
/// lost, the chain tells: an entry with its last hash is this very append.
pub(crate) async fn misfit(
    session: &Session,
    append: &Append,
    resent: bool,
) -> Result<Result<(), Error>, Fail> {
    let row = session
        .query_opt(
            "SELECT r.entries, r.state = 'open', r.fence, e.hash
             FROM longshore.runs r LEFT JOIN longshore.entries e ON e.run = r.id AND e.seq = $2
             WHERE r.id = $1",
            &[&id(&append.run), &number(append.end()).saturating_sub(1)],
        )
        .await?;
    let mut found = None;
    if let Some(row) = &row {
        let (entries, fence) = (unsigned(row, 0)?, Fence(unsigned(row, 2)?));
        found = Some(Standing { entries, open: row.try_get(1)?, fence });
        let kept: Option<&[u8]> = row.try_get(3)?;
        let last = append.records.last().map(|last| last.hash).unwrap_or(GENESIS);
        if resent && is_there(append, kept, &last) {
            return Ok(Ok(()));
        }
    }
    let unexplained = || Error::Conflict {
        run: append.run,
        expected: append.next,
        found: found.map_or(0, |row| row.entries),
    };
    Ok(Err(Standing::refusal(found, append).unwrap_or_else(unexplained)))
}

/// Whether an append that was sent before has been written. Without records it lets go of the run
/// or takes letters; a run that nobody holds with this fence any more was let go of, or was taken.
fn is_there(append: &Append, kept: Option<&[u8]>, last: &Digest) -> bool {
    if append.records.is_empty() {
        return append.release.is_some();
    }
    kept == Some(last.as_bytes().as_slice())
}
