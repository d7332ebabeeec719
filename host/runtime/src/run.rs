//! The whole main path, from a request to a sealed receipt.

use std::sync::Arc;

use longshore_engine::{Arguments, Compiled, Function, Recompute, RunContext, Stdio, Uses};
use longshore_journal::{Closed, History, StoredReceipt, Subscription};
use longshore_model::{
    Event, Fault, FaultKind, GrantRecord, Json, Outcome, RunEnded, RunId, RunStarted, Usage,
};
use longshore_policy::{Policy, Refusal};
use longshore_reference::Digest;
use tokio::sync::Notify;

use crate::admit::{Prepared, Stop, identity};
use crate::builder::Host;
use crate::durable::Drive;
use crate::error::Refused;
use crate::{Error, Input, Longshore, Report, Request, Target, VERSION};

/// A run that is under way.
#[derive(Debug)]
pub struct Running {
    id: RunId,
    events: Subscription,
    task: tokio::task::JoinHandle<Result<Report, Error>>,
    cancel: Cancel,
}

/// A request that was admitted: resolved, verified, granted and linked. Nothing of it has run.
pub struct Admitted {
    host: Arc<Host>,
    prepared: Prepared,
    request: Request,
    function: Arc<Function>,
    arguments: Arguments,
}

/// Asks a run to end.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Notify>);

impl Cancel {
    /// Returns once it was asked for.
    pub(crate) async fn asked(&self) {
        self.0.notified().await;
    }

    /// Ends the run where it stands: its outcome is the fault `cancelled`, and its receipt is sealed as ever. Does nothing
    /// to a run that has ended.
    pub fn cancel(&self) {
        self.0.notify_one();
    }
}

impl Longshore {
    /// Runs what `reference` names on `input`, with what the host allows.
    ///
    /// # Errors
    ///
    /// When the run could not be made. A guest that fails or is stopped is an outcome, with a receipt like any other.
    pub async fn run(&self, reference: &str, input: impl Into<Input>) -> Result<Report, Error> {
        self.request(&Request::new(Target::parse(reference)?, input)).await
    }

    /// Runs a request.
    ///
    /// # Errors
    ///
    /// As [`Longshore::run`].
    pub async fn request(&self, request: &Request) -> Result<Report, Error> {
        self.0.run(request).await
    }

    /// Starts a request, to be watched while it runs.
    ///
    /// # Errors
    ///
    /// As [`Longshore::run`], up to the run's first event.
    pub async fn start(&self, request: Request) -> Result<Running, Error> {
        self.admit(request).await?.start().await
    }

    /// Admits a request without starting it, for whoever must know what it is first. A refusal is journaled and sealed.
    ///
    /// # Errors
    ///
    /// As [`Longshore::run`], up to the run's first event.
    pub async fn admit(&self, request: Request) -> Result<Admitted, Error> {
        self.0.admitted(request).await
    }

    /// Resolves, verifies, compiles, grants and links without running: for calls that follow, or to see whether it would run.
    ///
    /// # Errors
    ///
    /// As [`Longshore::run`]; a refusal has no report here, because nothing was to be run.
    pub async fn prepare(&self, target: &Target, ask: &Policy) -> Result<Prepared, Error> {
        match self.0.admit(target, ask).await {
            Ok(prepared) => Ok(prepared),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Refused(_, refusal)) => {
                Err(Error::Refused(Box::new(Refused { refusal, report: None })))
            }
        }
    }

    /// Verifies and compiles without granting anything: for looking at a component.
    ///
    /// # Errors
    ///
    /// As [`Longshore::run`], up to the compiler.
    pub async fn compile(&self, target: &Target) -> Result<Arc<Compiled>, Error> {
        self.0.compile(target).await
    }
}

impl Admitted {
    /// The function that is to be called.
    #[must_use]
    pub fn function(&self) -> &Function {
        &self.function
    }

    /// The component with its grant and its links.
    #[must_use]
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The standard streams of the call, still to be set.
    pub fn stdio(&mut self) -> &mut Stdio {
        &mut self.request.stdio
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// When the journal cannot be written.
    pub async fn start(self) -> Result<Running, Error> {
        let cancel = Cancel::default();
        let (run, work) = self.open(cancel.clone()).await?;
        let (id, events) = (run.id(), run.subscribe());
        Ok(Running { id, events, task: tokio::spawn(work), cancel })
    }

    /// Journals the intent of the run; the future does it.
    async fn open(
        self,
        cancel: Cancel,
    ) -> Result<(longshore_journal::Run, impl Future<Output = Result<Report, Error>> + Send), Error>
    {
        let Self { host, prepared, request, function, arguments } = self;
        let input = if function.is_command() { "null" } else { request.input.0.trim() };
        let start = host.start(&prepared, function.path(), input)?;
        // Nothing runs whose receipt could not be sealed.
        host.signer()?;
        let durable = prepared.ready.compiled().is_workflow() && !function.is_command();
        if durable {
            host.keep(prepared.ready.compiled(), &request.target)?;
        }
        let run = host.journal.open(start).await?;
        let handle = run.clone();
        let work = async move {
            if durable {
                let entries = run.first();
                let (prepared, stdio) = (Arc::new(prepared), request.stdio);
                let drive = Drive {
                    host,
                    prepared,
                    function,
                    stdio,
                    cancel,
                    recompute: Recompute::Nothing,
                };
                return drive.travel(run, entries).await;
            }
            let cx = RunContext::new(run.clone());
            let outcome = tokio::select! {
                biased;
                outcome = prepared.ready.call(&cx, &function, &arguments, &request.stdio) => outcome,
                () = cancel.asked() => {
                    Outcome::Fault(Fault::new(FaultKind::Cancelled, "the run was cancelled"))
                }
            };
            let ended = RunEnded { outcome: outcome.clone(), usage: cx.usage() };
            let closed = run.close_and_read(ended).await?;
            let report = host.seal(closed, outcome, cx.usage()).await?;
            Ok(Report { uses: cx.uses(), ..report })
        };
        Ok((handle, work))
    }
}

impl std::fmt::Debug for Admitted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admitted").field("function", &self.function).finish_non_exhaustive()
    }
}

impl Running {
    pub(crate) fn new(
        id: RunId,
        events: Subscription,
        task: tokio::task::JoinHandle<Result<Report, Error>>,
        cancel: Cancel,
    ) -> Self {
        Self { id, events, task, cancel }
    }

    /// The run.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.id
    }

    /// Its events as they are recorded, from the first on.
    pub fn events(&mut self) -> &mut Subscription {
        &mut self.events
    }

    /// What ends it before its time; may be kept apart from the run.
    #[must_use]
    pub fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// When the host failed while it ran.
    pub async fn finish(self) -> Result<Report, Error> {
        self.task.await.map_err(|_| Error::Stopped)?
    }
}

impl Host {
    /// resolve → fetch → verify → compile → grant → (instantiate → run → journal) → receipt.
    async fn run(self: &Arc<Self>, request: &Request) -> Result<Report, Error> {
        let admitted = self.admitted(request.clone()).await?;
        let (_, work) = admitted.open(Cancel::default()).await?;
        work.await
    }

    /// Admits the request; a refusal is journaled and sealed as the run that it ended.
    async fn admitted(self: &Arc<Self>, request: Request) -> Result<Admitted, Error> {
        let prepared = match self.admit(&request.target, &request.allow).await {
            Ok(prepared) => prepared,
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Refused(compiled, refusal)) => {
                let report = self.refuse(&compiled, &refusal, &request).await?;
                return Err(Error::Refused(Box::new(Refused { refusal, report: Some(report) })));
            }
        };
        let compiled = prepared.ready.compiled();
        let function = Arc::clone(compiled.function(request.function.as_deref())?);
        let arguments = match prepared.ready.within_input(&request.input.0) {
            true => function.arguments(&request.input.0)?,
            false => Arguments::too_long(&request.input.0),
        };
        Ok(Admitted { host: Arc::clone(self), prepared, request, function, arguments })
    }

    /// Entry 0 of a run.
    pub(crate) fn start(
        &self,
        prepared: &Prepared,
        function: &str,
        input: &str,
    ) -> Result<RunStarted, Error> {
        Ok(RunStarted {
            run: self.run_id()?,
            component: identity(prepared.ready.compiled()),
            function: function.to_owned(),
            dependencies: prepared.dependencies.clone(),
            grant: prepared.grant.clone(),
            policy: prepared.policy,
            input: Json::parse(if input.is_empty() { "null" } else { input })
                .unwrap_or_else(|_| Json::null()),
            engine: prepared.ready.compiled().engine(),
            host: VERSION.to_owned(),
            seed: prepared.ready.compiled().is_workflow().then(|| self.seed()).transpose()?,
            parent: None,
            continues: None,
        })
    }

    /// What the randomness of a run's workflows comes from.
    pub(crate) fn seed(&self) -> Result<Digest, Error> {
        let mut entropy = [0; 32];
        self.fill(&mut entropy)?;
        Ok(Digest::from_bytes(entropy))
    }

    /// The receipt, computed from the entries that the store keeps.
    pub(crate) async fn seal(
        &self,
        (closed, history): (Closed, History),
        outcome: Outcome,
        usage: Usage,
    ) -> Result<Report, Error> {
        let signer = self.signer()?;
        let (run, head, count) = (closed.run, closed.head, closed.entries);
        let entries: Vec<_> =
            history.into_entries().into_iter().map(|e| (e.seq, e.at, e.event)).collect();
        let sealed = self
            .journal
            .seal(
                &closed,
                Box::new(move |previous: Option<Digest>| {
                    let statement =
                        longshore_receipt::statement_from(run, &entries, head, count, previous)?;
                    let receipt = longshore_receipt::seal(&statement, &signer)?;
                    Ok(longshore_journal::SealedReceipt {
                        bytes: receipt.bytes,
                        digest: receipt.digest,
                    })
                }),
            )
            .await;
        let stored = match sealed {
            // Another host took it for one whose host had died; it is the same receipt.
            Err(longshore_journal::Error::AlreadySealed(_)) => {
                self.journal.receipt(run).await?.ok_or(Error::Unsealed { run })?
            }
            sealed => sealed?,
        };
        Ok(Self::sealed(&closed, stored, outcome, usage))
    }

    /// What a sealed run came to.
    pub(crate) fn sealed(
        closed: &Closed,
        stored: StoredReceipt,
        outcome: Outcome,
        usage: Usage,
    ) -> Report {
        Report {
            run: closed.run,
            outcome,
            usage,
            journal: closed.head,
            receipt_digest: stored.receipt.digest,
            receipt: stored.receipt.bytes,
            uses: Uses::default(),
        }
    }

    /// A run that was refused before it began: its denials, its end, its receipt.
    async fn refuse(
        &self,
        compiled: &Compiled,
        refusal: &Refusal,
        request: &Request,
    ) -> Result<Report, Error> {
        let mut policy = self.policy.clone();
        policy.merge(request.allow.clone());
        let run = self
            .journal
            .open(RunStarted {
                run: self.run_id()?,
                component: identity(compiled),
                function: request.function.clone().unwrap_or_else(|| "(refused)".to_owned()),
                dependencies: Vec::new(),
                grant: GrantRecord::default(),
                policy: policy.digest(),
                input: Json::parse(request.input.0.clone()).unwrap_or_else(|_| Json::null()),
                engine: compiled.engine(),
                host: VERSION.to_owned(),
                seed: None,
                parent: None,
                continues: None,
            })
            .await?;
        for denial in &refusal.denials {
            run.record(Event::Denied(denial.event()))?;
        }
        let outcome = Outcome::Fault(Fault::new(FaultKind::Denied, refusal.to_string()));
        let ended = RunEnded { outcome: outcome.clone(), usage: Usage::default() };
        let closed = run.close_and_read(ended).await?;
        self.seal(closed, outcome, Usage::default()).await
    }

    pub(crate) fn run_id(&self) -> Result<RunId, Error> {
        let mut entropy = [0; 10];
        self.fill(&mut entropy)?;
        Ok(RunId::new(self.clock.now(), entropy))
    }
}
