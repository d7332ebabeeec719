//! The runs that a journal holds, and the task that prolongs their leases while they are under way.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use longshore_model::{Clock, RunId, Timestamp};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::{Fence, HostId, Lease, Store};

/// A lease is prolonged when a third of it has passed: two attempts may fail.
const RENEWALS: u32 = 3;

/// What a journal holds.
pub(crate) struct Keeper {
    host: HostId,
    length: Duration,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    runs: HashMap<RunId, Fence>,
    task: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(crate) fn new(host: HostId, length: Duration) -> Self {
        Self { host, length, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn host(&self) -> HostId {
        self.host
    }

    /// A lease that begins now.
    pub(crate) fn lease(&self, now: Timestamp) -> Lease {
        let length = u64::try_from(self.length.as_micros()).unwrap_or(u64::MAX);
        let until = Timestamp::from_unix_us(now.unix_us().saturating_add(length));
        Lease { host: self.host, until }
    }

    /// Remembers a run that was taken, and prolongs its lease from now on. Outside of a tokio
    /// runtime nothing is prolonged.
    pub(crate) fn hold(
        self: &Arc<Self>,
        run: RunId,
        fence: Fence,
        store: &Arc<dyn Store>,
        clock: &Arc<dyn Clock>,
    ) {
        let mut held = self.held();
        held.runs.insert(run, fence);
        // Its runtime may be gone, and the task with it.
        if held.task.as_ref().is_none_or(JoinHandle::is_finished)
            && let Ok(runtime) = Handle::try_current()
        {
            let (store, clock) = (Arc::downgrade(store), Arc::clone(clock));
            let work = prolong(Arc::downgrade(self), store, clock, self.length / RENEWALS);
            held.task = Some(runtime.spawn(work));
        }
    }

    /// Forgets a run, if it is still held as it was.
    pub(crate) fn release(&self, run: RunId, fence: Fence) {
        let mut held = self.held();
        if held.runs.get(&run) == Some(&fence) {
            held.runs.remove(&run);
        }
    }

    /// What is held; the task ends when that is nothing.
    fn to_prolong(&self) -> Option<Vec<(RunId, Fence)>> {
        let mut held = self.held();
        if held.runs.is_empty() {
            held.task = None;
            return None;
        }
        Some(held.runs.iter().map(|(run, fence)| (*run, *fence)).collect())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = held.task.take() {
            task.abort();
        }
    }
}

/// Prolongs what is held, over and over. What the store no longer counts as ours is forgotten; the
/// run itself learns it from its next append.
async fn prolong(
    keeper: Weak<Keeper>,
    store: Weak<dyn Store>,
    clock: Arc<dyn Clock>,
    every: Duration,
) {
    loop {
        tokio::time::sleep(every).await;
        let (Some(keeper), Some(store)) = (keeper.upgrade(), store.upgrade()) else { return };
        let Some(held) = keeper.to_prolong() else { return };
        // When the store fails, the next attempt may not.
        let Ok(ours) = store.renew(&held, keeper.lease(clock.now()).until).await else { continue };
        let ours: std::collections::HashSet<RunId> = ours.into_iter().collect();
        for (run, fence) in held.into_iter().filter(|(run, _)| !ours.contains(run)) {
            keeper.release(run, fence);
        }
    }
}

/// A host's id where none was given. The keys of a hash map are the only random bytes that the
/// standard library gives away; an id need not be secret, only its own.
pub(crate) fn any_host() -> HostId {
    let mut bytes = [0; 16];
    for half in bytes.chunks_exact_mut(8) {
        half.copy_from_slice(&RandomState::new().build_hasher().finish().to_le_bytes());
    }
    HostId::new(bytes)
}
