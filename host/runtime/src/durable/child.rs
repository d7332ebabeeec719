//! Runs that workflows have as children: each with a journal, a grant record and a receipt of its own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use longshore_engine::{Children, Ready, Recompute, StartedChild, Stdio};
use longshore_model::{
    Dependency, Fault, FaultKind, LimitName, Outcome, Parent, RunId, RunStarted,
};
use longshore_reference::Digest;

use super::{Drive, Resume};
use crate::admit::identity;
use crate::builder::Host;
use crate::run::Cancel;
use crate::{Error, Longshore, Prepared, VERSION};

/// Starts the children of one run.
pub(super) struct Nursery {
    host: Arc<Host>,
    policy: Digest,
    /// How many generations are above the children.
    depth: u32,
    deepest: u64,
}

impl Nursery {
    pub(super) fn new(host: &Arc<Host>, start: &RunStarted) -> Self {
        let depth = start.parent.as_ref().map_or(0, |parent| parent.depth) + 1;
        let deepest = start.grant.limits.children_depth;
        Self { host: Arc::clone(host), policy: start.policy, depth, deepest }
    }
}

impl Children for Nursery {
    fn new_id(&self) -> RunId {
        // An id that is not random enough is still told apart by its time.
        self.host.run_id().unwrap_or_else(|_| RunId::new(self.host.clock.now(), [0; 10]))
    }

    fn start(
        &self,
        started: StartedChild,
    ) -> Pin<Box<dyn Future<Output = Option<Outcome>> + Send>> {
        if u64::from(self.depth) > self.deepest {
            let message = format!(
                "children are nested deeper than the limit `children-depth` of {}",
                self.deepest
            );
            let fault = Fault::limit(FaultKind::Budget, LimitName::ChildrenDepth, message);
            return Box::pin(std::future::ready(Some(Outcome::Fault(fault))));
        }
        let (host, policy, depth) = (Arc::clone(&self.host), self.policy, self.depth);
        let run = started.child.run;
        // Detached from whoever waits: a parent that leaves memory does not take it along.
        let task = tokio::spawn(async move { carry(&host, started, policy, depth).await });
        Box::pin(async move {
            let ended = task.await.map_err(|_| Error::Stopped).and_then(|ended| ended);
            match ended {
                Ok(outcome) => Some(outcome),
                // It has not ended: it goes on when its journal does, here or elsewhere.
                Err(Error::Journal(_) | Error::Stopped) => None,
                Err(error) => {
                    let message = format!("the child `{run}` cannot go on: {error}");
                    Some(Outcome::Fault(Fault::new(FaultKind::Host, message)))
                }
            }
        })
    }

    fn cancel(&self, run: RunId) {
        let host = Longshore(Arc::clone(&self.host));
        tokio::spawn(async move {
            // One that has ended meanwhile, or was never opened, needs no telling.
            let _ = host.cancel(run, "its parent was asked to end, or ended").await;
        });
    }
}

/// Carries a child to its end: from its beginning, or from where it was.
async fn carry(
    host: &Arc<Host>,
    started: StartedChild,
    policy: Digest,
    depth: u32,
) -> Result<Outcome, Error> {
    let StartedChild { child, parent, ready } = started;
    let function = Arc::clone(ready.compiled().function(Some(&child.function))?);
    let dependencies = below(&ready);
    let grant = ready.grant().record();
    let prepared = Prepared { ready, policy, dependencies, grant };
    let drive = |host: &Arc<Host>, prepared: Prepared, recompute: Recompute| Drive {
        host: Arc::clone(host),
        prepared: Arc::new(prepared),
        function,
        stdio: Stdio::default(),
        cancel: Cancel::default(),
        recompute,
    };
    let last = host.last_of(child.run).await?;
    let report = match host.journal.summary(last).await? {
        None => {
            let start = RunStarted {
                run: child.run,
                component: identity(prepared.ready.compiled()),
                function: child.function,
                dependencies: prepared.dependencies.clone(),
                grant: prepared.grant.clone(),
                policy,
                input: child.input,
                engine: prepared.ready.compiled().engine(),
                host: VERSION.to_owned(),
                seed: Some(host.seed()?),
                parent: Some(Parent { depth, ..parent }),
                continues: None,
            };
            let run = host.journal.open(start).await?;
            let entries = run.first();
            Box::pin(drive(host, prepared, Recompute::Nothing).travel(run, entries)).await?
        }
        Some(row) if row.ended.is_some() => host.report(last).await?,
        Some(_) => loop {
            match host.journal.resume(last).await {
                Ok((run, history)) => {
                    let now = history.in_force().component.digest;
                    if now != prepared.ready.compiled().digest() {
                        // It was moved: it goes on with its own component, not with its parent's.
                        let going = Box::pin(host.go_on(run, history, Resume::default())).await?;
                        break going.finish().await?;
                    }
                    run.record(host.resumed(&prepared))?;
                    let drive = drive(host, prepared, Recompute::Tail);
                    break Box::pin(drive.travel(run, history.into_entries())).await?;
                }
                Err(longshore_journal::Error::Held { .. }) => {
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
                Err(longshore_journal::Error::RunClosed(_)) => {
                    break host.report(host.last_of(last).await?).await?;
                }
                Err(error) => return Err(error.into()),
            }
        },
    };
    Ok(report.outcome)
}

/// Everything that a component may call, told as a run tells it.
fn below(ready: &Ready) -> Vec<Dependency> {
    let mut told: Vec<Dependency> = Vec::new();
    for (interface, ready) in ready.links().iter() {
        let component = identity(ready.compiled());
        let one =
            Dependency { interface: interface.clone(), component, grant: ready.grant().record() };
        for dependency in std::iter::once(one).chain(below(ready)) {
            let known = |d: &Dependency| {
                (&d.interface, &d.component) == (&dependency.interface, &dependency.component)
            };
            if !told.iter().any(known) {
                told.push(dependency);
            }
        }
    }
    told
}
