//! The one who writes: takes what waits, writes it in one transaction, answers. When the server goes
//! away it comes back to it, until the time of those who wait is up; what may have been written
//! already is looked for and not written twice.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_journal::{Durability, Error, Result, StoreFault, StoredReceipt};
use longshore_model::RunId;

use crate::fault::Fail;
use crate::group::{self, Group, Slot};
use crate::queue::{Queue, Request, Sealing, Waiting};
use crate::seal::{self, Sealed};
use crate::session::{Backoff, Connector, Session};

const WHAT: &str = "cannot append to the journal";

pub(crate) struct Writer {
    queue: Arc<Queue>,
    connector: Connector,
    session: Option<Session>,
    /// Something was committed that the server may not have on its disk.
    unsynced: bool,
}

/// Tells waiting callers when the writer goes, however it goes.
struct Farewell(Arc<Queue>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Writer {
    pub(crate) fn new(queue: Arc<Queue>, connector: Connector) -> Self {
        Self { queue, connector, session: None, unsynced: false }
    }

    /// Works until the queue is closed and empty.
    pub(crate) async fn run(mut self) {
        let farewell = Farewell(Arc::clone(&self.queue));
        // Connected ahead of the first request. A failure is told to that request, after it has been
        // tried again.
        self.session = self.connector.connect(None).await.ok();
        while let Some(requests) = self.queue.take().await {
            self.serve(requests).await;
        }
        drop(farewell);
    }

    async fn serve(&mut self, requests: VecDeque<Request>) {
        let mut group = Group::default();
        for request in requests {
            match request {
                Request::Append(waiting) => {
                    if let Some(next) = group.add(waiting) {
                        self.commit(std::mem::take(&mut group)).await;
                        // A group that is empty takes anything.
                        let _ = group.add(next);
                    }
                }
                Request::Seal(sealing) => {
                    self.commit(std::mem::take(&mut group)).await;
                    self.seal(sealing).await;
                }
                Request::Mark(told) => {
                    self.commit(std::mem::take(&mut group)).await;
                    // Nobody waits any more: that is their right.
                    let _ = told.send(());
                }
            }
        }
        self.commit(group).await;
    }

    /// Writes a group and answers each of it.
    async fn commit(&mut self, group: Group) {
        if group.is_empty() {
            return;
        }
        let synced = group.wants_sync();
        let (slots, barriers) = group.take();
        self.settle(slots, synced).await;
        self.answer(barriers).await;
    }

    /// Writes slots together, and those that do not go together one by one.
    async fn settle(&mut self, slots: Vec<Slot>, synced: bool) {
        if slots.is_empty() {
            return;
        }
        let (written, resent) = self.write(&slots, synced).await;
        let written = match written {
            Ok(written) => written,
            // One of them may be to blame: each gets a transaction of its own. (Not when the server
            // is away: all would wait in vain, one after the other.)
            Err(fail) if slots.len() > 1 && blames_one(&fail) => {
                for slot in slots {
                    Box::pin(self.settle(vec![slot], synced)).await;
                }
                return;
            }
            Err(fail) => {
                let error = fail.because(WHAT);
                let parts = slots.into_iter().flat_map(|slot| slot.parts);
                parts.for_each(|part| part.completion.complete(Err(error.clone())));
                return;
            }
        };
        for slot in slots {
            if written.contains(&slot.whole.run) {
                slot.parts.into_iter().for_each(|part| part.completion.complete(Ok(())));
            } else if slot.parts.len() > 1 {
                for part in slot.parts {
                    Box::pin(self.settle(vec![Slot::new(part)], synced)).await;
                }
            } else {
                for part in slot.parts {
                    let answer = self.misfit(&part, resent).await;
                    part.completion.complete(answer);
                }
            }
        }
    }

    /// Tries until it is written, refused, or too late. Also tells whether it was sent more than
    /// once.
    async fn write(
        &mut self,
        slots: &[Slot],
        synced: bool,
    ) -> (std::result::Result<HashSet<RunId>, Fail>, bool) {
        let deadline = earliest(slots.iter().flat_map(|slot| &slot.parts));
        let (mut backoff, mut resent) = (Backoff::new(), false);
        loop {
            let attempt = async {
                let session = connected(&mut self.session, &self.connector).await?;
                group::write(session, slots, synced).await
            };
            let fail = match within(deadline, attempt).await {
                Ok(written) => {
                    self.unsynced = !synced && (self.unsynced || !written.is_empty());
                    return (Ok(written), resent);
                }
                Err(fail) => fail,
            };
            resent |= fail.is_unanswered();
            if self.gives_up(&fail, deadline) {
                return (Err(fail), resent);
            }
            backoff.pause().await;
        }
    }

    /// Whether a failure is the last one. What was lost is connected anew at the next attempt.
    fn gives_up(&mut self, fail: &Fail, deadline: Instant) -> bool {
        if fail.is_unanswered() {
            self.session = None;
        }
        !fail.is_transient() || Instant::now() >= deadline
    }

    async fn misfit(&mut self, part: &Waiting, resent: bool) -> Result<()> {
        let mut backoff = Backoff::new();
        loop {
            let attempt = async {
                let session = connected(&mut self.session, &self.connector).await?;
                group::misfit(session, &part.append, resent).await
            };
            let fail = match within(part.deadline, attempt).await {
                Ok(answer) => return answer,
                Err(fail) => fail,
            };
            if self.gives_up(&fail, part.deadline) {
                return Err(fail.because(WHAT));
            }
            backoff.pause().await;
        }
    }

    /// Answers those who only wait for what came before.
    async fn answer(&mut self, barriers: Vec<Waiting>) {
        if barriers.is_empty() {
            return;
        }
        let wants_sync = |waiting: &Waiting| waiting.append.durability == Durability::Synced;
        let mut answer = Ok(());
        if self.unsynced && barriers.iter().any(wants_sync) {
            let (deadline, mut backoff) = (earliest(&barriers), Backoff::new());
            answer = loop {
                let attempt = async {
                    let session = connected(&mut self.session, &self.connector).await?;
                    group::barrier(session).await
                };
                let Err(fail) = within(deadline, attempt).await else {
                    self.unsynced = false;
                    break Ok(());
                };
                if self.gives_up(&fail, deadline) {
                    break Err(fail.because(WHAT));
                }
                backoff.pause().await;
            };
        }
        for barrier in barriers {
            let synced = if wants_sync(&barrier) { answer.clone() } else { Ok(()) };
            barrier.completion.complete(synced);
        }
    }

    async fn seal(&mut self, sealing: Sealing) {
        let Sealing { run, sealer, answer, deadline } = sealing;
        let mut made = Sealed::Not(sealer);
        let mut backoff = Backoff::new();
        let result: Result<StoredReceipt> = loop {
            let attempt = async {
                let session = connected(&mut self.session, &self.connector).await?;
                seal::seal(session, run, &mut made).await
            };
            let fail = match within(deadline, attempt).await {
                Ok(stored) => break Ok(stored),
                Err(fail) => fail,
            };
            // A transaction that was given up halfway must not be gone on with.
            self.session = None;
            if self.gives_up(&fail, deadline) {
                break Err(fail.because(&format!("cannot keep the receipt of run `{run}`")));
            }
            backoff.pause().await;
        };
        // Nobody waits any more: that is their right.
        let _ = answer.send(result);
    }
}

/// The writer's session, made anew where it was lost.
async fn connected<'s>(
    held: &'s mut Option<Session>,
    connector: &Connector,
) -> std::result::Result<&'s Session, Fail> {
    if held.as_ref().is_none_or(Session::is_closed) {
        *held = Some(connector.connect(None).await?);
    }
    held.as_ref().ok_or_else(|| Fail::Journal(crate::stopped()))
}

fn earliest<'w>(waiting: impl IntoIterator<Item = &'w Waiting>) -> Instant {
    let far = Instant::now() + Duration::from_secs(3_600);
    waiting.into_iter().map(|one| one.deadline).min().unwrap_or(far)
}

/// What comes of an attempt until `deadline`.
pub(crate) async fn within<T>(
    deadline: Instant,
    attempt: impl Future<Output = std::result::Result<T, Fail>>,
) -> std::result::Result<T, Fail> {
    match tokio::time::timeout_at(deadline.into(), attempt).await {
        Ok(result) => result,
        Err(_) => {
            let message = "the server of the journal's store does not answer";
            Err(Fail::Journal(Error::store(StoreFault::Unavailable, message)))
        }
    }
}

fn blames_one(fail: &Fail) -> bool {
    matches!(fail.fault(), Some(StoreFault::Full | StoreFault::Corrupt | StoreFault::Io))
}
