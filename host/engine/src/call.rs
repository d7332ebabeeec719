//! One call: a fresh sandbox, its scene (who calls, under which grant, into which journal), its end.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use longshore_journal::Run;
use longshore_model::{
    CallId, Denied, Effect, EffectEnded, EffectStarted, Event, Fault, FaultKind, Forgotten,
    LimitName, Logged, Output, Scope, Stream, Usage,
};
use longshore_policy::{Grant, manifest_entry};
use wasmtime::component::Val;

use crate::capability::http::Rates;
use crate::capability::secret;
use crate::capability::stdio::{Capture, Watcher};
use crate::host::Host;
use crate::link::Ready;
use crate::uses::{Use, Uses, UsesOfCall};
use crate::{Function, fault};

/// What is shared by all calls of one run: its journal, the numbering of its calls, and what they used together.
#[derive(Clone, Debug)]
pub struct RunContext(Arc<RunShared>);

#[derive(Debug)]
struct RunShared {
    run: Run,
    calls: AtomicU32,
    usage: Mutex<Usage>,
    secrets: secret::Fetched,
    uses: Mutex<Uses>,
    rates: Rates,
}

impl RunContext {
    /// The context of a run that was opened.
    #[must_use]
    pub fn new(run: Run) -> Self {
        let (calls, usage, uses) = (AtomicU32::new(0), Mutex::default(), Mutex::default());
        let (rates, secrets) = (Rates::default(), secret::Fetched::default());
        Self(Arc::new(RunShared { run, calls, usage, uses, rates, secrets }))
    }

    /// The run's journal.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.0.run
    }

    /// What all calls that ended used together.
    #[must_use]
    pub fn usage(&self) -> Usage {
        *self.0.usage.lock().unwrap_or_else(PoisonError::into_inner)
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

    pub(crate) fn next_call(&self) -> CallId {
        self.0.calls.fetch_add(1, Ordering::Relaxed)
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
    pub(crate) deadline: Instant,
    pub(crate) counters: Counters,
    pub(crate) placeholders: secret::Placeholders,
    uses: UsesOfCall,
    effects: AtomicU32,
    hit: OnceLock<LimitName>,
    journal_failure: OnceLock<longshore_journal::Error>,
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
            deadline: started + allowed,
            counters: Counters::default(),
            placeholders: secret::Placeholders::default(),
            uses: UsesOfCall::default(),
            effects: AtomicU32::new(0),
            hit: OnceLock::new(),
            journal_failure: OnceLock::new(),
        }
    }

    /// The run's journal.
    pub(crate) fn run(&self) -> &Run {
        self.cx.run()
    }

    /// Records an event. A journal that fails ends the call; see [`Scene::journal_failure`].
    pub(crate) fn record(&self, event: Event) {
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
            _ => return true,
        };
        let within = counter.fetch_add(n, Ordering::Relaxed) + n <= self.grant.limits().get(name);
        if !within {
            self.hit(name);
        }
        within
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
        let logged = Logged { call: self.id, kind: kind.to_owned(), message, fields };
        self.record(Event::Logged(logged));
        Ok(())
    }

    /// Milliseconds until the deadline.
    pub(crate) fn remaining_ms(&self) -> u64 {
        let left = self.deadline.saturating_duration_since(Instant::now());
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }

    /// The same for each attempt at this step, different for every other step of every run.
    pub(crate) fn idempotency_key(&self) -> String {
        format!("{}/{}", self.run().id(), self.id)
    }

    fn usage(&self, memory_bytes: u64, stdout: u64, stderr: u64) -> Usage {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Usage {
            wall_us: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
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
        }
    }
}

/// How a call ended, before its values became JSON.
pub(crate) struct Called {
    pub(crate) values: Result<Vec<Val>, Fault>,
    pub(crate) usage: Usage,
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
    let stdout = Capture::new(Stream::Stdout, limits.stdout_bytes, stdio.watcher.clone());
    let stderr = Capture::new(Stream::Stderr, limits.stderr_bytes, stdio.watcher.clone());
    let (values, memory) = match Host::new(ready, &scene, stdio, stdout.clone(), stderr.clone()) {
        Ok(host) => enter(ready, &scene, function, params, host).await,
        Err(error) => (Err(Fault::new(FaultKind::Host, error.to_string())), 0),
    };
    let overflow = stdout.overflow().or_else(|| stderr.overflow());
    let out = keep(&scene, Stream::Stdout, &stdout);
    let err = keep(&scene, Stream::Stderr, &stderr);
    let values = match (values, overflow) {
        (_, Some(hit)) => Err(Fault::limit(FaultKind::StreamSize, hit.name, hit.to_string())),
        (values, None) => values,
    };
    let usage = scene.usage(memory, out, err);
    Called { values: after(&scene, values), usage }
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
) -> (Result<Vec<Val>, Fault>, u64) {
    let engine = ready.compiled().flavor();
    let _ticking = engine.tick();
    let mut store = engine.store(host, scene);
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
    let deadline = tokio::time::Instant::from_std(scene.deadline);
    let ended = tokio::time::timeout_at(deadline, work).await;
    let memory = store.data().limiter.peak_memory();
    let values = match ended {
        Ok(Ok(values)) => Ok(values),
        Ok(Err(error)) => fault::classify(error, scene, function, entered),
        Err(_) => Err(fault::deadline(scene)),
    };
    (values, memory)
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
