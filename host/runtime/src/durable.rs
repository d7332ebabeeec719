//! Workflows that outlive their host: legs in memory, waits out of it, letters from outside, and going on after a crash.

mod child;
mod desk;
mod letter;
mod line;
mod moving;
mod pinned;
mod rehearse;
mod resume;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use longshore_engine::{Children, Function, Halt, Recompute, RunContext, RunOptions, Stdio, Uses};
use longshore_journal::{Entry, History, Run, RunFilter, RunState, Waiting, WaitsOn, in_force};
use longshore_model::{
    Event, Fault, FaultKind, Outcome, RunEnded, RunId, RunResumed, RunStarted, Timestamp, Usage,
};

use crate::builder::Host;
use crate::run::Cancel;
use crate::{Error, Prepared, Report, VERSION};

pub(crate) use desk::Desk;
pub use letter::{Approve, OpenApproval};
pub use moving::Moved;
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
    /// Which results of pure actions the first leg computes again.
    pub(crate) recompute: Recompute,
}

/// How a leg ended.
enum Leg {
    Ended(Outcome, Usage, Uses),
    Continued(Box<line::Renewal>),
    Halted(Halt),
}

/// Where a run goes on after a wait.
enum Again {
    Here(Run, Vec<Entry>, desk::Seat),
    Ended(Box<Report>),
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
    /// Somebody else ended it, and it goes on as this run.
    Continued(RunId),
}

impl Drive {
    /// Carries the run to its end, through as many waits as it takes.
    pub(crate) async fn travel(mut self, run: Run, entries: Vec<Entry>) -> Result<Report, Error> {
        let mut seat = self.host.desk.sit(&self.host, run.id());
        self.host.settle_before(&entries).await?;
        let (mut run, mut entries, mut recompute) = (run, entries, self.recompute);
        loop {
            let id = run.id();
            let halt = match self.leg(&run, &entries, &seat, recompute).await? {
                Leg::Ended(outcome, usage, uses) => {
                    let ended = RunEnded { outcome: outcome.clone(), usage };
                    let closed = run.close_and_read(ended).await?;
                    let report = self.host.seal(closed, outcome, usage).await?;
                    // Those of the last stretch in memory; it repeats the ones before.
                    return Ok(Report { uses, ..report });
                }
                Leg::Continued(renewal) => {
                    recompute = Recompute::Nothing;
                    let (next, begun) = self.renew(&run, &entries, *renewal).await?;
                    seat = self.host.desk.sit(&self.host, next);
                    (run, entries) = match begun {
                        Some(begun) => begun,
                        None => match self.again(next, Some(Timestamp::default()), seat).await? {
                            Again::Here(taken, history, there) => {
                                seat = there;
                                (taken, history)
                            }
                            Again::Ended(report) => return Ok(*report),
                        },
                    };
                    continue;
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
                Halt::Exhausted | Halt::Continued(_) => return Err(Error::Stopped),
            };
            run.release(Some(waiting)).await?;
            drop((run, entries));
            match self.again(id, waiting.wake_at, seat).await? {
                Again::Here(taken, history, there) => {
                    // This host computed all of it, and let go of it when it was on disk.
                    (run, entries, seat, recompute) = (taken, history, there, Recompute::Nothing);
                }
                Again::Ended(report) => return Ok(*report),
            }
        }
    }

    /// Waits out of memory for the run, and for those as which it goes on elsewhere.
    async fn again(
        &mut self,
        id: RunId,
        wake_at: Option<Timestamp>,
        seat: desk::Seat,
    ) -> Result<Again, Error> {
        let (mut id, mut wake_at, mut seat) = (id, wake_at, seat);
        loop {
            match self.asleep(id, wake_at, &seat).await? {
                Woken::Taken(run, history) => {
                    self.follow(&run, &history).await?;
                    let entries = history.into_entries();
                    self.host.settle_before(&entries).await?;
                    run.record(self.host.resumed(&self.prepared))?;
                    return Ok(Again::Here(run, entries, seat));
                }
                Woken::Ended(report) => return Ok(Again::Ended(report)),
                Woken::Continued(next) => {
                    (id, wake_at) = (next, Some(Timestamp::default()));
                    seat = self.host.desk.sit(&self.host, id);
                }
            }
        }
    }

    /// One stretch in memory: from the history as far as it goes.
    async fn leg(
        &self,
        run: &Run,
        entries: &[Entry],
        seat: &desk::Seat,
        recompute: Recompute,
    ) -> Result<Leg, Error> {
        let Some(start) = &in_force(entries) else { return Err(Error::Stopped) };
        let ready = &self.prepared.ready;
        let arguments = match ready.within_input(start.input.as_str()) {
            true => self.function.arguments(start.input.as_str())?,
            false => longshore_engine::Arguments::too_long(start.input.as_str()),
        };
        let function = Some(Arc::clone(&self.function));
        let options = RunOptions { recompute, function, ..self.host.options(start) };
        let cx = RunContext::durable(run.clone(), options, entries);
        // What comes to a run that goes on as another is that one's.
        let next = line::continues(entries);
        match next {
            None => letter::take_all(run, &cx).await?,
            Some(next) if self.host.journal.summary(next.run).await?.is_some() => {
                return Ok(Leg::Continued(Box::new(line::Renewal::of(next.clone(), &cx))));
            }
            Some(_) => {}
        }
        let mut driving = pin!(ready.drive(&cx, &self.function, &arguments, &self.stdio));
        let mut letters = pin!(letter::take_as_they_come(run, &cx, seat));
        tokio::select! {
            biased;
            ended = &mut driving => Ok(match ended {
                Ok(outcome) => Leg::Ended(outcome, cx.usage(), cx.uses()),
                Err(Halt::Continued(next)) => {
                    Leg::Continued(Box::new(line::Renewal::of(next, &cx)))
                }
                Err(halt) => Leg::Halted(halt),
            }),
            () = self.cancel.asked(), if next.is_none() => {
                for child in cx.attached() {
                    self.host.children(start).cancel(child);
                }
                let fault = Fault::new(FaultKind::Cancelled, "the run was cancelled");
                Ok(Leg::Ended(Outcome::Fault(fault), cx.usage(), cx.uses()))
            }
            failed = &mut letters, if next.is_none() => Err(failed.into()),
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
        let (mut wake_at, mut elsewhere) = (wake_at, false);
        loop {
            let now = journal.now();
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
            if row.state == RunState::Continued
                && let Some(next) = journal.read(id).await?.continued()
            {
                return Ok(Woken::Continued(next.run));
            }
            if row.ended.is_some() {
                return Ok(Woken::Ended(Box::new(self.host.report(id).await?)));
            }
            if cancelled {
                // The next leg sees it before it begins.
                self.cancel.cancel();
            }
            let now = journal.now();
            // Another host carries it, and nobody knocks when it ends there.
            elsewhere = row.is_held(now);
            if elsewhere || !(cancelled || row.is_claimable(now)) {
                // Another host may have gone on with it, and it waits for something else by now.
                wake_at = row.due();
                continue;
            }
            match journal.resume(id).await {
                Ok((run, history)) => return Ok(Woken::Taken(run, history)),
                // Another host goes on with it; it is watched until it ends.
                Err(
                    longshore_journal::Error::Held { .. } | longshore_journal::Error::RunClosed(_),
                ) => tokio::time::sleep(WATCHING).await,
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
            started_calls: Some(start.grant.limits.started_calls),
            ..RunOptions::default()
        }
    }

    fn children(self: &Arc<Self>, start: &RunStarted) -> Arc<dyn Children> {
        Arc::new(child::Nursery::new(self, start))
    }

    /// What says in the journal that a run goes on.
    fn resumed(&self, prepared: &Prepared) -> Event {
        Event::RunResumed(Box::new(RunResumed {
            component: prepared.ready.compiled().digest(),
            engine: prepared.ready.compiled().engine(),
            host: VERSION.to_owned(),
        }))
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
