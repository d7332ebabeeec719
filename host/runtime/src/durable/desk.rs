//! The workflows' runs that this host carries, and the one listener that knocks at those for which something came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use longshore_journal::{Wake, Wakes};
use longshore_model::{RunId, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::builder::Host;

/// The runs of this host.
#[derive(Debug, Default)]
pub(crate) struct Desk(Mutex<Runs>);

#[derive(Debug, Default)]
struct Runs {
    knocks: HashMap<RunId, Arc<Notify>>,
    listener: Option<JoinHandle<()>>,
    /// When runs without a receipt were last looked for.
    swept: Option<Timestamp>,
}

/// A run's place at the desk; given back when this is dropped.
pub(crate) struct Seat {
    host: Weak<Host>,
    run: RunId,
    knock: Arc<Notify>,
}

impl Desk {
    /// Takes a seat for `run`, and listens for as long as anybody sits.
    pub(crate) fn sit(&self, host: &Arc<Host>, run: RunId) -> Seat {
        let knock = Arc::new(Notify::new());
        let mut runs = self.lock();
        runs.knocks.insert(run, Arc::clone(&knock));
        if runs.listener.as_ref().is_none_or(JoinHandle::is_finished) {
            let listening = listen(Arc::downgrade(host), host.journal.wakes());
            runs.listener = Some(tokio::spawn(listening));
        }
        Seat { host: Arc::downgrade(host), run, knock }
    }

    /// Whether this host carries the run.
    pub(crate) fn has(&self, run: RunId) -> bool {
        self.lock().knocks.contains_key(&run)
    }

    pub(crate) fn swept(&self) -> Option<Timestamp> {
        self.lock().swept
    }

    pub(crate) fn has_swept(&self, at: Timestamp) {
        self.lock().swept = Some(at);
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn knock(&self, wake: Wake) -> bool {
        let mut runs = self.lock();
        match wake {
            Wake::Run(run) => {
                if let Some(knock) = runs.knocks.get(&run) {
                    knock.notify_one();
                }
            }
            Wake::Any => runs.knocks.values().for_each(|knock| knock.notify_one()),
        }
        if runs.knocks.is_empty() {
            // Under the same lock as `sit`, which listens anew.
            runs.listener = None;
            return false;
        }
        true
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(listener) = self.lock().listener.take() {
            listener.abort();
        }
    }
}

/// Knocks at whoever something came for, until nobody sits any more.
async fn listen(host: Weak<Host>, mut wakes: Wakes) {
    while let Some(wake) = wakes.next().await {
        let Some(host) = host.upgrade() else { return };
        if !host.desk.knock(wake) {
            // Whoever sits down next listens anew, and looks for itself first.
            return;
        }
    }
}

impl Seat {
    /// Returns once something may have come since the last time.
    pub(crate) async fn knocked(&self) {
        self.knock.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(host) = self.host.upgrade() {
            let mut runs = host.desk.lock();
            // Somebody else of this host may carry the run by now, and sits there.
            if runs.knocks.get(&self.run).is_some_and(|knock| Arc::ptr_eq(knock, &self.knock)) {
                runs.knocks.remove(&self.run);
            }
        }
    }
}
