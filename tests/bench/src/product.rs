//! This side: a host as an embedder puts it together, and a component admitted by it.

use std::path::Path;
use std::sync::Arc;

use longshore::policy::Policy;
use longshore::{Builder, Longshore, Prepared, Session, Target};
use longshore_engine::{Allocation, Arguments, Function};
use longshore_model::{Json, Outcome};
use wasmtime::Result;

/// A host for many calls: instances from the pool, the journal in memory.
pub(crate) struct Product {
    pub(crate) host: Longshore,
    pub(crate) prepared: Prepared,
}

/// What is called again and again.
pub(crate) struct Callee {
    pub(crate) function: Arc<Function>,
    pub(crate) arguments: Arguments,
}

/// A host that keeps its state in `home`.
pub(crate) fn host(home: &Path) -> Builder {
    Longshore::builder().home(home)
}

impl Product {
    /// Admits the component in `file`: fetched, verified, compiled, granted, linked.
    pub(crate) async fn new(home: &Path, file: &Path) -> Result<Self> {
        let host = host(home).allocation(Allocation::Pooling).build()?;
        let prepared = host.prepare(&Target::File(file.to_owned()), &Policy::default()).await?;
        Ok(Self { host, prepared })
    }

    /// A run for many calls.
    pub(crate) async fn session(&self) -> Result<Session> {
        Ok(self.host.session(&self.prepared).await?)
    }

    /// The function `name` with its arguments.
    pub(crate) fn callee(&self, name: &str, input: &str) -> Result<Callee> {
        let function = Arc::clone(self.prepared.ready().compiled().function(Some(name))?);
        let arguments = function.arguments(input)?;
        Ok(Callee { function, arguments })
    }
}

impl Callee {
    /// One call through the whole path. A call that fails is no measurement.
    pub(crate) async fn call(&self, session: &Session) {
        let outcome = session.call_with(&self.function, &self.arguments).await;
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}

/// Ends a session as if all was well.
pub(crate) async fn close(session: Session) -> Result<()> {
    session.close(Outcome::Ok(Json::null())).await?;
    Ok(())
}
