//! Workflows that outlive their host: legs in memory, waits out of it, letters from outside, and going on after a crash.

mod child;
mod desk;
mod letter;
mod pinned;
mod rehearse;
mod resume;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use longshore_engine::{Children, Function, Halt, RunContext, RunOptions, Stdio, Uses};
use longshore_journal::{Entry, History, Run, RunFilter, Waiting, WaitsOn};
use longshore_model::{
    Event, Fault, FaultKind, Outcome, RunEnded, RunId, RunResumed, RunStarted, Timestamp, Usage,
};

use crate::builder::Host;
use crate::run::Cancel;
use crate::{Error, Prepared, Report, VERSION};

pub(crate) use desk::Desk;
pub use letter::{Approve, OpenApproval};
pub use rehearse::Verdict;
pub use resume::Resume;

/// How long a workflow that can only wait is kept in memory, where the builder does not say.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// A clock that is set forward is noticed after this long.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// How often a run that another host carries is looked at.
const WATCHING: Duration = Duration::from_millis(200);

/// How often a host looks for runs that ended and were not sealed, and among how many of the latest.
const SWEEPS: Duration = Duration::from_secs(60);
const SWEPT: usize = 1_000;

/// A workflow's run, from leg to leg.
pub(crate) struct Drive {
    pub(crate) host: Arc<Host>,
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) function: Arc<Function>,
    pub(crate) stdio: Stdio,
    pub(crate) cancel: Cancel,
}

/// How a leg ended.
enum Leg {
    Ended(Outcome, Usage, Uses),
    Halted(Halt),
}

/// What came after a wait.
#[expect(
    clippy::large_enum_variant,
    reason = "made once for a wait, and nearly always the large one"
)]
enum Woken {
    /// The run is ours again.
    Taken(Run, History),
    /// Somebody else ended it.
    Ended(Box<Report>),
}

impl Drive {
    /// Carries the run to its end, through as many waits as it takes.
    pub(crate) async fn travel(self, run: Run, entries: Vec<Entry>) -> Result<Report, Error> {
        let id = run.id();
        let seat = self.host.desk.sit(&self.host, id);
        let (mut run, mut entries) = (run, entries);
        loop {
            let halt = match self.leg(&run, &entries, &seat).await? {
                Leg::Ended(outcome, usage, uses) => {
                    let ended = RunEnded { outcome: outcome.clone(), usage };
                    let closed = run.close_and_read(ended).await?;
                    let report = self.host.seal(closed, outcome, usage).await?;
                    // Those of the last stretch in memory; it repeats the ones before.
                    return Ok(Report { uses, ..report });
                }
                Leg::Halted(halt) => halt,
            };
            let waiting = match halt {
                Halt::Suspended(waiting) => waiting,
                Halt::Diverged(divergence) => {
                    run.record(Event::RunDiverged(Box::new(divergence.clone())))?;
                    let on = WaitsOn::Divergence;
                    run.release(Some(Waiting { on, wake_at: None })).await?;
                    return Err(Error::Diverged { run: id, divergence });
                }
                Halt::Exhausted => return Err(Error::Stopped),
            };
            run.release(Some(waiting)).await?;
            drop((run, entries));
            match self.asleep(id, waiting.wake_at, &seat).await? {
                Woken::Taken(taken, history) => {
                    taken.record(self.host.resumed(&self.prepared)?)?;
                    (run, entries) = (taken, history.into_entries());
                }
                Woken::Ended(report) => return Ok(*report),
            }
        }
    }

    /// One stretch in memory: from the history as far as it goes.
    async fn leg(&self, run: &Run, entries: &[Entry], seat: &desk::Seat) -> Result<Leg, Error> {
        let Some(Entry { event: Event::RunStarted(start), .. }) = entries.first() else {
            return Err(Error::Stopped);
        };
        let ready = &self.prepared.ready;
        let arguments = match ready.within_input(start.input.as_str()) {
            true => self.function.arguments(start.input.as_str())?,
            false => longshore_engine::Arguments::too_long(start.input.as_str()),
        };
        let cx = RunContext::durable(run.clone(), self.host.options(start), entries);
        letter::take_all(run, &cx).await?;
        let mut driving = pin!(ready.drive(&cx, &self.function, &arguments, &self.stdio));
        let mut letters = pin!(letter::take_as_they_come(run, &cx, seat));
        tokio::select! {
            biased;
            ended = &mut driving => Ok(match ended {
                Ok(outcome) => Leg::Ended(outcome, cx.usage(), cx.uses()),
                Err(halt) => Leg::Halted(halt),
            }),
            () = self.cancel.asked() => {
                for child in cx.attached() {
                    self.host.children(start).cancel(child);
                }
                let fault = Fault::new(FaultKind::Cancelled, "the run was cancelled");
                Ok(Leg::Ended(Outcome::Fault(fault), cx.usage(), cx.uses()))
            }
            failed = &mut letters => Err(failed.into()),
        }
    }

    /// Waits out of memory, until the time has come, a letter has, or somebody wants the run to end.
    async fn asleep(
        &self,
        id: RunId,
        wake_at: Option<Timestamp>,
        seat: &desk::Seat,
    ) -> Result<Woken, Error> {
        let journal = &self.host.journal;
        let mut elsewhere = false;
        loop {
            let now = self.host.clock.now();
            let left = wake_at.map(|at| at.unix_us().saturating_sub(now.unix_us()));
            let longest = if elsewhere { WATCHING } else { LONGEST_NAP };
            let nap = match left {
                Some(left) if !elsewhere => Duration::from_micros(left).min(longest),
                _ => longest,
            };
            let mut cancelled = false;
            if elsewhere || left != Some(0) {
                tokio::select! {
                    () = seat.knocked() => {}
                    () = tokio::time::sleep(nap) => {}
                    () = self.cancel.asked() => cancelled = true,
                }
            }
            let Some(row) = journal.summary(id).await? else {
                return Err(longshore_journal::Error::NotFound(id).into());
            };
            if row.ended.is_some() {
                return Ok(Woken::Ended(Box::new(self.host.report(id).await?)));
            }
            if cancelled {
                // The next leg sees it before it begins.
                self.cancel.cancel();
            }
            let now = self.host.clock.now();
            // Another host carries it, and nobody knocks when it ends there.
            elsewhere = row.is_held(now);
            if elsewhere || !(cancelled || row.is_claimable(now)) {
                continue;
            }
            match journal.resume(id).await {
                Ok((run, history)) => return Ok(Woken::Taken(run, history)),
                // Another host goes on with it; it is watched until it ends.
                Err(longshore_journal::Error::Held { .. }) => {
                    tokio::time::sleep(WATCHING).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Host {
    /// How the run that began with `start` is carried out here.
    fn options(self: &Arc<Self>, start: &RunStarted) -> RunOptions {
        RunOptions {
            patience: self.patience,
            seed: start.seed,
            children: Some(self.children(start)),
            replay: false,
        }
    }

    fn children(self: &Arc<Self>, start: &RunStarted) -> Arc<dyn Children> {
        Arc::new(child::Nursery::new(self, start))
    }

    /// What says in the journal that a run goes on.
    fn resumed(&self, prepared: &Prepared) -> Result<Event, Error> {
        Ok(Event::RunResumed(Box::new(RunResumed {
            component: prepared.ready.compiled().digest(),
            engine: self.engine.fingerprint()?,
            host: VERSION.to_owned(),
        })))
    }

    /// The report of a run that has ended. Seals it, where the host that ended it died before it did.
    pub(crate) async fn report(&self, id: RunId) -> Result<Report, Error> {
        let (closed, history) = match self.journal.ended(id).await {
            Err(longshore_journal::Error::StillOpen(_)) => {
                return Err(Error::NotResumable { run: id, reason: "it has not ended".to_owned() });
            }
            found => found?,
        };
        let Some(RunEnded { outcome, usage }) = history.end().cloned() else {
            return Err(Error::Unsealed { run: id });
        };
        match self.journal.receipt(id).await? {
            Some(stored) => Ok(Self::sealed(&closed, stored, outcome, usage)),
            None => self.seal((closed, history), outcome, usage).await,
        }
    }

    /// Seals the latest runs that ended and have no receipt, because their host died in between: now and then.
    async fn sweep(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let due = |last: Timestamp| {
            now.unix_us().abs_diff(last.unix_us())
                >= u64::try_from(SWEEPS.as_micros()).unwrap_or(u64::MAX)
        };
        if !self.desk.swept().is_none_or(due) {
            return Ok(());
        }
        let latest = RunFilter { limit: SWEPT, ..RunFilter::default() };
        for row in self.journal.runs(&latest).await? {
            if row.ended.is_some() && self.journal.receipt(row.run).await?.is_none() {
                self.report(row.run).await?;
            }
        }
        self.desk.has_swept(now);
        Ok(())
    }
}
