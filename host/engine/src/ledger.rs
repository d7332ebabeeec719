//! What the workflows of one run asked for, in order, and what came of it: the journal's side of every wait.
//!
//! A run that goes on after its host died begins with its history in here. A workflow that asks for what it asked for before
//! gets what came of it then; one that asks for something else has diverged. Every event that a workflow can see is recorded
//! and entered under one lock, so that the order in which things came is the journal's order, now and in every repetition.

mod load;
mod mail;
mod wait;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use longshore_journal::{Run, Waiting, WaitsOn};
use longshore_model::{
    Answer, Answered, Approval, Ask, Asked, CallEnded, CallId, CallStarted, Child, Continue,
    Divergence, Event, Fault, FaultKind, Json, Outcome, RunId, Timestamp, Usage,
};
use longshore_reference::Digest;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use self::mail::Mail;

/// Why a workflow does not go on here and now, without having ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Halt {
    /// It can only wait.
    Suspended(Waiting),
    /// Its code asked for something else than its history says.
    Diverged(Divergence),
    /// Its history ends here, and nothing may be done beyond it.
    Exhausted,
    /// It goes on as a new run.
    Continued(Continue),
}

/// Why asking or waiting gave nothing.
#[derive(Debug)]
pub(crate) enum Stop {
    Halt(Halt),
    /// Somebody asked for the run to end.
    Cancelled,
    Journal(longshore_journal::Error),
}

/// Whether anything beyond the history may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As ever.
    Live,
    /// Only what the history has.
    Replay,
}

/// A place in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    run: Run,
    mode: Mode,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    flows: HashMap<CallId, Flow>,
    /// Calls without an end, and whose they are.
    calls: HashMap<CallId, Open>,
    next_call: CallId,
    mail: HashMap<String, Mail>,
    /// Signals whose senders gave them an id.
    known: HashSet<String>,
    cancel: Option<Moment>,
    /// In the words of whoever asked.
    cancel_reason: String,
    halt: Option<Halt>,
    /// Why nothing more can be recorded.
    failed: Option<longshore_journal::Error>,
    /// The ends of root calls.
    ended: HashMap<CallId, Outcome>,
    /// Calls whose results are computed again, where they can be, with the attempts at them and the components.
    checked: HashMap<CallId, (u32, Digest)>,
}

/// A call that began and has not ended.
#[derive(Clone, Debug, Default)]
struct Open {
    /// The workflow that made it, and which of its requests it is; none for a root call.
    owner: Option<(CallId, u32)>,
    attempts: u32,
    /// How many of them failed, and when the next is due.
    failed: u32,
    next: Option<Timestamp>,
    started: Moment,
}

/// One workflow's call.
#[derive(Debug, Default)]
struct Flow {
    /// What it asked for in its history and has not yet asked for again.
    requests: VecDeque<Recorded>,
    step: u32,
    /// How many requests its history has, version markers not counted.
    asked: u32,
    /// What came of its requests.
    settled: HashMap<u32, Settled>,
    /// Times after which a request settles by itself.
    due: HashMap<u32, (Timestamp, Answer)>,
    /// What kinds of things it asked for.
    kinds: HashMap<u32, WaitsOn>,
    /// The last thing that it saw.
    seen: Moment,
    /// Whether it was told that the run shall end.
    told: bool,
    /// Signals that it looked at.
    received: HashSet<u32>,
    versions: HashMap<String, u32>,
    /// Log lines of its history that it will write again.
    lines: u64,
    /// What was started and is under way beside it.
    running: HashMap<u32, Running>,
    closed: bool,
}

/// What is under way beside a workflow.
#[derive(Debug)]
pub(crate) struct Running {
    /// The call; none for a child, which has a journal of its own.
    pub(crate) call: Option<CallId>,
    /// The child that does not outlive it.
    pub(crate) child: Option<RunId>,
    pub(crate) task: AbortHandle,
    /// Whether it is a workflow, and so is told itself that the run shall end.
    pub(crate) nested: bool,
}

#[derive(Debug)]
struct Recorded {
    at: Moment,
    what: Request,
}

#[derive(Debug)]
enum Request {
    Call { call: CallId, function: String, input: Digest },
    Ask(Ask),
}

impl Request {
    fn describe(&self) -> String {
        match self {
            Self::Call { function, input, .. } => called(function, *input),
            Self::Ask(ask) => ask.describe(),
        }
    }

    const fn is_version(&self) -> bool {
        matches!(self, Self::Ask(Ask::Version { .. }))
    }
}

fn called(function: &str, input: Digest) -> String {
    format!("a call of `{function}` with input {input}")
}

#[derive(Clone, Debug)]
struct Settled {
    at: Moment,
    what: Came,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub(crate) enum Came {
    Outcome(Outcome),
    Answer(Answer),
    Signal(Json),
}

/// A call that a workflow makes.
pub(crate) struct Wanted<'w> {
    pub(crate) component: Digest,
    pub(crate) function: &'w str,
    pub(crate) input: Digest,
    pub(crate) input_bytes: u64,
}

/// A call that a workflow made, now or before.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) call: CallId,
    pub(crate) step: u32,
    /// Attempts whose start is recorded.
    pub(crate) attempts: u32,
    /// How many of them failed, and when the next is due.
    pub(crate) failed: u32,
    pub(crate) next: Option<Timestamp>,
    /// When the first attempt started.
    pub(crate) started: Timestamp,
    /// Whether its start is in the history, and its end is not.
    pub(crate) again: bool,
    /// Its end, where the history has it.
    pub(crate) outcome: Option<Outcome>,
    /// Which attempt of which component came to that end, where it is compared with what comes of computing it again.
    pub(crate) checked: Option<(u32, Digest)>,
}

/// Something else that a workflow asks for.
pub(crate) enum Question {
    Timer { ms: u64 },
    Signal { name: String },
    Approval { approval: Approval, deadline_ms: Option<u64> },
    Child(Child),
    Continue(Continue),
}

impl Ledger {
    pub(crate) fn new(run: Run, mode: Mode) -> Self {
        Self { run, mode, state: Mutex::default(), changed: Notify::new() }
    }

    pub(crate) fn run(&self) -> &Run {
        &self.run
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// Has the results of these calls computed again, where they can be; said before a history is entered.
    pub(crate) fn check(&self, calls: impl IntoIterator<Item = (CallId, Digest)>) {
        let calls = calls.into_iter().map(|(call, component)| (call, (1, component)));
        self.lock().checked.extend(calls);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What is entered is entered whole, after it was recorded.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a root call: the one in the history, if there is one that did not end.
    pub(crate) fn root(&self) -> Place {
        let mut state = self.lock();
        if let Some((&call, outcome)) = state.ended.iter().next() {
            let outcome = Some(outcome.clone());
            return Place { call, outcome, ..Place::fresh(call, 0) };
        }
        let open = state.calls.iter().find(|(_, open)| open.owner.is_none() && open.attempts > 0);
        if let Some((&call, open)) = open {
            let place = Place::open(call, 0, open);
            // Of two calls of a session, the second is a new one.
            if let Some(open) = state.calls.get_mut(&call) {
                open.attempts = 0;
            }
            return place;
        }
        let call = state.next_call;
        state.next_call += 1;
        Place::fresh(call, 0)
    }

    /// Records the start of an attempt; what a workflow saw last begins with it.
    pub(crate) fn started(&self, event: CallStarted) -> Result<Moment, Stop> {
        let (call, _) = (event.call, event.attempt);
        let mut state = self.lock();
        let at = self.record(Event::CallStarted(event))?;
        let flow = state.flows.entry(call).or_default();
        flow.seen = flow.seen.max(at);
        Ok(at)
    }

    /// The journal failed beside a workflow; it is told at its next wait.
    pub(crate) fn fail(&self, stop: Stop) {
        if let Stop::Journal(error) = stop {
            self.lock().failed.get_or_insert(error);
            self.changed.notify_waiters();
        }
    }

    fn record(&self, event: Event) -> Result<Moment, Stop> {
        let (seq, at) = self.run.record_at(event).map_err(Stop::Journal)?;
        Ok(Moment { seq, at })
    }

    /// Forgets a flow that nobody will ask for again.
    pub(crate) fn forget(&self, call: CallId) {
        self.lock().flows.remove(&call);
    }

    /// The journal's time as this workflow knows it.
    pub(crate) fn now(&self, flow: CallId) -> Timestamp {
        self.lock().flows.get(&flow).map_or_else(Timestamp::default, |flow| flow.seen.at)
    }

    /// Whether a line that the workflow writes is in its history already.
    pub(crate) fn wrote_before(&self, flow: CallId) -> bool {
        let mut state = self.lock();
        let Some(flow) = state.flows.get_mut(&flow) else { return false };
        let before = flow.lines > 0;
        flow.lines = flow.lines.saturating_sub(1);
        before
    }

    /// A call that the workflow makes: found in its history, or recorded now.
    pub(crate) fn call(&self, flow: CallId, wanted: &Wanted<'_>) -> Result<Place, Stop> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let own = state.flows.entry(flow).or_default();
        own.step += 1;
        let step = own.step;
        if let Some(recorded) = own.next_request() {
            let Request::Call { call, function, input } = &recorded.what else {
                return Err(own.diverged(flow, &recorded, called(wanted.function, wanted.input)));
            };
            if function != wanted.function || *input != wanted.input {
                return Err(own.diverged(flow, &recorded, called(wanted.function, wanted.input)));
            }
            own.seen = own.seen.max(recorded.at);
            let open = state.calls.get(call).cloned().unwrap_or_default();
            let outcome = own.settled.get(&step).map(|settled| match &settled.what {
                Came::Outcome(outcome) => outcome.clone(),
                other => unreachable!("a call ends with an outcome, not with {other:?}"),
            });
            let (again, checked) = (outcome.is_none(), state.checked.get(call).copied());
            return Ok(Place { again, outcome, checked, ..Place::open(*call, step, &open) });
        }
        if self.mode == Mode::Replay {
            return Err(Stop::Halt(Halt::Exhausted));
        }
        let call = state.next_call;
        let at = self.record(Event::CallStarted(CallStarted {
            call,
            parent: Some(flow),
            component: wanted.component,
            function: wanted.function.to_owned(),
            input: wanted.input,
            input_bytes: wanted.input_bytes,
            attempt: 1,
        }))?;
        state.next_call += 1;
        own.seen = at;
        state.flows.entry(call).or_default().seen = at;
        Ok(Place { started: at.at, attempts: 1, ..Place::fresh(call, step) })
    }

    /// The end of a call whose workflow waited for nothing else: recorded and seen at once.
    pub(crate) fn ended(&self, flow: CallId, ended: CallEnded) -> Result<(), Stop> {
        let mut state = self.lock();
        let call = ended.call;
        let cancelled =
            matches!(&ended.outcome, Outcome::Fault(f) if f.kind == FaultKind::Cancelled);
        let at = self.record(Event::CallEnded(ended))?;
        state.calls.remove(&call);
        state.flows.remove(&call);
        if let Some(own) = state.flows.get_mut(&flow) {
            own.seen = own.seen.max(at);
            own.told |= cancelled;
        }
        Ok(())
    }

    /// The workflow sees the end of a call that its history has.
    pub(crate) fn see(&self, flow: CallId, step: u32) {
        let mut state = self.lock();
        let Some(own) = state.flows.get_mut(&flow) else { return };
        if let Some(settled) = own.settled.remove(&step) {
            own.seen = own.seen.max(settled.at);
            own.told |= matches!(
                &settled.what,
                Came::Outcome(Outcome::Fault(fault)) if fault.kind == FaultKind::Cancelled
            );
        }
    }

    /// Says what runs beside the workflow behind `step`.
    pub(crate) fn runs(&self, flow: CallId, step: u32, running: Running) {
        let mut state = self.lock();
        let own = state.flows.entry(flow).or_default();
        if own.closed {
            running.task.abort();
        } else if !own.settled.contains_key(&step) {
            own.running.insert(step, running);
        }
    }

    /// The end of a call that runs beside its workflow. Nothing, when it was given up meanwhile.
    pub(crate) fn settle_call(
        &self,
        flow: CallId,
        step: u32,
        ended: CallEnded,
    ) -> Result<(), Stop> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(own) = state.flows.get_mut(&flow) else { return Ok(()) };
        if own.closed || own.settled.contains_key(&step) {
            return Ok(());
        }
        let (call, outcome) = (ended.call, ended.outcome.clone());
        let at = self.record(Event::CallEnded(ended))?;
        own.running.remove(&step);
        own.settled.insert(step, Settled { at, what: Came::Outcome(outcome) });
        state.calls.remove(&call);
        state.flows.remove(&call);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Stops a call that runs beside its workflow; its end is a fault of the kind `cancelled`.
    pub(crate) fn give_up(&self, flow: CallId, step: u32, why: &str) -> Result<(), Stop> {
        let running = self.lock().flows.get_mut(&flow).and_then(|own| own.running.remove(&step));
        let Some(running) = running else { return Ok(()) };
        running.task.abort();
        let Some(call) = running.call else { return Ok(()) };
        let outcome = Outcome::Fault(Fault::new(FaultKind::Cancelled, why));
        self.settle_call(flow, step, CallEnded { call, outcome, usage: Usage::default() })
    }

    /// Stops the actions that run beside a workflow which was told that the run shall end.
    pub(crate) fn give_up_actions(&self, flow: CallId) -> Result<(), Stop> {
        for step in self.running(flow, |running| running.call.is_some() && !running.nested) {
            self.give_up(flow, step, "the run was asked to end")?;
        }
        Ok(())
    }

    /// The children that do not outlive the workflow, and have not ended.
    pub(crate) fn attached(&self, flow: CallId) -> Vec<RunId> {
        let state = self.lock();
        let running = state.flows.get(&flow).into_iter().flat_map(|own| own.running.values());
        running.filter_map(|running| running.child).collect()
    }

    pub(crate) fn is_settled(&self, flow: CallId, step: u32) -> bool {
        self.lock().flows.get(&flow).is_some_and(|own| own.settled.contains_key(&step))
    }

    pub(crate) fn is_replay(&self) -> bool {
        self.mode == Mode::Replay
    }

    fn running(&self, flow: CallId, which: impl Fn(&Running) -> bool) -> Vec<u32> {
        let state = self.lock();
        let Some(own) = state.flows.get(&flow) else { return Vec::new() };
        let mut steps: Vec<u32> = own
            .running
            .iter()
            .filter(|(_, running)| which(running))
            .map(|(step, _)| *step)
            .collect();
        steps.sort_unstable();
        steps
    }

    /// What runs beside a workflow came to a stop that is not an end; the workflow does too.
    pub(crate) fn halt(&self, halt: Halt) {
        self.lock().halt.get_or_insert(halt);
        self.changed.notify_waiters();
    }

    /// Anything but a call that the workflow asks for: found in its history, or recorded now. With the id of the run that
    /// was made up for it, now or then.
    pub(crate) fn ask(
        &self,
        flow: CallId,
        question: Question,
    ) -> Result<(u32, Option<RunId>), Stop> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let own = state.flows.entry(flow).or_default();
        own.step += 1;
        let step = own.step;
        if !matches!(question, Question::Continue(_)) {
            own.pass_markers();
        }
        let ask = question.at(own.seen.at);
        if let (Ask::Continue(_), Some(cancel), false) = (&ask, state.cancel, own.told)
            && own.peek().is_none_or(|next| cancel < next.at)
        {
            // As at any wait: it is told once, before it goes on as a new run.
            (own.told, own.seen) = (true, own.seen.max(cancel));
            own.step -= 1;
            return Err(Stop::Cancelled);
        }
        let recorded = own.next_request();
        let (at, ask, known) = match recorded {
            Some(recorded) => {
                let Request::Ask(known) = &recorded.what else {
                    return Err(own.diverged(flow, &recorded, ask.describe()));
                };
                if !same(known, &ask) {
                    return Err(own.diverged(flow, &recorded, ask.describe()));
                }
                (recorded.at, known.clone(), true)
            }
            None if self.mode == Mode::Replay => return Err(Stop::Halt(Halt::Exhausted)),
            None => {
                let asked = Asked { call: flow, step, what: ask.clone() };
                (self.record(Event::Asked(Box::new(asked)))?, ask, false)
            }
        };
        own.seen = own.seen.max(at);
        own.note_due(step, &ask);
        let run = match &ask {
            Ask::Child(child) => Some(child.run),
            Ask::Continue(next) => Some(next.run),
            _ => None,
        };
        if let (Ask::Signal { name }, false) = (&ask, known) {
            state.mail.entry(name.clone()).or_default().waiting.push_back((flow, step, at));
            state.deliver(name);
        }
        Ok((step, run))
    }

    /// By which version of a change the workflow goes.
    pub(crate) fn version(
        &self,
        flow: CallId,
        change: &str,
        oldest: u32,
        newest: u32,
    ) -> Result<u32, Stop> {
        let mut guard = self.lock();
        let own = guard.flows.entry(flow).or_default();
        if let Some(&version) = own.versions.get(change) {
            return Ok(version);
        }
        let step = own.step;
        let markers = own.requests.iter().take_while(|recorded| recorded.what.is_version());
        let found = markers.enumerate().find_map(|(place, recorded)| match &recorded.what {
            Request::Ask(Ask::Version { change: known, version }) if known == change => {
                Some((place, *version))
            }
            _ => None,
        });
        let version = match found {
            Some((place, version)) => {
                let recorded = own.requests.remove(place);
                if let Some(marker) = &recorded {
                    own.seen = own.seen.max(marker.at);
                }
                let recorded = recorded.filter(|_| !(oldest..=newest).contains(&version));
                if let Some(recorded) = recorded {
                    let asked = format!("versions {oldest} to {newest} of `{change}`");
                    return Err(own.diverged(flow, &recorded, asked));
                }
                version
            }
            // It went on without the marker when it was here.
            None if own.requests.iter().any(|recorded| !recorded.what.is_version()) => oldest,
            None if self.mode == Mode::Replay => newest,
            None => {
                let what = Ask::Version { change: change.to_owned(), version: newest };
                let at = self.record(Event::Asked(Box::new(Asked { call: flow, step, what })))?;
                own.seen = own.seen.max(at);
                newest
            }
        };
        own.versions.insert(change.to_owned(), version);
        Ok(version)
    }

    /// Enters what a person, a timer or a child answered. False, when it is answered already or was never asked.
    pub(crate) fn answer(&self, flow: CallId, step: u32, answer: Answer) -> Result<bool, Stop> {
        let mut state = self.lock();
        let Some(own) = state.flows.get_mut(&flow) else { return Ok(false) };
        if own.closed || own.settled.contains_key(&step) {
            return Ok(false);
        }
        let event = Answered { call: flow, step, answer: answer.clone() };
        let at = self.record(Event::Answered(Box::new(event)))?;
        own.settle(step, Settled { at, what: Came::Answer(answer) });
        self.changed.notify_waiters();
        Ok(true)
    }

    /// Ends a workflow's call: what it started and did not wait for is stopped. What its history has beyond that is a
    /// divergence.
    pub(crate) fn leave(&self, flow: CallId) -> Result<(), Stop> {
        {
            let mut state = self.lock();
            let Some(own) = state.flows.get_mut(&flow) else { return Ok(()) };
            if let Some(recorded) = own.next_request() {
                return Err(own.diverged(flow, &recorded, "to end".to_owned()));
            }
        }
        for step in self.running(flow, |_| true) {
            self.give_up(flow, step, "the workflow ended without waiting for it")?;
        }
        self.lock().flows.entry(flow).or_default().close();
        Ok(())
    }

    /// Lets go of a workflow's call without an end: nothing is recorded, so that it may go on elsewhere.
    pub(crate) fn drop_flow(&self, flow: CallId) {
        if let Some(own) = self.lock().flows.get_mut(&flow) {
            own.close();
        }
    }

    /// Whether somebody asked for the run to end, and the workflow was not told yet.
    pub(crate) fn shall_end(&self, flow: CallId) -> bool {
        let state = self.lock();
        state.cancel.is_some() && state.flows.get(&flow).is_some_and(|own| !own.told)
    }

    /// Returns once [`Ledger::shall_end`].
    pub(crate) async fn told_to_end(&self, flow: CallId) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.shall_end(flow) {
                return;
            }
            changed.await;
        }
    }
}

impl Place {
    fn fresh(call: CallId, step: u32) -> Self {
        Self {
            call,
            step,
            attempts: 0,
            failed: 0,
            next: None,
            started: Timestamp::default(),
            again: false,
            outcome: None,
            checked: None,
        }
    }

    fn open(call: CallId, step: u32, open: &Open) -> Self {
        Self {
            attempts: open.attempts,
            failed: open.failed,
            next: open.next,
            started: open.started.at,
            again: true,
            ..Self::fresh(call, step)
        }
    }
}

impl Question {
    /// The request as it is recorded by a workflow that saw `now` last.
    fn at(self, now: Timestamp) -> Ask {
        let after = |ms: u64| {
            Timestamp::from_unix_us(now.unix_us().saturating_add(ms.saturating_mul(1_000)))
        };
        match self {
            Self::Timer { ms } => Ask::Timer { due: after(ms) },
            Self::Signal { name } => Ask::Signal { name },
            Self::Approval { mut approval, deadline_ms } => {
                approval.due = deadline_ms.map(after);
                Ask::Approval(approval)
            }
            Self::Child(child) => Ask::Child(child),
            Self::Continue(next) => Ask::Continue(next),
        }
    }
}

/// Whether a request is the one in the history. A new run's id was made up when it was first asked for.
fn same(known: &Ask, asked: &Ask) -> bool {
    match (known, asked) {
        (Ask::Child(known), Ask::Child(asked)) => {
            let any = RunId::from_bytes([0; 16]);
            Child { run: any, ..known.clone() } == Child { run: any, ..asked.clone() }
        }
        (Ask::Continue(known), Ask::Continue(asked)) => known.input == asked.input,
        _ => known == asked,
    }
}

impl Flow {
    /// What [`Flow::next_request`] will give.
    fn peek(&self) -> Option<&Recorded> {
        self.requests.iter().find(|recorded| !recorded.what.is_version())
    }

    /// The next request of the history but for version markers, which code may have lost.
    fn next_request(&mut self) -> Option<Recorded> {
        self.pass_markers();
        self.requests.pop_front()
    }

    /// Passes the version markers that come next. The time went on with each when it was recorded, and what came after counts
    /// from there.
    fn pass_markers(&mut self) {
        while let Some(marker) = self.requests.pop_front_if(|next| next.what.is_version()) {
            self.seen = self.seen.max(marker.at);
        }
    }

    fn diverged(&mut self, call: CallId, recorded: &Recorded, asked: String) -> Stop {
        let history = recorded.what.describe();
        let step = self.step;
        let divergence = Divergence { call, step, history, asked, recomputed: false };
        Stop::Halt(Halt::Diverged(divergence))
    }

    fn note_due(&mut self, step: u32, ask: &Ask) {
        if self.settled.contains_key(&step) {
            return;
        }
        let kind = match ask {
            Ask::Timer { .. } => WaitsOn::Timer,
            Ask::Signal { .. } => WaitsOn::Signal,
            Ask::Approval(_) => WaitsOn::Approval,
            Ask::Child(_) => WaitsOn::Child,
            Ask::Version { .. } | Ask::Continue(_) => return,
        };
        self.kinds.insert(step, kind);
        match ask {
            Ask::Timer { due } => {
                self.due.insert(step, (*due, Answer::Fired));
            }
            Ask::Approval(Approval { due: Some(due), silence: Some(choice), .. }) => {
                self.due.insert(step, (*due, Answer::Silence { choice: choice.clone() }));
            }
            _ => {}
        }
    }

    fn settle(&mut self, step: u32, settled: Settled) {
        self.due.remove(&step);
        self.running.remove(&step);
        self.settled.insert(step, settled);
    }

    fn close(&mut self) {
        self.closed = true;
        for (_, running) in self.running.drain() {
            running.task.abort();
        }
    }
}
