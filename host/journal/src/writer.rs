//! The end of a run that grows: encodes, hashes, and hands batches to the store. Nothing in here
//! waits.

use std::sync::Arc;

use bytes::BytesMut;
use longshore_model::{Clock, Event, RunId, Timestamp};
use tokio::sync::broadcast;

use crate::{
    Append, Chain, Durability, Ending, Entry, Error, Fence, MAX_ENTRY_BYTES, Opening, Record,
    Release, Result, Store, Subscription, Ticket, entry, subscription,
};

/// So many bytes, or so many records, are handed to the store without being asked for.
const SPILL_BYTES: usize = 64 << 10;
const SPILL_RECORDS: usize = 256;
/// Entries share allocations of this size.
const ARENA_BYTES: usize = 4 << 10;
/// An encoding buffer that grew larger than this is let go again.
const KEPT_SCRATCH_BYTES: usize = 64 << 10;

/// The growing end of a run, under its lock.
pub(crate) struct Writer {
    run: RunId,
    fence: Fence,
    /// The first entry, for subscribers.
    first: Option<Arc<Entry>>,
    chain: Chain,
    next: u64,
    last_at: Timestamp,
    limit: u64,
    scratch: Vec<u8>,
    arena: BytesMut,
    pending: Vec<Record>,
    pending_bytes: usize,
    opening: Option<Opening>,
    ending: Option<Ending>,
    taken: Option<u64>,
    release: Option<Release>,
    outstanding: Vec<Ticket>,
    /// Everything before this entry is in the store's hands.
    handed: u64,
    /// Everything before this entry is synced.
    synced: u64,
    failed: Option<Error>,
    listeners: Option<broadcast::Sender<Arc<Entry>>>,
    closed: bool,
}

impl Writer {
    /// The writer of a run that begins.
    pub(crate) fn new(run: RunId, limit: u64) -> Self {
        Self::after(run, Fence::FIRST, limit, None, Chain::new(), 0, Timestamp::default())
    }

    /// The writer of a run that goes on after `next` entries.
    pub(crate) fn after(
        run: RunId,
        fence: Fence,
        limit: u64,
        first: Option<Arc<Entry>>,
        chain: Chain,
        next: u64,
        last_at: Timestamp,
    ) -> Self {
        Self {
            run,
            fence,
            first,
            chain,
            next,
            last_at,
            limit,
            scratch: Vec::new(),
            arena: BytesMut::new(),
            pending: Vec::new(),
            pending_bytes: 0,
            opening: None,
            ending: None,
            taken: None,
            release: None,
            outstanding: Vec::new(),
            handed: next,
            synced: 0,
            failed: None,
            listeners: None,
            closed: false,
        }
    }

    pub(crate) fn open_with(&mut self, opening: Opening) {
        self.opening = Some(opening);
    }

    pub(crate) fn close_with(&mut self, ending: Ending) {
        self.ending = Some(ending);
        self.closed = true;
        self.listeners = None;
    }

    /// Lets go of the run: nothing more is recorded by this writer.
    pub(crate) fn release_with(&mut self, release: Release) {
        self.release = Some(release);
        self.closed = true;
        self.listeners = None;
    }

    /// Adds an event that stands for letters of the run: those before `taken` are in its history
    /// with it, in one step.
    pub(crate) fn push_taking(
        &mut self,
        clock: &dyn Clock,
        event: Event,
        taken: u64,
    ) -> Result<u64> {
        let seq = self.push(clock, event, false)?;
        self.taken = self.taken.max(Some(taken));
        Ok(seq)
    }

    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) const fn fence(&self) -> Fence {
        self.fence
    }

    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    pub(crate) const fn head(&self) -> longshore_reference::Digest {
        self.chain.head()
    }

    pub(crate) const fn last_at(&self) -> Timestamp {
        self.last_at
    }

    pub(crate) const fn synced(&self) -> u64 {
        self.synced
    }

    pub(crate) fn mark_synced(&mut self, next: u64) {
        self.synced = self.synced.max(next);
    }

    pub(crate) fn fail(&mut self, error: &Error) {
        self.failed.get_or_insert_with(|| error.clone());
    }

    /// Whether the run can go on.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Adds an event. The last place below the limit is kept for the end of the run (`last`).
    pub(crate) fn push(&mut self, clock: &dyn Clock, event: Event, last: bool) -> Result<u64> {
        self.check()?;
        if self.closed {
            return Err(Error::RunClosed(self.run));
        }
        if !last && self.next.saturating_add(1) >= self.limit {
            return Err(Error::EventLimit { run: self.run, limit: self.limit });
        }
        let (seq, at) = (self.next, clock.now().max(self.last_at));
        self.scratch.clear();
        entry::encode(&mut self.scratch, seq, at, &event)
            .map_err(|source| Error::Encode { run: self.run, source: Arc::new(source) })?;
        if self.scratch.len() > MAX_ENTRY_BYTES {
            let bytes = self.scratch.len() as u64;
            self.scratch = Vec::new();
            return Err(Error::EntryTooLarge { bytes, limit: MAX_ENTRY_BYTES as u64 });
        }
        let hash = self.chain.push(&self.scratch);
        let bytes = self.keep_scratch();
        self.pending_bytes += bytes.len();
        self.pending.push(Record { seq, at, bytes, hash });
        self.next = seq + 1;
        self.last_at = at;
        self.publish(Entry { seq, at, event });
        Ok(seq)
    }

    /// The encoded entry, in memory that it shares with its neighbours.
    fn keep_scratch(&mut self) -> bytes::Bytes {
        let length = self.scratch.len();
        if self.arena.capacity() < length {
            self.arena = BytesMut::with_capacity(ARENA_BYTES.max(length));
        }
        self.arena.extend_from_slice(&self.scratch);
        if self.scratch.capacity() > KEPT_SCRATCH_BYTES {
            self.scratch = Vec::new();
        }
        self.arena.split().freeze()
    }

    fn publish(&mut self, entry: Entry) {
        if entry.seq == 0 {
            self.first = Some(Arc::new(entry));
        } else if let Some(listeners) = &self.listeners
            && listeners.send(Arc::new(entry)).is_err()
        {
            // The last reader has gone.
            self.listeners = None;
        }
    }

    pub(crate) fn first(&self) -> Option<Arc<Entry>> {
        self.first.clone()
    }

    pub(crate) fn subscribe(&mut self) -> Option<Subscription> {
        let first = self.first.clone()?;
        if self.closed {
            return Some(Subscription::new(first, None));
        }
        let listeners =
            self.listeners.get_or_insert_with(|| broadcast::channel(subscription::BACKLOG).0);
        Some(Subscription::new(first, Some(listeners.subscribe())))
    }

    /// Whether enough has piled up to hand it on.
    pub(crate) const fn is_heavy(&self) -> bool {
        self.pending_bytes >= SPILL_BYTES || self.pending.len() >= SPILL_RECORDS
    }

    /// Hands everything that is pending to the store.
    pub(crate) fn hand_over(&mut self, store: &dyn Store, durability: Durability) {
        let records = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        let append = Append {
            run: self.run,
            next: self.handed,
            records,
            durability,
            fence: self.fence,
            opening: self.opening.take(),
            ending: self.ending.take(),
            taken: self.taken.take(),
            release: self.release.take(),
        };
        self.handed = self.next;
        self.outstanding.push(store.append(append));
        self.reap();
    }

    /// Whether something was recorded that the store does not have.
    pub(crate) const fn has_pending(&self) -> bool {
        !self.pending.is_empty() || self.taken.is_some() || self.release.is_some()
    }

    /// Drops tickets that were answered well, and remembers the first that was not.
    fn reap(&mut self) {
        let failed = &mut self.failed;
        self.outstanding.retain_mut(|ticket| match ticket.peek() {
            None => true,
            Some(Ok(())) => false,
            Some(Err(error)) => {
                failed.get_or_insert(error);
                false
            }
        });
    }

    pub(crate) fn take_outstanding(&mut self) -> Vec<Ticket> {
        std::mem::take(&mut self.outstanding)
    }
}
