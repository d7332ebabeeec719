//! `longshore:workflow` beside `run` and typed calls: waiting, timers, signals, approvals, policies, dynamic calls, children.
#![allow(unreachable_pub, reason = "the generated bindings re-export the handles")]

use std::sync::Arc;
use std::time::Duration;

use longshore_journal::{Waiting, WaitsOn};
use longshore_model::{Answer, Approval, Child, Fault, Json, Outcome, Parent, RunId};
use wasmtime::component::Resource;

use super::workflow::longshore::workflow::{
    approvals, children, dynamic, policies, signals, timers, waiting,
};
use super::{call_error, failed, told};
use crate::StartedChild;
use crate::call::{Scene, cancelled};
use crate::compiled::Function;
use crate::host::Host;
use crate::ledger::{Came, Halt, Question, Running, Stop};
use crate::retry::{Options, Retry};
use crate::step::{Begun, Check, later};
use crate::{link, step};

/// The most entries that a list in a question or a policy may have.
const MOST_WORDS: usize = 100;

/// When a parent asks again for a child whose journal failed.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Something that will come.
#[derive(Debug)]
pub struct Pending {
    step: u32,
}

/// A call that was started.
#[derive(Debug)]
pub struct Started {
    step: u32,
    function: Arc<Function>,
    check: Option<Box<Check>>,
}

/// A signal, an approval or a child that is waited for.
#[derive(Debug)]
pub struct Awaited {
    step: u32,
    child: Option<RunId>,
}

/// A policy for calls; what it says is with the host.
#[derive(Debug)]
pub struct PolicyHandle;

impl Pending {
    pub(crate) fn of(step: u32) -> Self {
        Self { step }
    }
}

impl Started {
    pub(crate) fn new(begun: Begun, function: &Arc<Function>) -> Self {
        let Begun { place, check } = begun;
        Self { step: place.step, function: Arc::clone(function), check }
    }

    /// What is to be done, once, before its result is given.
    pub(crate) fn take_check(&mut self) -> Option<Box<Check>> {
        self.check.take()
    }

    pub(crate) fn step(&self) -> u32 {
        self.step
    }
}

type Interrupted<T> = Result<T, waiting::Interrupted>;

/// Waits for the first of `steps`. A workflow that is told that the run shall end has its actions stopped.
async fn first(scene: &Scene, steps: &[u32]) -> wasmtime::Result<Interrupted<usize>> {
    match scene.ledger().wait(scene, steps).await {
        Ok(place) => Ok(Ok(place)),
        Err(Stop::Cancelled) => {
            stop_what_runs(scene)?;
            Ok(Err(waiting::Interrupted::Cancelled))
        }
        Err(stop) => Err(scene.stopped(stop)),
    }
}

pub(crate) fn stop_what_runs(scene: &Scene) -> wasmtime::Result<()> {
    for child in scene.ledger().attached(scene.id) {
        if let Some(children) = scene.cx.children() {
            children.cancel(child);
        }
    }
    scene.ledger().give_up_actions(scene.id).map_err(|stop| scene.stopped(stop))
}

async fn came(scene: &Scene, step: u32) -> wasmtime::Result<Interrupted<Came>> {
    Ok(first(scene, &[step]).await?.map(|_| {
        let came = scene.ledger().came(scene.id, step);
        came.unwrap_or_else(|| unreachable!("it was waited for a line above"))
    }))
}

/// How a started call ended, or that the run was asked to end first.
pub(crate) async fn outcome_of(
    scene: &Scene,
    step: u32,
) -> wasmtime::Result<Result<Outcome, Fault>> {
    Ok(match came(scene, step).await? {
        Ok(Came::Outcome(outcome) | Came::Answer(Answer::Child(outcome))) => Ok(outcome),
        Ok(other) => unreachable!("a call ends with an outcome, not with {other:?}"),
        Err(waiting::Interrupted::Cancelled) => Err(cancelled()),
    })
}

/// Computes the result of a started call again, where that is still to be done.
pub(crate) async fn checked(scene: &Scene, check: Option<Box<Check>>) -> wasmtime::Result<()> {
    match check {
        Some(check) => check.run().await.map_err(|halt| scene.halted(halt)),
        None => Ok(()),
    }
}

impl Host {
    /// The policy in force for calls.
    pub(crate) fn options(&self) -> Option<Arc<Options>> {
        self.policies.last().map(|(_, options)| Arc::clone(options))
    }

    pub(crate) fn give_up(&self, step: u32) -> wasmtime::Result<()> {
        let told = self.scene.ledger().give_up(self.scene.id, step, "the workflow cancelled it");
        told.map_err(|stop| self.scene.stopped(stop))
    }

    /// Nobody can ask for `step` any more.
    pub(crate) fn let_go(&self, step: u32) -> wasmtime::Result<()> {
        self.give_up(step)?;
        self.scene.ledger().release(self.scene.id, step);
        Ok(())
    }

    pub(crate) fn ask(&self, question: Question) -> wasmtime::Result<(u32, Option<RunId>)> {
        let asked = self.scene.ledger().ask(self.scene.id, question);
        asked.map_err(|stop| self.scene.stopped(stop))
    }

    fn steps(&self, of: &[Resource<Pending>]) -> wasmtime::Result<Vec<u32>> {
        if of.is_empty() {
            return Err(wasmtime::Error::msg("there is nothing to wait for in an empty list"));
        }
        of.iter().map(|pending| Ok(self.table.get(pending)?.step)).collect()
    }

    fn pending(&mut self, step: u32) -> wasmtime::Result<Resource<Pending>> {
        Ok(self.table.push(Pending { step })?)
    }
}

impl waiting::Host for Host {
    async fn wait_any(&mut self, of: Vec<Resource<Pending>>) -> wasmtime::Result<Interrupted<u32>> {
        let steps = self.steps(&of)?;
        let scene = Arc::clone(&self.scene);
        let place = first(&scene, &steps).await?;
        Ok(place.map(|place| u32::try_from(place).unwrap_or(u32::MAX)))
    }

    async fn wait_all(&mut self, of: Vec<Resource<Pending>>) -> wasmtime::Result<Interrupted<()>> {
        let steps = if of.is_empty() { Vec::new() } else { self.steps(&of)? };
        let scene = Arc::clone(&self.scene);
        all(&scene, &steps).await
    }
}

async fn all(scene: &Scene, steps: &[u32]) -> wasmtime::Result<Interrupted<()>> {
    let mut left = steps.to_vec();
    while !left.is_empty() {
        match first(scene, &left).await? {
            Ok(place) => drop(left.swap_remove(place)),
            Err(interrupted) => return Ok(Err(interrupted)),
        }
    }
    Ok(Ok(()))
}

impl waiting::HostPending for Host {
    async fn wait(&mut self, pending: Resource<Pending>) -> wasmtime::Result<Interrupted<()>> {
        let step = self.table.get(&pending)?.step;
        let scene = Arc::clone(&self.scene);
        all(&scene, &[step]).await
    }

    fn drop(&mut self, pending: Resource<Pending>) -> wasmtime::Result<()> {
        self.table.delete(pending)?;
        Ok(())
    }
}

impl timers::Host for Host {
    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        Ok(self.scene.ledger().now(self.scene.id).unix_ms())
    }

    async fn sleep(&mut self, ms: u64) -> wasmtime::Result<Interrupted<()>> {
        let (step, _) = self.ask(Question::Timer { ms })?;
        let scene = Arc::clone(&self.scene);
        let slept = all(&scene, &[step]).await;
        scene.ledger().release(scene.id, step);
        slept
    }

    fn start(&mut self, ms: u64) -> wasmtime::Result<Resource<Pending>> {
        let (step, _) = self.ask(Question::Timer { ms })?;
        self.pending(step)
    }
}

async fn signal(scene: &Scene, step: u32) -> wasmtime::Result<Interrupted<String>> {
    Ok(came(scene, step).await?.map(|came| match came {
        Came::Signal(payload) => payload.as_str().to_owned(),
        other => unreachable!("a signal comes as a signal, not as {other:?}"),
    }))
}

impl signals::Host for Host {
    async fn receive(&mut self, name: String) -> wasmtime::Result<Interrupted<String>> {
        let (step, _) = self.ask(Question::Signal { name })?;
        let scene = Arc::clone(&self.scene);
        let received = signal(&scene, step).await;
        scene.ledger().release(scene.id, step);
        received
    }

    fn next(&mut self, name: String) -> wasmtime::Result<Resource<Awaited>> {
        let (step, _) = self.ask(Question::Signal { name })?;
        Ok(self.table.push(Awaited { step, child: None })?)
    }
}

impl signals::HostSignal for Host {
    async fn wait(&mut self, handle: Resource<Awaited>) -> wasmtime::Result<Interrupted<String>> {
        let step = self.table.get(&handle)?.step;
        let scene = Arc::clone(&self.scene);
        signal(&scene, step).await
    }

    fn subscribe(&mut self, handle: Resource<Awaited>) -> wasmtime::Result<Resource<Pending>> {
        let step = self.table.get(&handle)?.step;
        self.pending(step)
    }

    fn drop(&mut self, handle: Resource<Awaited>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

async fn decision(scene: &Scene, step: u32) -> wasmtime::Result<Interrupted<approvals::Decision>> {
    Ok(came(scene, step).await?.map(|came| match came {
        Came::Answer(Answer::Approved(decision)) => approvals::Decision {
            choice: decision.choice,
            by: Some(decision.by),
            comment: decision.comment,
        },
        Came::Answer(Answer::Silence { choice }) => {
            approvals::Decision { choice, by: None, comment: String::new() }
        }
        other => unreachable!("a question is answered by a decision, not by {other:?}"),
    }))
}

impl Host {
    fn question(&self, question: approvals::Question) -> wasmtime::Result<u32> {
        let approvals::Question { text, options, approvers, deadline_ms, silence } = question;
        let wrong = |why: &str| Err(wasmtime::Error::msg(format!("a question {why}")));
        if options.is_empty() || options.len() > MOST_WORDS || approvers.len() > MOST_WORDS {
            return wrong("has between 1 and 100 options, and at most 100 approvers");
        }
        if silence.as_ref().is_some_and(|silence| !options.contains(silence)) {
            return wrong("says for silence what is none of its options");
        }
        if deadline_ms.is_some() != silence.is_some() {
            return wrong("with a deadline says what counts after it, and without one does not");
        }
        let approval = Approval { question: text, options, approvers, due: None, silence };
        let step = self.ask(Question::Approval { approval, deadline_ms })?.0;
        let cx = self.scene.cx.clone();
        if !cx.ledger().is_replay() {
            // Whoever is to answer reads the question in the store, also while the workflow stays in memory.
            tokio::spawn(async move {
                if let Err(error) = cx.run().hand_over().await {
                    cx.ledger().fail(Stop::Journal(error));
                }
            });
        }
        Ok(step)
    }
}

impl approvals::Host for Host {
    async fn ask(
        &mut self,
        question: approvals::Question,
    ) -> wasmtime::Result<Interrupted<approvals::Decision>> {
        let step = self.question(question)?;
        let scene = Arc::clone(&self.scene);
        decision(&scene, step).await
    }

    fn start(&mut self, question: approvals::Question) -> wasmtime::Result<Resource<Awaited>> {
        let step = self.question(question)?;
        Ok(self.table.push(Awaited { step, child: None })?)
    }
}

impl approvals::HostApproval for Host {
    async fn wait(
        &mut self,
        handle: Resource<Awaited>,
    ) -> wasmtime::Result<Interrupted<approvals::Decision>> {
        let step = self.table.get(&handle)?.step;
        let scene = Arc::clone(&self.scene);
        decision(&scene, step).await
    }

    fn subscribe(&mut self, handle: Resource<Awaited>) -> wasmtime::Result<Resource<Pending>> {
        let step = self.table.get(&handle)?.step;
        self.pending(step)
    }

    fn drop(&mut self, handle: Resource<Awaited>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl policies::Host for Host {}

impl policies::HostPolicy for Host {
    fn new(&mut self, options: policies::Options) -> wasmtime::Result<Resource<PolicyHandle>> {
        let retry = options.retry.map(|retry| Retry {
            max_attempts: retry.max_attempts.max(1),
            first_delay: Duration::from_millis(retry.first_delay_ms),
            growth_percent: retry.growth_percent,
            max_delay: Duration::from_millis(retry.max_delay_ms),
            jitter_percent: retry.jitter_percent,
            retry_codes: retry.retry_codes,
            fatal_codes: retry.fatal_codes,
        });
        let options = Options {
            retry,
            attempt: options.attempt_timeout_ms.map(Duration::from_millis),
            total: options.total_timeout_ms.map(Duration::from_millis),
        };
        let handle = self.table.push(PolicyHandle)?;
        self.policies.push((handle.rep(), Arc::new(options)));
        Ok(handle)
    }

    fn drop(&mut self, handle: Resource<PolicyHandle>) -> wasmtime::Result<()> {
        self.policies.retain(|(rep, _)| *rep != handle.rep());
        self.table.delete(handle)?;
        Ok(())
    }
}

/// What a dynamic call gives for how its callee ended.
fn result_of(ended: Result<Outcome, Fault>) -> Result<String, dynamic::CallError> {
    match ended {
        Ok(Outcome::Ok(value)) => Ok(value.as_str().to_owned()),
        Ok(Outcome::Failed(value)) => Err(failed(&value)),
        Ok(Outcome::Fault(fault)) | Err(fault) => Err(told(fault)),
    }
}

impl dynamic::Host for Host {
    async fn call(
        &mut self,
        interface: String,
        function: String,
        arguments: String,
    ) -> wasmtime::Result<Result<String, dynamic::CallError>> {
        let scene = Arc::clone(&self.scene);
        let found = super::by_name(&self.links, &interface, &function, &arguments);
        let (ready, function, arguments) = match found {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let options = self.options();
        match step::make(&scene, &ready, &function, &arguments.values, options).await {
            Ok((_, outcome)) => Ok(result_of(Ok(outcome))),
            Err(crate::call::Cut::Fault(fault)) if link::may_be_absorbed(&fault) => {
                Ok(result_of(Err(fault)))
            }
            Err(cut) => Err(unwound(&scene, cut)),
        }
    }

    fn start(
        &mut self,
        interface: String,
        function: String,
        arguments: String,
    ) -> wasmtime::Result<Result<Resource<Started>, dynamic::CallError>> {
        let scene = Arc::clone(&self.scene);
        let found = super::by_name(&self.links, &interface, &function, &arguments);
        let (ready, function, arguments) = match found {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let options = self.options();
        let begun = step::start(&scene, &ready, &function, arguments.values, options)
            .map_err(|cut| unwound(&scene, cut))?;
        Ok(Ok(self.table.push(Started::new(begun, &function))?))
    }
}

fn unwound(scene: &Scene, cut: crate::call::Cut) -> wasmtime::Error {
    match cut {
        crate::call::Cut::Fault(fault) => wasmtime::Error::new(crate::fault::Raised(fault)),
        crate::call::Cut::Halt(halt) => scene.halted(halt),
    }
}

impl dynamic::HostStarted for Host {
    async fn wait(
        &mut self,
        handle: Resource<Started>,
    ) -> wasmtime::Result<Result<String, dynamic::CallError>> {
        let started = self.table.get_mut(&handle)?;
        let (step, check) = (started.step, started.take_check());
        let scene = Arc::clone(&self.scene);
        let outcome = outcome_of(&scene, step).await?;
        checked(&scene, check).await?;
        Ok(result_of(outcome))
    }

    fn subscribe(&mut self, handle: Resource<Started>) -> wasmtime::Result<Resource<Pending>> {
        let step = self.table.get(&handle)?.step;
        self.pending(step)
    }

    fn cancel(&mut self, handle: Resource<Started>) -> wasmtime::Result<()> {
        let step = self.table.get(&handle)?.step;
        self.give_up(step)
    }

    fn drop(&mut self, handle: Resource<Started>) -> wasmtime::Result<()> {
        let started = self.table.delete(handle)?;
        tracing::trace!(function = %started.function.path(), "a started call is let go");
        self.let_go(started.step)
    }
}

impl children::Host for Host {
    fn start(
        &mut self,
        interface: String,
        function: String,
        arguments: String,
        detached: bool,
    ) -> wasmtime::Result<Result<Resource<Awaited>, children::CallError>> {
        let scene = Arc::clone(&self.scene);
        // A repetition starts none: those of the history are known by it.
        let port = scene.cx.children().cloned();
        if port.is_none() && !scene.ledger().is_replay() {
            let error = call_error("unavailable", "this run cannot have children".to_owned());
            return Ok(Err(error));
        }
        let found = super::by_name(&self.links, &interface, &function, &arguments);
        let (ready, function, _) = match found {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let input = Json::parse(arguments)?;
        let run = port.as_ref().map_or(RunId::from_bytes([0; 16]), |port| port.new_id());
        let function = function.path().to_owned();
        let child = Child { run, interface, function, input, detached };
        let (step, run) = self.ask(Question::Child(child.clone()))?;
        let Some(run) = run else { unreachable!("a child is asked for and found as one") };
        let child = Child { run, ..child };
        let open = !scene.ledger().is_settled(scene.id, step) && !scene.ledger().is_replay();
        if let (true, Some(port)) = (open, port) {
            let parent = Parent { run: scene.run().id(), call: scene.id, step, depth: 0 };
            let started = StartedChild { child, parent, ready };
            watch(&scene, step, started, port);
        }
        Ok(Ok(self.table.push(Awaited { step, child: Some(run) })?))
    }
}

/// Carries the child's end into the parent's journal.
fn watch(scene: &Scene, step: u32, started: StartedChild, port: Arc<dyn crate::Children>) {
    let attached = (!started.child.detached).then_some(started.child.run);
    let (cx, flow) = (scene.cx.clone(), scene.id);
    let task = tokio::spawn(async move {
        // That it was asked for must not be lost when its own journal is not: the next host would ask for another.
        if let Err(error) = cx.run().hand_over().await {
            return cx.ledger().fail(Stop::Journal(error));
        }
        let Some(outcome) = port.start(started).await else {
            // How the child ends is not for this host to say now: the parent leaves memory, and asks again.
            let wake_at = Some(later(cx.run().now(), ASK_AGAIN));
            return cx.ledger().halt(Halt::Suspended(Waiting { on: WaitsOn::Child, wake_at }));
        };
        if let Err(stop) = cx.ledger().answer(flow, step, Answer::Child(outcome)) {
            cx.ledger().fail(stop);
        }
    });
    let running = Running { call: None, child: attached, task: task.abort_handle(), nested: true };
    scene.ledger().runs(flow, step, running);
}

impl children::HostChild for Host {
    fn run_id(&mut self, handle: Resource<Awaited>) -> wasmtime::Result<String> {
        let child = self.table.get(&handle)?.child;
        Ok(child.map(|run| run.to_string()).unwrap_or_default())
    }

    async fn wait(
        &mut self,
        handle: Resource<Awaited>,
    ) -> wasmtime::Result<Result<String, children::CallError>> {
        let step = self.table.get(&handle)?.step;
        let scene = Arc::clone(&self.scene);
        Ok(result_of(outcome_of(&scene, step).await?))
    }

    fn subscribe(&mut self, handle: Resource<Awaited>) -> wasmtime::Result<Resource<Pending>> {
        let step = self.table.get(&handle)?.step;
        self.pending(step)
    }

    fn cancel(&mut self, handle: Resource<Awaited>) -> wasmtime::Result<()> {
        let child = self.table.get(&handle)?.child;
        let (cx, replay) = (self.scene.cx.clone(), self.scene.ledger().is_replay());
        if let (Some(run), false) = (child, replay) {
            tokio::spawn(async move {
                // Why it shall end must not be lost when it is kept that it shall.
                if let (Ok(()), Some(children)) = (cx.run().hand_over().await, cx.children()) {
                    children.cancel(run);
                }
            });
        }
        Ok(())
    }

    fn drop(&mut self, handle: Resource<Awaited>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}
