//! The whole main path, from a request to a sealed receipt.

use std::sync::Arc;

use longshore_engine::{Compiled, RunContext};
use longshore_journal::{Closed, Subscription};
use longshore_model::{
    Event, Fault, FaultKind, GrantRecord, Json, Outcome, RunEnded, RunId, RunStarted, Usage,
};
use longshore_policy::{Policy, Refusal};
use longshore_reference::Digest;

use crate::admit::{Prepared, Stop, identity};
use crate::builder::Host;
use crate::error::Refused;
use crate::{Error, Input, Longshore, Report, Request, Target, VERSION};

/// A run that is under way.
#[derive(Debug)]
pub struct Running {
    id: RunId,
    events: Subscription,
    task: tokio::task::JoinHandle<Result<Report, Error>>,
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
        let prepared = self.0.admitted(&request).await?;
        let host = Arc::clone(&self.0);
        let (run, work) = host.open(prepared, request).await?;
        let (id, events) = (run.id(), run.subscribe());
        Ok(Running { id, events, task: tokio::spawn(work) })
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

impl Running {
    /// The run.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.id
    }

    /// Its events as they are recorded, from the first on.
    pub fn events(&mut self) -> &mut Subscription {
        &mut self.events
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
        let prepared = self.admitted(request).await?;
        let (_, work) = Arc::clone(self).open(prepared, request.clone()).await?;
        work.await
    }

    /// Admits the request; a refusal is journaled and sealed as the run that it ended.
    async fn admitted(&self, request: &Request) -> Result<Prepared, Error> {
        match self.admit(&request.target, &request.allow).await {
            Ok(prepared) => Ok(prepared),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Refused(compiled, refusal)) => {
                let report = self.refuse(&compiled, &refusal, request).await?;
                Err(Error::Refused(Box::new(Refused { refusal, report: Some(report) })))
            }
        }
    }

    /// Journals the intent of the run; the future does it.
    async fn open(
        self: Arc<Self>,
        prepared: Prepared,
        request: Request,
    ) -> Result<(longshore_journal::Run, impl Future<Output = Result<Report, Error>> + Send), Error>
    {
        let compiled = prepared.ready.compiled();
        let function = Arc::clone(compiled.function(request.function.as_deref())?);
        let arguments = function.arguments(&request.input.0)?;
        let input = if function.is_command() { "null" } else { request.input.0.trim() };
        let start = self.start(&prepared, function.path(), input)?;
        let run = self.journal.open(start).await?;
        let handle = run.clone();
        let work = async move {
            let cx = RunContext::new(run.clone());
            let outcome = prepared.ready.call(&cx, &function, &arguments, &request.stdio).await;
            let closed =
                run.close(RunEnded { outcome: outcome.clone(), usage: cx.usage() }).await?;
            self.seal(closed, outcome, cx.usage()).await
        };
        Ok((handle, work))
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
            engine: self.engine.fingerprint()?,
            host: VERSION.to_owned(),
        })
    }

    /// The receipt, computed from the entries that the store keeps.
    pub(crate) async fn seal(
        &self,
        closed: Closed,
        outcome: Outcome,
        usage: Usage,
    ) -> Result<Report, Error> {
        let history = closed.history().await?;
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
            .await?;
        Ok(Report {
            run,
            outcome,
            usage,
            journal: head,
            receipt_digest: sealed.receipt.digest,
            receipt: sealed.receipt.bytes,
        })
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
                engine: self.engine.fingerprint()?,
                host: VERSION.to_owned(),
            })
            .await?;
        for denial in &refusal.denials {
            run.record(Event::Denied(denial.event()))?;
        }
        let outcome = Outcome::Fault(Fault::new(FaultKind::Denied, refusal.to_string()));
        let ended = RunEnded { outcome: outcome.clone(), usage: Usage::default() };
        let closed = run.close(ended).await?;
        self.seal(closed, outcome, Usage::default()).await
    }

    fn run_id(&self) -> Result<RunId, Error> {
        let mut entropy = [0; 10];
        getrandom::fill(&mut entropy).map_err(|e| Error::Entropy(e.to_string()))?;
        Ok(RunId::new(self.clock.now(), entropy))
    }
}
