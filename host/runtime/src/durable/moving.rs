//! Runs that go on with another version of their workflow: repeated against it first, and only moved when it asks for nothing
//! else.

use std::sync::Arc;

use longshore_engine::Recompute;
use longshore_journal::{History, Run, Waiting, WaitsOn};
use longshore_model::{Event, RunId, RunMoved};
use longshore_policy::Policy;
use longshore_reference::Digest;

use super::rehearse::{Verdict, repeat};
use super::resume::recorded;
use super::{Drive, Resume};
use crate::admit::{Stop, identity};
use crate::builder::Host;
use crate::error::Refused;
use crate::{Error, Longshore, Prepared, Target};

/// A run that was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The run; of those as which a run goes on, the newest.
    pub run: RunId,
    /// The component that it went on with until now.
    pub from: Digest,
    /// The component that it goes on with.
    pub to: Digest,
}

impl Longshore {
    /// Moves a run that did not end, and that nobody carries, to another version of its workflow. Its history is repeated
    /// against it first, and nothing changes unless the code asks for what the history has. `allow` is in force beside the
    /// flags that the run was started with. It then waits for what it waited for; one that had diverged may go on.
    ///
    /// # Errors
    ///
    /// [`Error::NotMoved`] when the code asks for something else, with the step; [`Error::NotResumable`] while this host
    /// carries it, the journal's `Held`, `NotFound` and `RunClosed`; and as [`Longshore::run`]. The run is then as it was.
    pub async fn move_run(
        &self,
        run: RunId,
        target: &Target,
        allow: &Policy,
    ) -> Result<Moved, Error> {
        let host = &self.0;
        let run = host.last_of(run).await?;
        let row = host.journal.summary(run).await?;
        let waits = row.and_then(|row| row.waiting);
        let (taken, history) = host.journal.resume(run).await?;
        match host.moved(&history, target, allow).await {
            Ok(moved) => {
                let about = Moved { run, from: moved.from, to: moved.component.digest };
                taken.record(Event::RunMoved(Box::new(moved)))?;
                taken.sync().await?;
                taken.release(waits.filter(|waits| waits.on != WaitsOn::Divergence)).await?;
                Ok(about)
            }
            Err(error) => {
                taken.release(waits).await?;
                Err(error)
            }
        }
    }
}

/// It is not this run's doing: it waits for somebody who can go on with it.
const ELSEWHERE: Waiting = Waiting { on: WaitsOn::Several, wake_at: None };

impl Host {
    /// What is recorded when the run of `history` moves to `target`.
    async fn moved(
        self: &Arc<Self>,
        history: &History,
        target: &Target,
        allow: &Policy,
    ) -> Result<RunMoved, Error> {
        let (start, run) = (history.in_force(), history.run());
        let mut policy = recorded(&start);
        policy.merge(allow.clone());
        let prepared = match self.admit(target, &policy).await {
            Ok(prepared) => prepared,
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Refused(_, refusal)) => {
                return Err(Error::Refused(Box::new(Refused { refusal, report: None })));
            }
        };
        let no = |reason: String| Error::NotMoved { run, reason };
        let compiled = prepared.ready.compiled();
        if compiled.digest() == start.component.digest {
            return Err(no("it goes on with that component already".to_owned()));
        }
        if !compiled.is_workflow() {
            return Err(no(format!("`{}` is no workflow", compiled.name())));
        }
        let entries = history.entries();
        match repeat(self, &prepared.ready, &start, entries, Recompute::Nothing).await? {
            Verdict::GoesOn | Verdict::Ends { same: true, .. } => {}
            Verdict::Ends { outcome, .. } => {
                return Err(no(format!("the code ends with another outcome, {}", outcome.word())));
            }
            Verdict::Diverges(divergence) => return Err(no(divergence.to_string())),
        }
        self.keep(compiled, target)?;
        let Prepared { ready, policy, dependencies, grant } = prepared;
        let (from, component) = (start.component.digest, identity(ready.compiled()));
        Ok(RunMoved { from, component, dependencies, grant, policy })
    }
}

impl Drive {
    /// Goes on with the component that the run was moved to while it was out of memory.
    pub(super) async fn follow(&mut self, run: &Run, history: &History) -> Result<(), Error> {
        let start = history.in_force();
        if start.component.digest == self.prepared.ready.compiled().digest() {
            return Ok(());
        }
        match Box::pin(self.host.drive_of(&start, Resume::default())).await {
            Ok(fresh) => {
                (self.prepared, self.function) = (fresh.prepared, fresh.function);
                Ok(())
            }
            Err(error) => {
                run.release(Some(ELSEWHERE)).await?;
                Err(error)
            }
        }
    }
}
