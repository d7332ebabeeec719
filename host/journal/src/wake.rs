//! Being told that a run may have something to do, instead of asking over and over.

use longshore_model::RunId;
use tokio::sync::broadcast;

/// How many calls a listener may fall behind before it is told to look everywhere.
const BACKLOG: usize = 4_096;

/// What a listener is told. It may be told too much, and never too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// This run may have something to do: a letter came, or nobody holds it any more.
    Run(RunId),
    /// Any run may: calls were missed, or the store cannot say which.
    Any,
}

/// What a store rings.
#[derive(Clone, Debug)]
pub struct Bell(broadcast::Sender<Wake>);

/// What is heard from the moment of listening on.
#[derive(Debug)]
pub struct Wakes(broadcast::Receiver<Wake>);

impl Bell {
    /// A bell that nobody hears yet.
    #[must_use]
    pub fn new() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }

    /// Tells everybody who listens.
    pub fn ring(&self, wake: Wake) {
        // Nobody listens: nobody needs to know.
        let _ = self.0.send(wake);
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Listens from now on.
    #[must_use]
    pub fn listen(&self) -> Wakes {
        Wakes(self.0.subscribe())
    }
}

impl Default for Bell {
    fn default() -> Self {
        Self::new()
    }
}

impl Wakes {
    /// Waits for the next call; none once the store is gone.
    pub async fn next(&mut self) -> Option<Wake> {
        match self.0.recv().await {
            Ok(wake) => Some(wake),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Wake::Any),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
