//! A run that is being recorded.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longshore_model::{Event, RunEnded, RunId, Timestamp};
use longshore_reference::Digest;
use tokio::sync::Mutex as AsyncMutex;

use crate::journal::Shared;
use crate::writer::Writer;
use crate::{
    Durability, Ending, Entry, Error, Fence, History, Posted, Release, Result, RunState,
    Subscription, Ticket, Waiting, history,
};

/// A run that is being recorded. Clones record into the same run.
///
/// Dropped without [`close`](Self::close), what was recorded goes to the store and the run stays
/// open.
#[derive(Clone)]
pub struct Run(Arc<Inner>);

struct Inner {
    id: RunId,
    fence: Fence,
    pure: bool,
    shared: Arc<Shared>,
    writer: Mutex<Writer>,
    /// Tickets that somebody waits for. Held while waiting: who comes second finds it done, or does
    /// all that piled up meanwhile in one go.
    flush: AsyncMutex<VecDeque<Ticket>>,
}

/// A run that has ended: what its receipt is computed from.
#[derive(Clone)]
pub struct Closed {
    /// The run.
    pub run: RunId,
    /// The hash of the last entry: it stands for the whole history.
    pub head: Digest,
    /// How many entries there are.
    pub entries: u64,
    /// The time of the last entry.
    pub ended: Timestamp,
    /// How safe the journal is, and the receipt should be.
    pub durability: Durability,
    pub(crate) shared: Arc<Shared>,
}

impl Run {
    pub(crate) fn new(shared: Arc<Shared>, id: RunId, pure: bool, writer: Writer) -> Self {
        let fence = writer.fence();
        shared.hold(id, fence);
        let flush = AsyncMutex::default();
        Self(Arc::new(Inner { id, fence, pure, shared, writer: Mutex::new(writer), flush }))
    }

    /// The run's id.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.0.id
    }

    /// Whether everything in the run can be recomputed: see [`is_pure_run`](crate::is_pure_run).
    #[must_use]
    pub fn is_pure(&self) -> bool {
        self.0.pure
    }

    /// Adds an event to the run and returns its place. Costs no disk and no waiting: it becomes
    /// durable with the next [`sync`](Self::sync).
    ///
    /// # Errors
    ///
    /// [`Error::EventLimit`] when the run's budget of events is used up, [`Error::RunClosed`] after
    /// its end, [`Error::Reserved`] for the events that open and close a run, and the first failure
    /// of the store once there was one.
    pub fn record(&self, event: Event) -> Result<u64> {
        self.record_at(event).map(|(seq, _)| seq)
    }

    /// [`record`](Self::record), with the time that the entry was given.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn record_at(&self, event: Event) -> Result<(u64, Timestamp)> {
        match event {
            Event::RunStarted(_) => return Err(Error::Reserved("run-started")),
            Event::RunEnded(_) => return Err(Error::Reserved("run-ended")),
            _ => {}
        }
        let mut writer = self.0.writer();
        let seq = writer.push(&*self.0.shared.clock, event, false)?;
        let at = writer.last_at();
        if writer.is_heavy() {
            writer.hand_over(&*self.0.shared.store, Durability::Buffered);
        }
        Ok((seq, at))
    }

    /// The time now, by the journal's clock; never before the last entry.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.shared.clock.now().max(self.0.writer().last_at())
    }

    /// Whether the store failed: nothing more is recorded here, and the run goes on elsewhere or later.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.0.writer().check().is_err()
    }

    /// Waits until the store has everything recorded so far, on disk or not: what another run appends from then on is never kept
    /// without it.
    ///
    /// # Errors
    ///
    /// When the store fails; the run cannot go on then.
    pub async fn hand_over(&self) -> Result<()> {
        self.flush(Durability::Buffered).await
    }

    /// Waits until everything recorded so far is on disk. Callers that come together share one
    /// sync, and the store shares it among runs.
    ///
    /// # Errors
    ///
    /// When the store fails; the run cannot go on then.
    pub async fn sync(&self) -> Result<()> {
        self.flush(Durability::Synced).await
    }

    /// [`record`](Self::record) and, where [`durability_of`](crate::durability_of) says so,
    /// [`sync`](Self::sync): what must precede an effect.
    ///
    /// # Errors
    ///
    /// As those two.
    pub async fn record_durably(&self, event: Event) -> Result<u64> {
        let durability = crate::durability_of(&event);
        let seq = self.record(event)?;
        if durability == Durability::Synced {
            self.sync().await?;
        }
        Ok(seq)
    }

    /// [`record`](Self::record) and [`sync`](Self::sync), whatever the event is.
    ///
    /// # Errors
    ///
    /// As those two.
    pub async fn record_synced(&self, event: Event) -> Result<u64> {
        let seq = self.record(event)?;
        self.sync().await?;
        Ok(seq)
    }

    /// The letters to the run that are not in its history, in order, at most `max`.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn letters(&self, max: usize) -> Result<Vec<Posted>> {
        self.0.shared.store.letters(self.0.id, max).await
    }

    /// Records the event that stands for a letter, and takes the letter, in one step: it is in the
    /// history once, whatever happens. Letters are taken in their order; those before this one are
    /// taken with it.
    ///
    /// # Errors
    ///
    /// As [`record`](Self::record).
    pub fn record_letter(&self, event: Event, seq: u64) -> Result<u64> {
        self.record_letter_at(event, seq).map(|(seq, _)| seq)
    }

    /// [`record_letter`](Self::record_letter), with the time that the entry was given.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn record_letter_at(&self, event: Event, seq: u64) -> Result<(u64, Timestamp)> {
        let taken = seq.saturating_add(1);
        let mut writer = self.0.writer();
        let seq = writer.push_taking(&*self.0.shared.clock, event, taken)?;
        Ok((seq, writer.last_at()))
    }

    /// Lets go of the run until what it waits for has come, or for anybody to take at once where it
    /// waits for nothing. Everything recorded so far is on disk then, unless the whole run is pure.
    /// A letter that has come meanwhile makes the run claimable at once.
    ///
    /// # Errors
    ///
    /// [`Error::RunClosed`] when it was let go of or has ended, and when the store fails.
    pub async fn release(&self, waiting: Option<Waiting>) -> Result<()> {
        {
            let mut writer = self.0.writer();
            writer.check()?;
            if writer.is_closed() {
                return Err(Error::RunClosed(self.0.id));
            }
            writer.release_with(Release { waiting });
        }
        let durability = if self.0.pure { Durability::Buffered } else { Durability::Synced };
        self.flush(durability).await?;
        self.0.shared.release(self.0.id, self.0.fence);
        Ok(())
    }

    /// Entry 0, as a history that has no more: of a run that was opened a moment ago.
    #[must_use]
    pub fn first(&self) -> Vec<Entry> {
        self.0.writer().first().into_iter().map(|entry| (*entry).clone()).collect()
    }

    /// Watches the run: entry 0, then what is recorded from now on. Costs the run nothing when
    /// nobody watches, and never holds it up.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        // `Journal` records entry 0 before anyone has the run.
        self.0.writer().subscribe().unwrap_or_else(|| unreachable!("a run begins with entry 0"))
    }

    /// Ends the run. It is synced, unless the whole run is pure.
    ///
    /// # Errors
    ///
    /// [`Error::RunClosed`] the second time, and when the store fails: the run is then not closed.
    pub async fn close(&self, ended: RunEnded) -> Result<Closed> {
        let closing = self.end(ended, false)?;
        self.flush(closing.durability).await?;
        self.0.shared.release(self.0.id, self.0.fence);
        Ok(closing)
    }

    /// Ends the run as one that goes on as a new one. Letters that it has not taken stay, to be handed on.
    ///
    /// # Errors
    ///
    /// As [`close_and_read`](Self::close_and_read).
    pub async fn close_as_continued(&self, ended: RunEnded) -> Result<(Closed, History)> {
        let closed = self.end(ended, true)?;
        self.flush(Durability::Synced).await?;
        self.0.shared.release(self.0.id, self.0.fence);
        let history = closed.history().await?;
        Ok((closed, history))
    }

    /// How many entries there are, and the hash of the last.
    #[must_use]
    pub fn head(&self) -> (u64, Digest) {
        let writer = self.0.writer();
        (writer.next(), writer.head())
    }

    /// [`close`](Self::close) and [`Closed::history`] in one breath: the store reads the run back
    /// right after it has kept its end, and the caller waits once.
    ///
    /// # Errors
    ///
    /// As those two.
    pub async fn close_and_read(&self, ended: RunEnded) -> Result<(Closed, History)> {
        let closed = self.end(ended, false)?;
        let store = &*self.0.shared.store;
        // The end is handed over when the flush is first polled, which is before the page is asked
        // for. Where another flush was under way it may come after: the page is then too old.
        let flush = self.flush(closed.durability);
        let page = store.first_page(self.0.id, history::PAGE);
        let (flushed, page) = futures_util::future::join(flush, page).await;
        flushed?;
        self.0.shared.release(self.0.id, self.0.fence);
        let history = match page? {
            Some((summary, records)) if summary.entries == closed.entries => {
                closed.same(History::check(store, summary, records).await?)?
            }
            _ => closed.history().await?,
        };
        Ok((closed, history))
    }

    /// Records the end.
    fn end(&self, ended: RunEnded, continued: bool) -> Result<Closed> {
        let state = RunState::ended(&ended.outcome, continued);
        let durability = if self.0.pure { Durability::Buffered } else { Durability::Synced };
        let (head, entries, at) = {
            let mut writer = self.0.writer();
            writer.push(&*self.0.shared.clock, Event::RunEnded(Box::new(ended)), true)?;
            let at = writer.last_at();
            writer.close_with(Ending { state, at });
            (writer.head(), writer.next(), at)
        };
        let shared = Arc::clone(&self.0.shared);
        Ok(Closed { run: self.0.id, head, entries, ended: at, durability, shared })
    }

    pub(crate) async fn flush(&self, durability: Durability) -> Result<()> {
        let mut waiting = self.0.flush.lock().await;
        let target = {
            let mut writer = self.0.writer();
            let synced = durability == Durability::Buffered || writer.synced() == writer.next();
            if writer.has_pending() || !synced {
                writer.hand_over(&*self.0.shared.store, durability);
            }
            waiting.extend(writer.take_outstanding());
            writer.check()?;
            writer.next()
        };
        // Answered tickets leave one by one: a caller that gives up in between loses none of the
        // others.
        while let Some(ticket) = waiting.front_mut() {
            let answer = ticket.await;
            waiting.pop_front();
            if let Err(error) = answer {
                self.0.writer().fail(&error);
                return Err(error);
            }
        }
        if durability == Durability::Synced {
            self.0.writer().mark_synced(target);
        }
        Ok(())
    }
}

impl Inner {
    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A panic while an entry was being added leaves the entries before it whole.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.release(self.id, self.fence);
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !writer.is_closed() {
            writer.release_with(Release::default());
        }
        if writer.has_pending() && writer.check().is_ok() {
            writer.hand_over(&*self.shared.store, Durability::Buffered);
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Run").field(&self.0.id).finish()
    }
}

impl Closed {
    /// Reads the entries back from the store and checks them against the chain: what is sealed is
    /// what is kept.
    ///
    /// # Errors
    ///
    /// As [`Journal::read`](crate::Journal::read); [`Error::Edited`] when the history is not the
    /// one that was closed.
    pub async fn history(&self) -> Result<History> {
        self.same(History::read(&*self.shared.store, self.run).await?)
    }

    fn same(&self, history: History) -> Result<History> {
        if history.head() != self.head {
            return Err(Error::Edited { run: self.run, what: "the last entry".to_owned() });
        }
        Ok(history)
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed")
            .field("run", &self.run)
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}
