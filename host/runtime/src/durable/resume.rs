//! Going on with runs that did not end: their component by digest, their grant as it was, their history from the store.

use std::sync::Arc;

use longshore_engine::{Recompute, Stdio};
use longshore_journal::{Entry, History, Run, RunFilter, RunState, RunSummary, WaitsOn};
use longshore_model::{Dependency, GrantRecord, LIMITS, RunId, RunStarted};
use longshore_policy::Policy;

use super::Drive;
use crate::admit::Stop;
use crate::builder::Host;
use crate::error::Refused;
use crate::run::{Cancel, Running};
use crate::{Error, Longshore, Target};

/// How a setting that is secret is recorded.
const SECRET: &str = "(secret)";

/// With what a run goes on.
#[derive(Clone, Default)]
pub struct Resume {
    /// The component, where the host cannot find it again by itself: a file that it keeps no copy of.
    pub target: Option<Target>,
    /// What the run is allowed beside the host's own policy. The flags that its grant was recorded with are in force anyway;
    /// secret settings are not recorded, and are given here.
    pub allow: Policy,
}

impl Longshore {
    /// Goes on with a run that did not end, from where it was; with the newest of those as which it went on.
    ///
    /// # Errors
    ///
    /// [`Error::NotResumable`] for a session or a command, [`Error::OtherComponent`] when the component is not the one that
    /// it began with, [`Error::OtherGrant`] when it would be granted something else, the journal's `Held` while another host
    /// carries it, `NotFound` and `RunClosed`; and as [`Longshore::run`].
    pub async fn resume(&self, run: RunId, with: Resume) -> Result<Running, Error> {
        let run = self.0.last_of(run).await?;
        if self.0.desk.has(run) {
            let reason = "this host carries it already".to_owned();
            return Err(Error::NotResumable { run, reason });
        }
        let (taken, history) = self.0.journal.resume(run).await?;
        self.0.go_on(taken, history, with).await
    }

    /// Goes on with every run that has something to do and that nobody holds, at most `limit`: those that were interrupted, and
    /// those whose time or message has come. Each with its own result. Runs that ended and whose host died before it sealed them
    /// are sealed on the way.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn resume_due(
        &self,
        limit: usize,
    ) -> Result<Vec<(RunId, Result<Running, Error>)>, Error> {
        self.0.sweep().await?;
        let mut going = Vec::new();
        for row in self.0.journal.claim(limit).await? {
            let resumed = match self.0.journal.go_on(&row).await {
                Ok((run, history)) => self.0.go_on(run, history, Resume::default()).await,
                Err(error) => Err(error.into()),
            };
            going.push((row.run, resumed));
        }
        Ok(going)
    }

    /// Runs that did not end and that nobody holds, newest first: interrupted, waiting, diverged.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn unfinished(&self, limit: usize) -> Result<Vec<RunSummary>, Error> {
        let filter = RunFilter { state: Some(RunState::Open), limit, ..RunFilter::default() };
        let mut found = Vec::new();
        for state in [RunState::Interrupted, RunState::Waiting, RunState::Diverged] {
            let of = RunFilter { state: Some(state), ..filter.clone() };
            found.extend(self.0.journal.runs(&of).await?);
        }
        found.sort_by_key(|row| std::cmp::Reverse(row.run));
        found.truncate(limit);
        Ok(found)
    }
}

impl Host {
    /// Goes on with a run that was taken.
    pub(crate) async fn go_on(
        self: &Arc<Self>,
        run: Run,
        history: History,
        with: Resume,
    ) -> Result<Running, Error> {
        let id = run.id();
        let start = history.in_force();
        let drive = match self.drive_of(&start, with).await {
            Ok(drive) => drive,
            Err(error) => {
                // It is not this run's doing: it waits for somebody who can go on with it.
                let waiting = longshore_journal::Waiting { on: WaitsOn::Several, wake_at: None };
                run.release(Some(waiting)).await?;
                return Err(error);
            }
        };
        let entries: Vec<Entry> = history.into_entries();
        run.record(self.resumed(&drive.prepared))?;
        let (events, cancel) = (run.subscribe(), drive.cancel.clone());
        let task = tokio::spawn(drive.travel(run, entries));
        Ok(Running::new(id, events, task, cancel))
    }

    pub(super) async fn drive_of(
        self: &Arc<Self>,
        start: &RunStarted,
        with: Resume,
    ) -> Result<Drive, Error> {
        let run = start.run;
        let no = |reason: &str| Error::NotResumable { run, reason: reason.to_owned() };
        if start.function == "*" {
            return Err(no("it is a session, whose calls came from a program that is gone"));
        }
        let target = match with.target {
            Some(target) => target,
            None => self.target_of(&start.component)?,
        };
        let mut allow = recorded(start);
        allow.merge(with.allow);
        let prepared = match self.admit(&target, &allow).await {
            Ok(prepared) => prepared,
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Refused(_, refusal)) => {
                return Err(Error::Refused(Box::new(Refused { refusal, report: None })));
            }
        };
        let compiled = prepared.ready.compiled();
        if compiled.digest() != start.component.digest {
            let (was, is) = (start.component.digest, compiled.digest());
            return Err(Error::OtherComponent { run, was, is });
        }
        same_grants(run, start, &prepared.grant, &prepared.dependencies)?;
        let function = Arc::clone(compiled.function(Some(&start.function))?);
        if function.is_command() {
            return Err(no("it is a command, whose arguments and input are not journaled"));
        }
        self.signer()?;
        Ok(Drive {
            host: Arc::clone(self),
            prepared: Arc::new(prepared),
            function,
            stdio: Stdio::default(),
            cancel: Cancel::default(),
            recompute: Recompute::Tail,
        })
    }
}

/// The flags that are in force for a run because its grant was recorded with them.
pub(super) fn recorded(start: &RunStarted) -> Policy {
    let mut policy = Policy::default();
    let below = start.dependencies.iter().map(|d| (Some(d.interface.as_str()), &d.grant));
    for (interface, grant) in below.chain([(None, &start.grant)]) {
        for (_, rule) in &grant.scopes {
            if let Some(flag) = rule.strip_prefix("--allow ") {
                // One that this version does not understand is missed when the grants are compared.
                let _ = policy.allow_flag(flag);
            }
        }
        for (name, value) in &grant.settings {
            let text = match value {
                serde_json::Value::String(text) if text == SECRET => continue,
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let name = interface.map_or_else(|| name.clone(), |i| format!("{i}::{name}"));
            let _ = policy.set_flag(&format!("{name}={text}"));
        }
    }
    for &(name, ..) in LIMITS {
        let below = start.dependencies.iter().map(|d| d.grant.limits.get(name));
        if let Some(most) = below.chain([start.grant.limits.get(name)]).max() {
            policy.ceiling(name, most);
        }
    }
    policy
}

/// A run goes on with what it was granted: no less, or it would fail where it did not, and no more.
fn same_grants(
    run: RunId,
    start: &RunStarted,
    grant: &GrantRecord,
    dependencies: &[Dependency],
) -> Result<(), Error> {
    let told = |component: &str, grant: &GrantRecord| {
        let mut words: Vec<_> = grant.scopes.iter().map(|(scope, _)| scope.to_string()).collect();
        words.extend(grant.settings.iter().map(|(name, value)| format!("{name}={value}")));
        words.sort();
        words.iter().map(|word| format!("{component}: {word}")).collect::<Vec<_>>()
    };
    let all = |root: &GrantRecord, below: &[Dependency]| {
        let mut words = told("the component", root);
        words.extend(below.iter().flat_map(|d| told(&d.interface, &d.grant)));
        words.sort();
        words
    };
    let was = all(&start.grant, &start.dependencies);
    let is = all(grant, dependencies);
    if was == is {
        return Ok(());
    }
    let only = |some: &[String], others: &[String]| {
        some.iter().filter(|word| !others.contains(word)).cloned().collect()
    };
    Err(Error::OtherGrant { run, missing: only(&was, &is), added: only(&is, &was) })
}
