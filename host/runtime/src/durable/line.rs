//! Runs that go on as new ones: the new one is opened before the old one ends, and begins when the old one has ended and what
//! was still sent to it has been handed on. Whoever comes next finishes what a host that died had begun.

use std::sync::Arc;

use longshore_engine::RunContext;
use longshore_journal::{Entry, Error as JournalError, Run, RunState};
use longshore_model::{
    Ask, CancelRequested, Continue, Continues, Event, Json, Outcome, RunEnded, RunId, RunStarted,
    Signalled, Usage,
};

use super::{Drive, WATCHING, letter};
use crate::admit::identity;
use crate::builder::Host;
use crate::{Error, VERSION};

/// Letters that are handed on in one step.
const PAGE: usize = 64;
/// More than ever wait.
const ALL: usize = 100_000;

/// What a run leaves to the one as which it goes on.
pub(super) struct Renewal {
    next: Continue,
    signals: Vec<Signalled>,
    cancel: Option<CancelRequested>,
    usage: Usage,
    spent_micros: u64,
}

impl Renewal {
    pub(super) fn of(next: Continue, cx: &RunContext) -> Self {
        let (signals, cancel) = cx.unseen();
        Self { next, signals, cancel, usage: cx.usage(), spent_micros: cx.spent() }
    }
}

/// As which new run a history says that its run goes on.
pub(super) fn continues(entries: &[Entry]) -> Option<&Continue> {
    entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Asked(asked) => match &asked.what {
            Ask::Continue(next) => Some(next),
            _ => None,
        },
        _ => None,
    })
}

impl Drive {
    /// Ends the run and opens the one as which it goes on; without it, where somebody opened it before.
    pub(super) async fn renew(
        &self,
        run: &Run,
        entries: &[Entry],
        renewal: Renewal,
    ) -> Result<(RunId, Option<(Run, Vec<Entry>)>), Error> {
        let Some(Entry { event: Event::RunStarted(start), .. }) = entries.first() else {
            return Err(Error::Stopped);
        };
        // From here on it goes on as that run and no other.
        run.sync().await?;
        let (next, usage) = (renewal.next.run, renewal.usage);
        let journal = &self.host.journal;
        let begun = match journal.summary(next).await? {
            Some(_) => None,
            None => {
                let begun = journal.open(self.begin(run, start, renewal)?).await?;
                begun.sync().await?;
                Some(begun)
            }
        };
        self.host.hand_on(run, usage, next).await?;
        Ok((next, begun.map(|begun| (begun.clone(), begun.first()))))
    }

    /// Entry 0 of the run as which `run` goes on.
    fn begin(&self, run: &Run, start: &RunStarted, renewal: Renewal) -> Result<RunStarted, Error> {
        let Renewal { next, signals, cancel, spent_micros, .. } = renewal;
        let (entries, head) = run.head();
        let before = start.continues.as_deref();
        let continues = Continues {
            run: run.id(),
            first: before.map_or(run.id(), |before| before.first),
            number: before.map_or(0, |before| before.number).saturating_add(1),
            entries,
            head,
            signals,
            cancel,
            spent_micros,
        };
        Ok(RunStarted {
            run: next.run,
            component: identity(self.prepared.ready.compiled()),
            dependencies: self.prepared.dependencies.clone(),
            grant: self.prepared.grant.clone(),
            policy: self.prepared.policy,
            input: next.input,
            engine: self.prepared.ready.compiled().engine(),
            host: VERSION.to_owned(),
            seed: Some(self.host.seed()?),
            continues: Some(Box::new(continues)),
            ..start.clone()
        })
    }
}

impl Host {
    /// Has the run that this one continues ended, and what was sent to it handed on, before this one's first call.
    pub(super) async fn settle_before(self: &Arc<Self>, entries: &[Entry]) -> Result<(), Error> {
        let Some(Entry { event: Event::RunStarted(start), .. }) = entries.first() else {
            return Ok(());
        };
        let called = |entry: &Entry| matches!(entry.event, Event::CallStarted(_));
        let Some(before) = start.continues.as_ref().filter(|_| !entries.iter().any(called)) else {
            return Ok(());
        };
        loop {
            let Some(row) = self.journal.summary(before.run).await? else { return Ok(()) };
            if row.ended.is_some() {
                return self.forward(before.run, start.run).await;
            }
            match self.journal.resume(before.run).await {
                Ok((run, history)) => {
                    if history.continued().map(|next| next.run) != Some(start.run) {
                        let reason = format!("`{}` does not go on as this run", before.run);
                        return Err(Error::NotResumable { run: start.run, reason });
                    }
                    let mut usage = Usage::default();
                    for entry in history.entries() {
                        if let Event::CallEnded(ended) = &entry.event {
                            usage.add(&ended.usage);
                        }
                    }
                    self.hand_on(&run, usage, start.run).await?;
                }
                Err(JournalError::Held { .. }) => tokio::time::sleep(WATCHING).await,
                Err(JournalError::RunClosed(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends a run that goes on as `next`, which is there, and hands on what was sent to it.
    async fn hand_on(&self, run: &Run, usage: Usage, next: RunId) -> Result<(), Error> {
        loop {
            let letters = run.letters(PAGE).await?;
            if letters.is_empty() {
                break;
            }
            for posted in letters {
                let bytes = posted.letter.bytes.clone();
                self.journal.post(next, posted.letter.id, bytes).await?;
                run.record_letter(letter::forwarded(&posted), posted.seq)?;
            }
            run.sync().await?;
        }
        let outcome = Outcome::Ok(Json::null());
        let ended = RunEnded { outcome: outcome.clone(), usage };
        let closed = run.close_as_continued(ended).await?;
        self.seal(closed, outcome, usage).await?;
        self.forward(run.id(), next).await
    }

    /// Hands on what was sent to a run in the moment of its end. The same letter twice is one letter.
    pub(super) async fn forward(&self, run: RunId, next: RunId) -> Result<(), Error> {
        for posted in self.journal.letters(run, ALL).await? {
            match self.journal.post(next, posted.letter.id, posted.letter.bytes).await {
                // It began, and so has them, before it ended.
                Ok(_) | Err(JournalError::RunClosed(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// As which run this one went on.
    pub(super) async fn next_of(&self, run: RunId) -> Result<Option<RunId>, Error> {
        match self.journal.summary(run).await? {
            Some(row) if row.state == RunState::Continued => {
                Ok(self.journal.read(run).await?.continued().map(|next| next.run))
            }
            _ => Ok(None),
        }
    }

    /// The run as which this one goes on now: itself, unless it ended so.
    pub(crate) async fn last_of(&self, run: RunId) -> Result<RunId, Error> {
        let mut last = run;
        while let Some(next) = self.next_of(last).await? {
            last = next;
        }
        Ok(last)
    }
}
