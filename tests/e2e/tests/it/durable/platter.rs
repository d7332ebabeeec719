//! A store whose disk can be counted and cut off: how often something waited for it, and what a power cut leaves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use longshore::journal::{
    Append, Claim, Durability, Fence, Letter, MemoryStore, Opening, Posted, Record, Result,
    RunFilter, RunSummary, Sealer, Store, StoredReceipt, Ticket, Wakes,
};
use longshore::model::{RunId, Timestamp};

/// A store in memory, and how much of it would be on a disk.
#[derive(Default)]
pub(super) struct Platter {
    inner: MemoryStore,
    disk: Mutex<Disk>,
}

#[derive(Default)]
struct Disk {
    syncs: usize,
    /// Of each run, how many entries were handed over, and how many of them were synced.
    runs: HashMap<RunId, (u64, u64)>,
}

impl Platter {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// How many times something had to be on disk.
    pub(super) fn syncs(&self) -> usize {
        self.disk.lock().unwrap().syncs
    }

    /// What a power cut leaves of a run that did not end.
    pub(super) async fn after_a_power_cut(&self, run: RunId) -> Arc<MemoryStore> {
        let (_, synced) = self.disk.lock().unwrap().runs[&run];
        let row = self.inner.summary(run).await.unwrap().unwrap();
        let mut records = self.inner.load(run, 0, 100_000).await.unwrap();
        records.truncate(usize::try_from(synced).unwrap());
        let opening = Opening {
            component: row.component,
            reference: row.reference,
            function: row.function,
            started: row.started,
            lease: None,
        };
        let left = Arc::new(MemoryStore::keeping(1_000));
        let append = Append {
            run,
            next: 0,
            records,
            durability: Durability::Synced,
            fence: Fence::NONE,
            opening: Some(opening),
            ending: None,
            taken: None,
            release: None,
        };
        left.append(append).await.unwrap();
        left
    }
}

#[async_trait]
impl Store for Platter {
    fn append(&self, append: Append) -> Ticket {
        let mut disk = self.disk.lock().unwrap();
        disk.runs.entry(append.run).or_default().0 = append.end();
        if append.durability == Durability::Synced {
            disk.syncs += 1;
            disk.runs.values_mut().for_each(|(handed, synced)| *synced = *handed);
        }
        self.inner.append(append)
    }

    async fn load(&self, run: RunId, from: u64, max: usize) -> Result<Vec<Record>> {
        self.inner.load(run, from, max).await
    }

    async fn summary(&self, run: RunId) -> Result<Option<RunSummary>> {
        self.inner.summary(run).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>> {
        self.inner.runs(filter).await
    }

    async fn claimable(&self, now: Timestamp, limit: usize) -> Result<Vec<RunSummary>> {
        self.inner.claimable(now, limit).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<RunSummary>> {
        self.inner.claim(claim).await
    }

    async fn renew(&self, held: &[(RunId, Fence)], until: Timestamp) -> Result<Vec<RunId>> {
        self.inner.renew(held, until).await
    }

    async fn due(&self) -> Result<Option<Timestamp>> {
        self.inner.due().await
    }

    async fn post(&self, letter: Letter) -> Result<u64> {
        self.inner.post(letter).await
    }

    async fn letters(&self, run: RunId, max: usize) -> Result<Vec<Posted>> {
        self.inner.letters(run, max).await
    }

    fn wakes(&self) -> Wakes {
        self.inner.wakes()
    }

    async fn remove(&self, runs: &[RunId]) -> Result<Vec<RunId>> {
        self.inner.remove(runs).await
    }

    async fn seal(
        &self,
        run: RunId,
        durability: Durability,
        sealer: Sealer,
    ) -> Result<StoredReceipt> {
        self.inner.seal(run, durability, sealer).await
    }

    async fn receipt(&self, run: RunId) -> Result<Option<StoredReceipt>> {
        self.inner.receipt(run).await
    }

    async fn receipts(&self, position: u64, max: usize) -> Result<Vec<StoredReceipt>> {
        self.inner.receipts(position, max).await
    }
}
