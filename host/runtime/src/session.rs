//! A run of many calls: the journal, the grant and the receipt of one run, a fresh sandbox for each call.

use std::sync::{Arc, Mutex, PoisonError};

use longshore_engine::{Arguments, Function, RunContext, RunOptions, Stdio};
use longshore_journal::Run;
use longshore_model::{Outcome, RunEnded, RunId};

use crate::builder::Host;
use crate::{Error, Longshore, Prepared, Report};

/// The memory of arguments that were longer than this, as JSON in bytes, is not kept for the next call.
const KEPT_BYTES: u64 = 64 << 10;

/// A run that stays open for calls until it is closed. Calls may overlap.
pub struct Session {
    host: Arc<Host>,
    prepared: Prepared,
    run: Run,
    cx: RunContext,
    stdio: Stdio,
    /// Arguments of a call that ended: reading the next ones over them saves most of their allocations.
    spare: Mutex<Option<Arguments>>,
}

impl Longshore {
    /// Opens a run for many calls of `prepared`.
    ///
    /// # Errors
    ///
    /// When the journal cannot be written.
    pub async fn session(&self, prepared: &Prepared) -> Result<Session, Error> {
        let host = Arc::clone(&self.0);
        let run = host.journal.open(host.start(prepared, "*", "null")?).await?;
        let most = prepared.grant.limits.started_calls;
        let options = RunOptions { started_calls: Some(most), ..RunOptions::default() };
        let cx = RunContext::durable(run.clone(), options, &[]);
        let (prepared, stdio) = (prepared.clone(), Stdio::default());
        Ok(Session { host, prepared, run, cx, stdio, spare: Mutex::default() })
    }
}

impl Session {
    /// The run.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.run.id()
    }

    /// The function called `name`.
    ///
    /// # Errors
    ///
    /// When there is none, or several.
    pub fn function(&self, name: Option<&str>) -> Result<Arc<Function>, Error> {
        Ok(Arc::clone(self.prepared.ready.compiled().function(name)?))
    }

    /// Calls `function` on JSON `input`.
    ///
    /// # Errors
    ///
    /// When the input does not fit the function.
    pub async fn call(&self, function: &Function, input: &str) -> Result<Outcome, Error> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        let arguments = match spare {
            _ if !self.prepared.ready.within_input(input) => Arguments::too_long(input),
            Some(spare) => function.arguments_over(input, spare)?,
            None => function.arguments(input)?,
        };
        let outcome = self.call_with(function, &arguments).await;
        if arguments.bytes() <= KEPT_BYTES {
            *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(arguments);
        }
        Ok(outcome)
    }

    /// Calls `function` on arguments that were converted before.
    pub async fn call_with(&self, function: &Function, arguments: &Arguments) -> Outcome {
        self.prepared.ready.call(&self.cx, function, arguments, &self.stdio).await
    }

    /// Ends the run with `outcome` and seals its receipt.
    ///
    /// # Errors
    ///
    /// When the journal cannot be written or the receipt not be sealed.
    pub async fn close(self, outcome: Outcome) -> Result<Report, Error> {
        let usage = self.cx.usage();
        let closed = self.run.close_and_read(RunEnded { outcome: outcome.clone(), usage }).await?;
        self.host.seal(closed, outcome, usage).await
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Session").field(&self.run.id()).finish()
    }
}
