//! The port to whoever starts the runs that a workflow has as children: opening a run is not the engine's business.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use longshore_model::{Child, Outcome, Parent, RunId};

use crate::Ready;

/// A child that a workflow asked for.
#[derive(Clone, Debug)]
pub struct StartedChild {
    /// What was asked for; its id was made by [`Children::new_id`], now or before the run's host died.
    pub child: Child,
    /// Whose child it is.
    pub parent: Parent,
    /// The component behind the interface.
    pub ready: Arc<Ready>,
}

/// Starts children.
pub trait Children: Send + Sync {
    /// An id for a child that is asked for now.
    fn new_id(&self) -> RunId;

    /// Starts the child, or goes on with it where it was started before; gives how it ended, or nothing where this host cannot
    /// say: its journal failed, and it goes on when that does. Dropped, the child goes on.
    fn start(&self, child: StartedChild) -> Pin<Box<dyn Future<Output = Option<Outcome>> + Send>>;

    /// Asks a child to end.
    fn cancel(&self, run: RunId);
}
