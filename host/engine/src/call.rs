//! One call: a fresh sandbox, its scene (who calls, under which grant, into which journal), its end.

mod options;

use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use longshore_journal::{Entry, Run};
use longshore_model::{
    CallId, CancelRequested, Denied, Effect, EffectEnded, EffectStarted, Event, Fault, FaultKind,
    Forgotten, LimitName, Limits, Logged, Output, RunId, Scope, Signalled, Stream, Usage,
};
use longshore_policy::{Grant, manifest_entry};
use longshore_reference::Digest;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use wasmtime::component::Val;

use crate::capability::clock::Elapsed;
use crate::capability::http::Rates;
use crate::capability::scratch::Area;
use crate::capability::secret;
use crate::capability::stdio::{Capture, Watcher};
use crate::host::Host;
use crate::ledger::{Halt, Ledger, Mode, Stop};
use crate::link::Ready;
use crate::processor::Turn;
use crate::turns::{self, Closing, Turns};
use crate::uses::{Use, Uses, UsesOfCall};
use crate::{Children, Function, fault};

use self::options::{Line, recomputed};
pub use self::options::{Recompute, RunOptions};

/// What is shared by all calls of one run: its journal, what its workflows asked for, and what its calls used together.
#[derive(Clone, Debug)]
pub struct RunContext(Arc<RunShared>);

#[derive(Debug)]
struct RunShared {
    ledger: Ledger,
    /// Calls that components made of one another, at any depth.
    made: AtomicU64,
    usage: Mutex<Usage>,
    secrets: secret::Fetched,
    uses: Mutex<Uses>,
    rates: Rates,
    file_write_bytes: AtomicU64,
    files_created: AtomicU64,
    elapsed: Arc<Elapsed>,
    area: Mutex<Option<Arc<Area>>>,
    spent: AtomicU64,
    slots: Semaphore,
    options: RunOptions,
    line: Line,
}

impl RunContext {
    /// The context of a run that was opened.
    #[must_use]
    pub fn new(run: Run) -> Self {
        Self::durable(run, RunOptions::default(), &[])
    }

    /// The context of a run with the entries that it has so far: it goes on from there.
    #[must_use]
    pub fn durable(run: Run, options: RunOptions, entries: &[Entry]) -> Self {
        let mode = if options.replay { Mode::Replay } else { Mode::Live };
        let ledger = Ledger::new(run, mode);
        ledger.check(recomputed(options.recompute, entries));
        let usage = ledger.load(entries);
        let line = Line::of(ledger.run(), entries);
        let spent = AtomicU64::new(usage.spent_micros.saturating_add(line.spent));
        let most = options.started_calls.unwrap_or_else(|| Limits::default().started_calls);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        // Of none at all, the first would wait for ever.
        let slots = Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS));
        Self(Arc::new(RunShared {
            ledger,
            usage: Mutex::new(usage),
            secrets: secret::Fetched::default(),
            uses: Mutex::default(),
            rates: Rates::default(),
            slots,
            options,
            file_write_bytes: AtomicU64::new(0),
            files_created: AtomicU64::new(0),
            elapsed: Arc::default(),
            area: Mutex::default(),
            made: AtomicU64::new(0),
            spent,
            line,
        }))
    }

    /// The run's journal.
    #[must_use]
    pub fn run(&self) -> &Run {
        self.0.ledger.run()
    }

    /// What all calls that ended used together.
    #[must_use]
    pub fn usage(&self) -> Usage {
        *self.0.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the run slept in virtual time.
    pub(crate) fn elapsed(&self) -> &Arc<Elapsed> {
        &self.0.elapsed
    }

    /// The run's area below `root`, made on first use; it goes when the last call of the run has gone.
    pub(crate) fn area(&self, root: Option<&Path>) -> std::io::Result<Arc<Area>> {
        let mut area = self.0.area.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(area) = &*area {
            return Ok(Arc::clone(area));
        }
        let root = root.ok_or_else(|| std::io::Error::other("the host keeps no state"))?;
        let made = Arc::new(Area::open(root, &self.run().id().to_string())?);
        Ok(Arc::clone(area.insert(made)))
    }

    pub(crate) fn secrets(&self) -> &secret::Fetched {
        &self.0.secrets
    }

    /// What the calls used so far of what they were granted.
    #[must_use]
    pub fn uses(&self) -> Uses {
        self.0.uses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn rates(&self) -> &Rates {
        &self.0.rates
    }

    /// Takes a letter into the run as `event`: a signal, a decision, or the wish that it end. One that changes nothing, because
    /// it came before or came too late, is taken as `late`.
    ///
    /// # Errors
    ///
    /// When the journal cannot be written.
    pub fn take(
        &self,
        event: Event,
        late: Event,
        letter: u64,
    ) -> Result<(), longshore_journal::Error> {
        match self.0.ledger.take(event, late, letter) {
            Ok(()) => Ok(()),
            Err(Stop::Journal(error)) => Err(error),
            Err(other) => unreachable!("a letter is only recorded, and never {other:?}"),
        }
    }

    /// The children that must not outlive what the run calls now.
    #[must_use]
    pub fn attached(&self) -> Vec<RunId> {
        self.0.ledger.attached(0)
    }

    /// What a run that goes on as a new one hands to it: signals that came and were not received, and the wish that it end
    /// where its workflow was not told.
    #[must_use]
    pub fn unseen(&self) -> (Vec<Signalled>, Option<CancelRequested>) {
        self.0.ledger.unseen()
    }

    pub(crate) fn line(&self) -> &Line {
        &self.0.line
    }

    pub(crate) fn function(&self) -> Option<&Arc<Function>> {
        self.0.options.function.as_ref()
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    pub(crate) fn patience(&self) -> Option<Duration> {
        self.0.options.patience
    }

    pub(crate) fn seed(&self) -> Option<Digest> {
        self.0.options.seed
    }

    pub(crate) fn children(&self) -> Option<&Arc<dyn Children>> {
        self.0.options.children.as_ref()
    }

    pub(crate) fn slots(&self) -> &Semaphore {
        &self.0.slots
    }

    /// Takes `micros` from the run's budget of money; what is left then, or none where it is not enough.
    pub(crate) fn spend(&self, micros: u64, limit: u64) -> Option<u64> {
        let fits = |spent: u64| spent.checked_add(micros).filter(|&sum| sum <= limit);
        let before = self.0.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(limit - before - micros)
    }

    /// What the run, and those that it continues, have spent of their budget of money.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.0.spent.load(Ordering::Relaxed)
    }

    pub(crate) fn add_usage(&self, usage: &Usage) {
        self.0.usage.lock().unwrap_or_else(PoisonError::into_inner).add(usage);
    }
}

/// What only the root call of a run is given beside its arguments.
#[derive(Clone, Default)]
pub struct Stdio {
    /// The arguments of a command, its name first.
    pub arguments: Vec<String>,
    /// Standard input.
    pub stdin: Bytes,
    /// Sees the output as it comes.
    pub watcher: Option<Watcher>,
}

/// What a call used, counted while it runs.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) http_requests: AtomicU64,
    pub(crate) http_sent_bytes: AtomicU64,
    pub(crate) http_received_bytes: AtomicU64,
    pub(crate) egress_sent_bytes: AtomicU64,
    pub(crate) egress_received_bytes: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) datagrams: AtomicU64,
    pub(crate) lookups: AtomicU64,
    pub(crate) sockets: AtomicU64,
    pub(crate) log_lines: AtomicU64,
    pub(crate) log_bytes: AtomicU64,
    pub(crate) calls: AtomicU64,
    pub(crate) file_write_bytes: AtomicU64,
    pub(crate) files_created: AtomicU64,
    pub(crate) processes: AtomicU64,
    pub(crate) spent_micros: AtomicU64,
}

/// Who calls, under which grant, into which journal. Capabilities reach the journal only through this.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) cx: RunContext,
    pub(crate) id: CallId,
    pub(crate) depth: u32,
    pub(crate) attempt: u32,
    pub(crate) grant: Arc<Grant>,
    pub(crate) started: Instant,
    /// When it is stopped, pauses not counted: see [`Scene::deadline`].
    pub(crate) limit: Instant,
    pub(crate) counters: Counters,
    pub(crate) placeholders: secret::Placeholders,
    pub(crate) turn: Turn,
    uses: UsesOfCall,
    /// Where it stands among the steps of the run: the same in every repetition.
    pub(crate) path: String,
    /// Whether it is a workflow's call, which is repeated when the run goes on.
    pub(crate) durable: bool,
    /// Whether its result can be computed again: what it is told is the same each time.
    pub(crate) pure: bool,
    /// Whether it is such a repetition: nothing of it is recorded.
    pub(crate) quiet: bool,
    pub(crate) turns: Turns,
    pauses: Mutex<Pauses>,
    effects: AtomicU32,
    hit: OnceLock<LimitName>,
    journal_failure: OnceLock<longshore_journal::Error>,
    halt: OnceLock<Halt>,
}

/// The time that a workflow spent waiting while nothing of it ran.
#[derive(Debug, Default)]
struct Pauses {
    total: Duration,
    since: Option<Instant>,
}

/// The deadline stands still for as long as this lives.
pub(crate) struct Paused<'s>(&'s Scene);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        let mut pauses = self.0.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = pauses.since.take() {
            pauses.total += since.elapsed();
        }
    }
}

impl Scene {
    pub(crate) fn new(cx: &RunContext, id: CallId, depth: u32, grant: &Arc<Grant>) -> Self {
        let started = Instant::now();
        let allowed = std::time::Duration::from_millis(grant.limits().deadline_ms);
        Self {
            cx: cx.clone(),
            id,
            depth,
            attempt: 1,
            grant: Arc::clone(grant),
            started,
            limit: started + allowed,
            counters: Counters::default(),
            placeholders: secret::Placeholders::default(),
            turn: Turn::default(),
            uses: UsesOfCall::default(),
            path: id.to_string(),
            durable: false,
            pure: false,
            quiet: false,
            turns: Turns::default(),
            pauses: Mutex::default(),
            effects: AtomicU32::new(0),
            hit: OnceLock::new(),
            journal_failure: OnceLock::new(),
            halt: OnceLock::new(),
        }
    }

    /// When it is stopped.
    pub(crate) fn deadline(&self) -> Instant {
        let pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        let now = pauses.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.limit + pauses.total + now
    }

    /// Stops the clock of the deadline: nothing of the workflow runs, it only waits.
    pub(crate) fn pause(&self) -> Paused<'_> {
        let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.since.get_or_insert_with(Instant::now);
        Paused(self)
    }

    /// Returns once the deadline has passed.
    async fn expired(&self) {
        loop {
            let deadline = self.deadline();
            if Instant::now() >= deadline {
                return;
            }
            tokio::time::sleep_until(deadline).await;
        }
    }

    /// What the workflows of the run asked for.
    pub(crate) fn ledger(&self) -> &Ledger {
        self.cx.ledger()
    }

    /// Remembers that the workflow does not go on here and now, and gives the error that unwinds it.
    pub(crate) fn halted(&self, halt: Halt) -> wasmtime::Error {
        let _ = self.halt.set(halt);
        wasmtime::Error::new(Halted)
    }

    /// The error that unwinds a guest whose wait came to `stop`. A cancelled one is the caller's to tell.
    pub(crate) fn stopped(&self, stop: Stop) -> wasmtime::Error {
        match stop {
            Stop::Halt(halt) => self.halted(halt),
            Stop::Cancelled => wasmtime::Error::new(fault::Raised(cancelled())),
            Stop::Journal(error) => {
                self.journal_failed(error);
                wasmtime::Error::new(Halted)
            }
        }
    }

    /// The run's journal.
    pub(crate) fn run(&self) -> &Run {
        self.cx.run()
    }

    /// Records an event. A journal that fails ends the call; see [`Scene::journal_failure`].
    pub(crate) fn record(&self, event: Event) {
        if self.quiet {
            return;
        }
        if let Err(error) = self.run().record(event) {
            self.journal_failed(error);
        }
    }

    /// Remembers that the journal failed; the first failure is the call's fault.
    pub(crate) fn journal_failed(&self, error: longshore_journal::Error) {
        let _ = self.journal_failure.set(error);
    }

    pub(crate) fn denied(&self, denied: Denied) {
        self.record(Event::Denied(denied));
    }

    /// Notes that a granted capability was used: with the narrowest scope that covers this use, not the one that was granted.
    /// Every capability calls this where it lets something pass, as often as it likes.
    pub(crate) fn used(&self, scope: Scope) {
        match self.uses.note(&scope) {
            Use::Again => {}
            first @ (Use::First | Use::Untold) => {
                if first == Use::First && self.grant.is_forgotten(&scope) {
                    let manifest = manifest_entry(&scope);
                    let used = scope.clone();
                    self.record(Event::Forgotten(Forgotten { call: self.id, used, manifest }));
                }
                let mut uses = self.cx.0.uses.lock().unwrap_or_else(PoisonError::into_inner);
                uses.add(self.grant.component(), scope);
            }
        }
    }

    /// Journals an effect that the start of the run announced already: its number.
    pub(crate) fn effect_started(&self, what: Effect) -> u32 {
        let effect = self.effects.fetch_add(1, Ordering::Relaxed);
        self.record(Event::EffectStarted(EffectStarted { call: self.id, effect, what }));
        effect
    }

    /// Journals the intent of an effect, as safely as the journal asks of it, before it happens: its number. Nothing when the
    /// journal failed, and then it must not happen.
    pub(crate) async fn intend(&self, what: Effect) -> Option<u32> {
        let effect = self.effects.fetch_add(1, Ordering::Relaxed);
        let intent = Event::EffectStarted(EffectStarted { call: self.id, effect, what });
        match self.run().record_durably(intent).await {
            Ok(_) => Some(effect),
            Err(error) => {
                self.journal_failed(error);
                None
            }
        }
    }

    /// Journals what came of an effect.
    pub(crate) fn effect_ended(&self, effect: u32, result: String) {
        self.record(Event::EffectEnded(EffectEnded { call: self.id, effect, result }));
    }

    /// Counts `n` against a budget of this call; false, and remembered, when it is used up.
    pub(crate) fn count(&self, name: LimitName, n: u64) -> bool {
        let counter = match name {
            LimitName::HttpRequests => &self.counters.http_requests,
            LimitName::EgressSentBytes => &self.counters.egress_sent_bytes,
            LimitName::EgressReceivedBytes => &self.counters.egress_received_bytes,
            LimitName::Connections => &self.counters.connections,
            LimitName::Datagrams => &self.counters.datagrams,
            LimitName::Lookups => &self.counters.lookups,
            LimitName::Sockets => &self.counters.sockets,
            LimitName::LogLines => &self.counters.log_lines,
            LimitName::LogBytes => &self.counters.log_bytes,
            LimitName::Calls => &self.counters.calls,
            LimitName::FileWriteBytes => &self.counters.file_write_bytes,
            LimitName::FilesCreated => &self.counters.files_created,
            LimitName::RunFileWriteBytes => &self.cx.0.file_write_bytes,
            LimitName::RunFilesCreated => &self.cx.0.files_created,
            LimitName::Processes => &self.counters.processes,
            _ => return true,
        };
        let mut used = counter.fetch_add(n, Ordering::Relaxed).saturating_add(n);
        // This budget is the run's: calls that call must not multiply it.
        if name == LimitName::Calls {
            used = self.cx.0.made.fetch_add(n, Ordering::Relaxed).saturating_add(n);
        }
        let within = used <= self.grant.limits().get(name);
        if !within {
            self.hit(name);
        }
        within
    }

    /// The limit that was hit, if one was.
    pub(crate) fn used_up(&self) -> Option<crate::limiter::LimitHit> {
        let name = *self.hit.get()?;
        Some(crate::limiter::LimitHit { name, limit: self.grant.limits().get(name) })
    }

    /// Remembers that a limit was hit; the first one is the call's fault.
    pub(crate) fn hit(&self, name: LimitName) {
        let _ = self.hit.set(name);
    }

    /// Records a log line, note, progress report or span.
    ///
    /// # Errors
    ///
    /// When the budget of lines is used up.
    pub(crate) fn log(
        &self,
        kind: &str,
        message: String,
        fields: Option<longshore_model::Json>,
    ) -> wasmtime::Result<()> {
        let bytes = message.len() + fields.as_ref().map_or(0, |fields| fields.as_str().len());
        for (name, n) in [(LimitName::LogLines, 1), (LimitName::LogBytes, bytes as u64)] {
            if !self.count(name, n) {
                let limit = self.grant.limits().get(name);
                return Err(wasmtime::Error::new(crate::limiter::LimitHit { name, limit }));
            }
        }
        if self.durable && self.ledger().wrote_before(self.id) {
            return Ok(());
        }
        let logged = Logged { call: self.id, kind: kind.to_owned(), message, fields };
        self.record(Event::Logged(logged));
        Ok(())
    }

    /// Milliseconds until the deadline.
    pub(crate) fn remaining_ms(&self) -> u64 {
        if self.durable || self.pure {
            // What is left differs from one repetition to the next.
            return self.grant.limits().deadline_ms;
        }
        let left = self.deadline().saturating_duration_since(Instant::now());
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }

    /// The same for each attempt at this step, different for every other step of every run.
    pub(crate) fn idempotency_key(&self) -> String {
        format!("{}/{}", self.run().id(), self.path)
    }

    fn usage(&self, (memory_bytes, fuel): (u64, u64), stdout: u64, stderr: u64) -> Usage {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Usage {
            wall_us: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            fuel,
            memory_bytes,
            stdout_bytes: stdout,
            stderr_bytes: stderr,
            log_lines: read(&self.counters.log_lines),
            http_requests: read(&self.counters.http_requests),
            http_sent_bytes: read(&self.counters.http_sent_bytes),
            http_received_bytes: read(&self.counters.http_received_bytes),
            egress_sent_bytes: read(&self.counters.egress_sent_bytes),
            egress_received_bytes: read(&self.counters.egress_received_bytes),
            connections: read(&self.counters.connections),
            datagrams: read(&self.counters.datagrams),
            lookups: read(&self.counters.lookups),
            calls: read(&self.counters.calls),
            spent_micros: read(&self.counters.spent_micros),
        }
    }
}

/// How a call ended, before its values became JSON.
pub(crate) struct Called {
    pub(crate) values: Result<Vec<Val>, Cut>,
    pub(crate) usage: Usage,
}

/// Why a call gave no values.
#[derive(Debug)]
pub(crate) enum Cut {
    Fault(Fault),
    /// It did not end: it goes on another time.
    Halt(Halt),
}

impl From<Fault> for Cut {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Unwinds a guest that does not go on; why is in its scene.
#[derive(Debug, thiserror::Error)]
#[error("the workflow does not go on here")]
struct Halted;

/// The fault of what was cancelled because its run was asked to end.
pub(crate) fn cancelled() -> Fault {
    Fault::new(FaultKind::Cancelled, "the run was asked to end")
}

/// Calls `function` of `ready` in a fresh sandbox. What it wrote to its streams is recorded; its start and its end are the
/// caller's to record, who knows the JSON of both.
pub(crate) async fn invoke(
    ready: &Ready,
    scene: Arc<Scene>,
    function: &Function,
    params: &[Val],
    stdio: &Stdio,
) -> Called {
    let limits = scene.grant.limits();
    let _flow = Flow(&scene);
    let stdout = Capture::new(Stream::Stdout, limits.stdout_bytes, stdio.watcher.clone());
    let stderr = Capture::new(Stream::Stderr, limits.stderr_bytes, stdio.watcher.clone());
    let (values, held) = match Host::new(ready, &scene, stdio, stdout.clone(), stderr.clone()) {
        Ok(host) => enter(ready, &scene, function, params, host).await,
        Err(error) => (Err(Fault::new(FaultKind::Host, error.to_string())), (0, 0)),
    };
    let overflow = stdout.overflow().or_else(|| stderr.overflow());
    if let Some(halt) = scene.halt.get().filter(|_| scene.journal_failure.get().is_none()) {
        // What it printed it will print again.
        scene.ledger().drop_flow(scene.id);
        return Called { values: Err(Cut::Halt(halt.clone())), usage: Usage::default() };
    }
    let out = keep(&scene, Stream::Stdout, &stdout);
    let err = keep(&scene, Stream::Stderr, &stderr);
    let values = match (values, overflow) {
        (_, Some(hit)) => Err(Fault::limit(FaultKind::StreamSize, hit.name, hit.to_string())),
        (values, None) => values,
    };
    let usage = scene.usage(held, out, err);
    let values = after(&scene, values).map_err(Cut::Fault);
    Called { values: left(&scene, values).await, usage }
}

/// Stops what runs beside a workflow when its call is dropped before its end.
struct Flow<'s>(&'s Scene);

impl Drop for Flow<'_> {
    fn drop(&mut self) {
        if self.0.durable {
            self.0.ledger().drop_flow(self.0.id);
        }
    }
}

/// A workflow that ended leaves nothing behind that runs.
async fn left(scene: &Scene, values: Result<Vec<Val>, Cut>) -> Result<Vec<Val>, Cut> {
    if !scene.durable {
        return values;
    }
    let attached = scene.ledger().attached(scene.id);
    // Why they shall end must not be lost when it is kept that they shall.
    let kept = attached.is_empty() || scene.run().hand_over().await.is_ok();
    if !kept || scene.run().has_failed() {
        // It did not end: it goes on when its journal does.
        scene.ledger().drop_flow(scene.id);
        return values;
    }
    if let Some(children) = scene.cx.children() {
        for child in attached {
            children.cancel(child);
        }
    }
    match scene.ledger().leave(scene.id) {
        Ok(()) => values,
        Err(Stop::Halt(halt)) => {
            scene.ledger().drop_flow(scene.id);
            Err(Cut::Halt(halt))
        }
        Err(Stop::Cancelled) => Err(Cut::Fault(cancelled())),
        Err(Stop::Journal(error)) => Err(Cut::Fault(fault::unrecorded(&error))),
    }
}

/// What was noticed on the way outranks how the guest took it.
fn after(scene: &Scene, values: Result<Vec<Val>, Fault>) -> Result<Vec<Val>, Fault> {
    if let Some(error) = scene.journal_failure.get() {
        return Err(fault::unrecorded(error));
    }
    match scene.hit.get() {
        Some(&name) => {
            let limit = scene.grant.limits().get(name);
            let message = format!("the call went past its limit `{name}` of {limit}");
            Err(Fault::limit(FaultKind::Budget, name, message))
        }
        None => values,
    }
}

async fn enter(
    ready: &Ready,
    scene: &Arc<Scene>,
    function: &Function,
    params: &[Val],
    host: Host,
) -> (Result<Vec<Val>, Fault>, (u64, u64)) {
    let engine = ready.compiled().flavor();
    let _ticking = engine.tick();
    let mut store = engine.store(host, scene);
    let _closing = Closing(&scene.turns);
    let mut entered = false;
    let work = async {
        let instance = ready.pre().instantiate_async(&mut store).await?;
        entered = true;
        let callee = instance
            .get_func(&mut store, function.index())
            .ok_or_else(|| wasmtime::Error::msg("the export is gone after instantiation"))?;
        let mut results = vec![Val::Bool(false); function.results()];
        callee.call_async(&mut store, params, &mut results).await?;
        Ok::<_, wasmtime::Error>(results)
    };
    let ordered = scene.durable && engine.is_ordered();
    let work = async { if ordered { turns::in_order(scene, work).await } else { work.await } };
    let ended = tokio::select! {
        biased;
        ended = scene.turn.take(work) => Some(ended),
        () = scene.expired() => None,
    };
    let held = (store.data().limiter.peak_memory(), engine.burnt(&store));
    let values = match ended {
        Some(Ok(values)) => Ok(values),
        Some(Err(error)) => fault::classify(error, scene, function, entered),
        None => Err(fault::deadline(scene)),
    };
    (values, held)
}

/// Records what was captured, and says how many bytes it was.
fn keep(scene: &Scene, stream: Stream, capture: &Capture) -> u64 {
    let bytes = capture.take();
    if !bytes.is_empty() {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        scene.record(Event::Output(Output { call: scene.id, stream, text }));
    }
    bytes.len() as u64
}
