//! The calls that a workflow makes: each is found in the run's history or made now, tried again as its policy says, and
//! recorded. It decides nothing about order: that is the ledger's.

use std::sync::Arc;
use std::time::Duration;

use longshore_journal::Durability;
use longshore_model::{
    AttemptFailed, CallEnded, CallStarted, Divergence, Event, Fault, FaultKind, LimitName, Outcome,
    Usage,
};
use longshore_reference::Digest;
use tokio::time::Instant;
use wasmtime::component::Val;

use crate::call::{self, Cut, RunContext, Scene, Stdio, cancelled};
use crate::compiled::Function;
use crate::fault;
use crate::ledger::{Halt, Mode, Place, Running, Stop, Wanted};
use crate::link::{self, Ready};
use crate::retry::Options;
use crate::value::Returned;

/// How much earlier than its caller a callee is stopped, so that its end is recorded before the caller's.
const AHEAD: Duration = Duration::from_millis(2);

fn before(deadline: Instant) -> Instant {
    deadline.checked_sub(AHEAD).unwrap_or(deadline)
}

/// A call that a workflow makes.
pub(crate) struct Step {
    ready: Arc<Ready>,
    function: Arc<Function>,
    place: Place,
    options: Option<Arc<Options>>,
    cx: RunContext,
    /// The workflow's call.
    flow: u32,
    depth: u32,
    path: String,
    /// A callee never outlives its caller.
    deadline: Instant,
    input: Digest,
    input_bytes: u64,
}

/// Makes a call and waits for its end.
pub(crate) async fn make(
    parent: &Arc<Scene>,
    ready: &Arc<Ready>,
    function: &Arc<Function>,
    params: &[Val],
    options: Option<Arc<Options>>,
) -> Result<(Vec<Val>, Outcome), Cut> {
    let step = Step::begin(parent, ready, function, params, options)?;
    let ledger = parent.ledger();
    if let Some(outcome) = &step.place.outcome {
        ledger.see(step.flow, step.place.step);
        step.check(params, outcome).await.map_err(Cut::Halt)?;
        return step.repeated(parent, outcome.clone());
    }
    if ledger.mode() == Mode::Replay {
        return Err(Cut::Halt(Halt::Exhausted));
    }
    let (values, outcome, usage) = if ready.compiled().is_workflow() {
        // It is told itself that the run shall end.
        Box::pin(step.perform(params)).await.map_err(Cut::Halt)?
    } else {
        tokio::select! {
            biased;
            () = ledger.told_to_end(step.flow) => {
                (Vec::new(), Outcome::Fault(cancelled()), Usage::default())
            }
            ended = Box::pin(step.perform(params)) => ended.map_err(Cut::Halt)?,
        }
    };
    parent.cx.add_usage(&usage);
    let ended = CallEnded { call: step.place.call, outcome: outcome.clone(), usage };
    match (ledger.ended(step.flow, ended), outcome) {
        (Ok(()), Outcome::Fault(fault)) => {
            // Where it was its caller's deadline that passed, the caller has no time left to make something of it.
            if fault.kind == FaultKind::Deadline && Instant::now() >= step.deadline {
                tokio::time::sleep(2 * AHEAD).await;
            }
            Err(Cut::Fault(fault))
        }
        (Ok(()), outcome) => Ok((values, outcome)),
        (Err(stop), _) => Err(unrecorded(stop)),
    }
}

/// A call that was started, and what is left to do before its result is given.
pub(crate) struct Begun {
    pub(crate) place: Place,
    /// The result in the history is to be computed again first.
    pub(crate) check: Option<Box<Check>>,
}

/// A result in the history that is to be computed again.
pub(crate) struct Check {
    step: Step,
    params: Vec<Val>,
    outcome: Outcome,
}

impl Check {
    /// Computes it again; that it came to something else is the reason to stop.
    pub(crate) async fn run(&self) -> Result<(), Halt> {
        self.step.check(&self.params, &self.outcome).await
    }
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Check").field(&self.step.path).finish()
    }
}

/// Starts a call that runs beside its workflow.
pub(crate) fn start(
    parent: &Arc<Scene>,
    ready: &Arc<Ready>,
    function: &Arc<Function>,
    params: Vec<Val>,
    options: Option<Arc<Options>>,
) -> Result<Begun, Cut> {
    let step = Step::begin(parent, ready, function, &params, options)?;
    let (place, cx) = (step.place.clone(), parent.cx.clone());
    if let Some(outcome) = place.outcome.clone() {
        let check = step.checked().map(|_| Box::new(Check { step, params, outcome }));
        return Ok(Begun { place, check });
    }
    if parent.ledger().mode() == Mode::Replay {
        return Ok(Begun { place, check: None });
    }
    let nested = ready.compiled().is_workflow();
    let (flow, number, call) = (step.flow, place.step, place.call);
    let task = tokio::spawn(async move {
        let Ok(_turn) = cx.slots().acquire().await else { return };
        let ended = match step.perform(&params).await {
            Ok((_, outcome, usage)) => {
                cx.add_usage(&usage);
                CallEnded { call: step.place.call, outcome, usage }
            }
            Err(halt) => return cx.ledger().halt(halt),
        };
        if let Err(stop) = cx.ledger().settle_call(flow, number, ended) {
            cx.ledger().fail(stop);
        }
    });
    let running = Running { call: Some(call), child: None, task: task.abort_handle(), nested };
    parent.ledger().runs(flow, number, running);
    Ok(Begun { place, check: None })
}

/// What a call that was made before gives its caller.
pub(crate) fn repeated(
    parent: &Scene,
    function: &Function,
    outcome: Outcome,
) -> Result<(Vec<Val>, Outcome), Cut> {
    let returned = match &outcome {
        Outcome::Fault(fault) => return Err(Cut::Fault(fault.clone())),
        Outcome::Ok(json) => Returned::Ok(json.as_str()),
        Outcome::Failed(json) => Returned::Failed(json.as_str()),
    };
    let values = function.signature().and_then(|s| Ok(s.decode_outcome(returned)?));
    match values {
        Ok(values) => Ok((values, outcome)),
        Err(error) => {
            let divergence = Divergence {
                call: parent.id,
                step: 0,
                history: format!("a result of `{}` that {error}", function.path()),
                asked: "a result of another type".to_owned(),
                recomputed: false,
            };
            Err(Cut::Halt(Halt::Diverged(divergence)))
        }
    }
}

impl Step {
    /// Finds the call in the history, or records its intent.
    fn begin(
        parent: &Arc<Scene>,
        ready: &Arc<Ready>,
        function: &Arc<Function>,
        params: &[Val],
        options: Option<Arc<Options>>,
    ) -> Result<Self, Cut> {
        let depth = parent.depth + 1;
        let deepest = parent.grant.limits().call_depth;
        if u64::from(depth) > deepest {
            let message =
                format!("calls are nested deeper than the limit `call-depth` of {deepest}");
            return Err(Fault::limit(FaultKind::Budget, LimitName::CallDepth, message).into());
        }
        if !parent.count(LimitName::Calls, 1) {
            let most = parent.grant.limits().calls;
            let message = format!("the run went past its limit `calls` of {most}");
            return Err(Fault::limit(FaultKind::Budget, LimitName::Calls, message).into());
        }
        let json = link::written(function, params, parent.grant.limits().input_bytes)?;
        let (input, input_bytes) = (Digest::of(json.as_bytes()), json.len() as u64);
        let component = ready.compiled().digest();
        let wanted = Wanted { component, function: function.path(), input, input_bytes };
        let place = parent.ledger().call(parent.id, &wanted).map_err(unrecorded)?;
        let path = format!("{}.{}", parent.path, place.step);
        Ok(Self {
            ready: Arc::clone(ready),
            function: Arc::clone(function),
            options,
            cx: parent.cx.clone(),
            flow: parent.id,
            depth,
            path,
            deadline: before(parent.deadline()),
            input,
            input_bytes,
            place,
        })
    }

    fn repeated(&self, parent: &Scene, outcome: Outcome) -> Result<(Vec<Val>, Outcome), Cut> {
        repeated(parent, &self.function, outcome)
    }

    /// Which attempt is to be computed again: of the very component that is here, where the run was moved since.
    fn checked(&self) -> Option<u32> {
        let (attempt, component) = self.place.checked?;
        let same = component == self.ready.compiled().digest();
        (same && self.ready.is_pure()).then_some(attempt)
    }

    /// Computes again what the history has as `outcome`, where that can be done; nothing of it is recorded. Ends that are
    /// not the component's own doing, such as a deadline, say nothing.
    async fn check(&self, params: &[Val], outcome: &Outcome) -> Result<(), Halt> {
        let (Some(attempt), Outcome::Ok(_) | Outcome::Failed(_)) = (self.checked(), outcome) else {
            return Ok(());
        };
        let mut scene = self.scene(attempt);
        scene.quiet = true;
        let (_, again) = self.invoke(scene, params, &mut Usage::default()).await?;
        if again == *outcome {
            return Ok(());
        }
        let name = self.function.path();
        let told = |outcome: &Outcome| match outcome {
            Outcome::Ok(json) | Outcome::Failed(json) => {
                format!("`{}` with {} from `{name}`", outcome.word(), json.digest())
            }
            Outcome::Fault(fault) => format!("{} from `{name}`", fault.kind.code()),
        };
        Err(Halt::Diverged(Divergence {
            call: self.flow,
            step: self.place.step,
            history: told(outcome),
            asked: told(&again),
            recomputed: true,
        }))
    }

    /// Carries the call out, with as many attempts as its policy allows.
    async fn perform(&self, params: &[Val]) -> Result<(Vec<Val>, Outcome, Usage), Halt> {
        let nested = self.ready.compiled().is_workflow();
        let (mut attempt, mut failed) = (self.place.attempts.max(1), self.place.failed);
        let mut usage = Usage::default();
        if self.place.again && !nested {
            // It began and its end is not known: it is made again, under the same key.
            attempt += 1;
            if let Some(next) = self.place.next {
                self.sleep_until(next).await;
            }
            if let Err(error) = self.attempt_starts(attempt) {
                return Ok((Vec::new(), Outcome::Fault(fault::unrecorded(&error)), usage));
            }
        }
        loop {
            let (values, outcome) = self.attempt(attempt, params, &mut usage).await?;
            let options = self.options.as_deref().filter(|_| !nested);
            let Some(pause) =
                options.and_then(|o| o.again(failed, &outcome, || self.entropy(attempt)))
            else {
                return Ok((values, outcome, usage));
            };
            let next = later(self.cx.run().now(), pause);
            if self.out_of_time(next) {
                return Ok((values, outcome, usage));
            }
            let call = self.place.call;
            let event = AttemptFailed { call, attempt, outcome, next };
            let told = self.cx.run().record(Event::AttemptFailed(Box::new(event)));
            if let Err(error) = told {
                return Ok((Vec::new(), Outcome::Fault(fault::unrecorded(&error)), usage));
            }
            (attempt, failed) = (attempt + 1, failed + 1);
            self.sleep_until(next).await;
            if let Err(error) = self.attempt_starts(attempt) {
                return Ok((Vec::new(), Outcome::Fault(fault::unrecorded(&error)), usage));
            }
        }
    }

    async fn attempt(
        &self,
        attempt: u32,
        params: &[Val],
        usage: &mut Usage,
    ) -> Result<(Vec<Val>, Outcome), Halt> {
        if self.ready.intent() == Durability::Synced
            && let Err(error) = self.cx.run().sync().await
        {
            return Ok((Vec::new(), Outcome::Fault(fault::unrecorded(&error))));
        }
        let mut scene = self.scene(attempt);
        if let Some(most) = self.options.as_deref().and_then(|o| self.time_left(o)) {
            scene.limit = scene.limit.min(Instant::now() + most);
        }
        self.invoke(scene, params, usage).await
    }

    fn scene(&self, attempt: u32) -> Scene {
        let mut scene = Scene::new(&self.cx, self.place.call, self.depth, self.ready.grant());
        scene.attempt = attempt;
        scene.path.clone_from(&self.path);
        scene.durable = self.ready.compiled().is_workflow();
        scene.pure = self.ready.is_pure();
        // What is pure has no deadline of its own: a clock would stop it elsewhere the next time. Its fuel does.
        let own = if scene.pure { self.deadline } else { scene.limit };
        scene.limit = own.min(self.deadline);
        scene
    }

    async fn invoke(
        &self,
        scene: Scene,
        params: &[Val],
        usage: &mut Usage,
    ) -> Result<(Vec<Val>, Outcome), Halt> {
        let (scene, stdio) = (Arc::new(scene), Stdio::default());
        let called = call::invoke(&self.ready, scene, &self.function, params, &stdio).await;
        usage.add(&called.usage);
        match called.values {
            Ok(values) => {
                let most = self.ready.grant().limits().output_bytes;
                let outcome = link::outcome(&self.function, &values, most);
                Ok((values, outcome))
            }
            Err(Cut::Fault(fault)) => Ok((Vec::new(), Outcome::Fault(fault))),
            Err(Cut::Halt(halt)) => Err(halt),
        }
    }

    fn attempt_starts(&self, attempt: u32) -> Result<(), longshore_journal::Error> {
        let started = CallStarted {
            call: self.place.call,
            parent: Some(self.flow),
            component: self.ready.compiled().digest(),
            function: self.function.path().to_owned(),
            input: self.input,
            input_bytes: self.input_bytes,
            attempt,
        };
        self.cx.run().record(Event::CallStarted(started)).map(|_| ())
    }

    /// How long the next attempt may take, as the policy says.
    fn time_left(&self, options: &Options) -> Option<Duration> {
        let spent = self.spent(self.cx.run().now());
        let total = options.total.map(|total| total.saturating_sub(spent));
        options.attempt.into_iter().chain(total).min()
    }

    fn out_of_time(&self, next: longshore_model::Timestamp) -> bool {
        let total = self.options.as_deref().and_then(|options| options.total);
        total.is_some_and(|total| self.spent(next) >= total)
    }

    fn spent(&self, now: longshore_model::Timestamp) -> Duration {
        Duration::from_micros(now.unix_us().saturating_sub(self.place.started.unix_us()))
    }

    async fn sleep_until(&self, at: longshore_model::Timestamp) {
        let now = self.cx.run().now();
        tokio::time::sleep(Duration::from_micros(at.unix_us().saturating_sub(now.unix_us()))).await;
    }

    /// A number from the journal's randomness, the same for this attempt of this step in every repetition.
    fn entropy(&self, attempt: u32) -> u64 {
        let seed = self.cx.seed().map_or([0; 32], |seed| *seed.as_bytes());
        let mut hasher = blake3::Hasher::new_keyed(&seed);
        hasher.update(b"longshore retry v1\n");
        hasher.update(self.path.as_bytes());
        hasher.update(&attempt.to_le_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        u64::from_le_bytes(first)
    }
}

/// The time `by` after `at`.
pub(crate) fn later(at: longshore_model::Timestamp, by: Duration) -> longshore_model::Timestamp {
    let us = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
    longshore_model::Timestamp::from_unix_us(at.unix_us().saturating_add(us))
}

/// What a workflow's call comes to whose request was not taken.
pub(crate) fn unrecorded(stop: Stop) -> Cut {
    match stop {
        Stop::Halt(halt) => Cut::Halt(halt),
        Stop::Cancelled => Cut::Fault(cancelled()),
        Stop::Journal(error) => Cut::Fault(fault::unrecorded(&error)),
    }
}
