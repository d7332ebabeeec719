//! A registry with a workflow and its action, hosts over one store that die and are replaced, and the ledger outside in which
//! every effect is written down.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use longshore::journal::{
    Append, Claim, Durability, Error, Fence, Letter, MemoryStore, Opening, Posted, Record, Result,
    RunFilter, RunSummary, Sealer, Store, StoreFault, StoredReceipt, Ticket, Wakes,
};
use longshore::model::{Clock, RunId, Timestamp};
use longshore::reference::{Manifest, Pin};
use longshore::trust::PrivateKey;
use longshore::{Longshore, Request, SystemClock, Target};
use longshore_test_support::servers::{EmbeddedRegistry, embedded_registry};

use crate::artifacts::{embedded, guest, with_manifest};
use crate::publish::{key, only, publish};
use crate::stage::{allow, ask};

pub(super) const LEDGER: &str = r#"
[package]
name = "ledger"
version = "1.0.0"
kind = "action"
[capabilities.clock]
reason = "to take its time"
[[capabilities.dir]]
path = "/ledger"
access = "rw"
reason = "to be counted"
"#;

pub(super) const FLOW: &str = r#"
[package]
name = "flow"
version = "1.0.0"
kind = "workflow"
[dependencies]
"fixtures:ledger/ledger@0.1.0" = { reference = "team/ledger", version = "^1.0" }
"#;

const PARENT: &str = r#"
[package]
name = "parent"
version = "1.0.0"
kind = "workflow"
[dependencies]
"fixtures:flow/flow@0.1.0" = { reference = "team/flow", version = "^1.0" }
"fixtures:ledger/ledger@0.1.0" = { reference = "team/ledger", version = "^1.0" }
"#;

const STEPS: &str = r#"
[package]
name = "steps"
version = "1.0.0"
kind = "action"
"#;

const TALLY: &str = r#"
[package]
name = "tally"
version = "1.0.0"
kind = "workflow"
[dependencies]
"fixtures:ledger/ledger@0.1.0" = { reference = "team/ledger", version = "^1.0" }
"fixtures:steps/steps@0.1.0" = { reference = "team/steps", version = "^1.0" }
"#;

const MOTHER: &str = r#"
[package]
name = "mother"
version = "1.0.0"
kind = "workflow"
[dependencies]
"fixtures:ledger/ledger@0.1.0" = { reference = "team/ledger", version = "^1.0" }
"fixtures:steps/steps@0.1.0" = { reference = "team/steps", version = "^1.0" }
"fixtures:tally/tally@0.1.0" = { reference = "team/tally", version = "^1.0" }
"#;

const SLOW: &str = r#"
[package]
name = "slow"
version = "1.0.0"
kind = "action"
"#;

const CHORUS: &str = r#"
[package]
name = "chorus"
version = "1.0.0"
kind = "workflow"
[dependencies]
"fixtures:asynchronous/slow@0.1.0" = { reference = "team/slow", version = "^1.0" }
"#;

/// Everything but the hosts.
pub(super) struct Harbour {
    registry: EmbeddedRegistry,
    author: PrivateKey,
    pub(super) store: Arc<MemoryStore>,
    folder: tempfile::TempDir,
    home: tempfile::TempDir,
}

impl Harbour {
    pub(super) async fn new() -> Self {
        let (registry, author) = (embedded_registry(), key(1));
        let place = |name: &str| format!("{}/team/{name}:1.0.0", registry.address());
        let pinned = |name: &str, toml: &str, pins: &[longshore::reference::Digest]| {
            let mut manifest = Manifest::from_toml(toml, "longshore.toml").unwrap();
            for (dependency, digest) in manifest.dependencies.iter_mut().zip(pins) {
                dependency.pinned =
                    Some(Pin { version: "1.0.0".parse().unwrap(), digest: *digest });
            }
            embedded(&guest(name), &manifest)
        };
        let ledger = with_manifest(&guest("ledger"), LEDGER);
        let ledger = publish(&place("ledger"), ledger, &author).await.manifest.digest;
        let flow = publish(&place("flow"), pinned("flow", FLOW, &[ledger]), &author).await;
        let flow = flow.manifest.digest;
        publish(&place("parent"), pinned("flow", PARENT, &[flow, ledger]), &author).await;
        let steps = publish(&place("steps"), with_manifest(&guest("steps"), STEPS), &author).await;
        let pins = [ledger, steps.manifest.digest];
        let tally = publish(&place("tally"), pinned("tally", TALLY, &pins), &author).await;
        let pins = [pins[0], pins[1], tally.manifest.digest];
        publish(&place("mother"), pinned("tally", MOTHER, &pins), &author).await;
        let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // More runs than any test makes: none is forgotten.
        let store = Arc::new(MemoryStore::keeping(100_000));
        Self { registry, author, store, folder, home }
    }

    /// Adds the workflow of the component model's async, and its action.
    pub(super) async fn with_chorus(self) -> Self {
        let place = |name: &str| format!("{}/team/{name}:1.0.0", self.registry.address());
        let slow = with_manifest(&guest("async-guest"), SLOW);
        let slow = publish(&place("slow"), slow, &self.author).await;
        let mut manifest = Manifest::from_toml(CHORUS, "longshore.toml").unwrap();
        let (version, digest) = ("1.0.0".parse().unwrap(), slow.manifest.digest);
        manifest.dependencies[0].pinned = Some(Pin { version, digest });
        publish(&place("chorus"), embedded(&guest("chorus"), &manifest), &self.author).await;
        self
    }

    pub(super) fn target(&self, name: &str) -> Target {
        Target::parse(&format!("{}/team/{name}:1.0.0", self.registry.address())).unwrap()
    }

    /// A request to the workflow `name` that may write to the ledger.
    pub(super) fn ask(&self, name: &str, function: &str, input: &str) -> Request {
        let ledger = format!("dir=/ledger={}:rw", self.folder.path().display());
        ask(&self.target(name), function, input).allow(allow(&[&ledger, "clock"]))
    }

    /// A host over the store whose clock is `later` than the true one.
    pub(super) fn host(&self, later: Duration, patience: Duration) -> Longshore {
        self.host_over(Arc::clone(&self.store) as _, later, patience)
    }

    pub(super) fn host_over(
        &self,
        store: Arc<dyn Store>,
        later: Duration,
        patience: Duration,
    ) -> Longshore {
        self.host_with(store, Arc::new(Late(later)), patience)
    }

    pub(super) fn host_with(
        &self,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        patience: Duration,
    ) -> Longshore {
        Longshore::builder()
            .home(self.home.path())
            .store(store)
            .trust(only(&self.author))
            .signer(PrivateKey::generate(&[7; 32]).unwrap())
            .clock(clock)
            .patience(patience)
            .build()
            .unwrap()
    }

    /// Another store with the same runs, as far as they are open.
    pub(super) async fn copy(&self) -> Arc<MemoryStore> {
        let copy = MemoryStore::keeping(100_000);
        let rows = self.store.runs(&RunFilter { limit: 1_000, ..RunFilter::default() }).await;
        for row in rows.unwrap().into_iter().filter(|row| row.ended.is_none()) {
            let records = self.store.load(row.run, 0, 1_000).await.unwrap();
            let opening = Opening {
                component: row.component,
                reference: row.reference,
                function: row.function,
                started: row.started,
                lease: None,
            };
            copy.append(Append {
                run: row.run,
                next: 0,
                records,
                durability: Durability::Synced,
                fence: Fence::NONE,
                opening: Some(opening),
                ending: None,
                taken: None,
                release: None,
            })
            .await
            .unwrap();
        }
        Arc::new(copy)
    }

    /// The names that were entered, by idempotency key, in the order of their attempts.
    pub(super) fn entered(&self) -> BTreeMap<String, Vec<(u32, String)>> {
        let mut entered = BTreeMap::<_, Vec<_>>::new();
        for line in self.lines() {
            let mut words = line.splitn(3, ' ');
            let (key, attempt) = (words.next().unwrap(), words.next().unwrap());
            let name = words.next().unwrap().to_owned();
            let attempt = attempt.parse().unwrap();
            entered.entry(key.to_owned()).or_default().push((attempt, name));
        }
        entered
    }

    /// The lines of the ledger.
    pub(super) fn lines(&self) -> Vec<String> {
        let path: PathBuf = self.folder.path().join("entries");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The names in the ledger, in order.
    pub(super) fn names(&self) -> Vec<String> {
        self.lines().iter().map(|line| line.splitn(3, ' ').nth(2).unwrap().to_owned()).collect()
    }
}

/// The system's clock, set forward.
struct Late(Duration);

impl Clock for Late {
    fn now(&self) -> Timestamp {
        let by = u64::try_from(self.0.as_micros()).unwrap();
        Timestamp::from_unix_us(SystemClock.now().unix_us() + by)
    }
}

/// A store that takes so many entries, and from then on nothing: what is left of a host that was killed.
pub(super) struct Mortal {
    inner: Arc<MemoryStore>,
    left: AtomicI64,
}

impl Mortal {
    pub(super) fn new(inner: &Arc<MemoryStore>, entries: i64) -> Arc<Self> {
        let (inner, left) = (Arc::clone(inner), AtomicI64::new(entries));
        Arc::new(Self { inner, left })
    }

    fn is_dead(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    fn alive(&self) -> Result<&MemoryStore> {
        if self.is_dead() { Err(killed()) } else { Ok(&self.inner) }
    }
}

fn killed() -> Error {
    Error::store(StoreFault::Stopped, "the host was killed")
}

#[async_trait]
impl Store for Mortal {
    fn append(&self, mut append: Append) -> Ticket {
        if self.is_dead() {
            return Ticket::ready(Err(killed()));
        }
        let wanted = i64::try_from(append.records.len()).unwrap();
        let left = self.left.fetch_sub(wanted, Ordering::SeqCst);
        if wanted <= left {
            return self.inner.append(append);
        }
        // As much of it as still reached the disk; nobody is told. What takes a letter is one step.
        append.records.truncate(usize::try_from(left.max(0)).unwrap());
        (append.ending, append.release) = (None, None);
        if !append.records.is_empty() && append.taken.is_none() {
            drop(self.inner.append(append));
        }
        self.left.store(-1, Ordering::SeqCst);
        Ticket::ready(Err(killed()))
    }

    async fn load(&self, run: RunId, from: u64, max: usize) -> Result<Vec<Record>> {
        self.alive()?.load(run, from, max).await
    }

    async fn summary(&self, run: RunId) -> Result<Option<RunSummary>> {
        self.alive()?.summary(run).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>> {
        self.alive()?.runs(filter).await
    }

    async fn claimable(&self, now: Timestamp, limit: usize) -> Result<Vec<RunSummary>> {
        self.alive()?.claimable(now, limit).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<RunSummary>> {
        self.alive()?.claim(claim).await
    }

    async fn renew(&self, held: &[(RunId, Fence)], until: Timestamp) -> Result<Vec<RunId>> {
        self.alive()?.renew(held, until).await
    }

    async fn due(&self) -> Result<Option<Timestamp>> {
        self.alive()?.due().await
    }

    async fn post(&self, letter: Letter) -> Result<u64> {
        self.alive()?.post(letter).await
    }

    async fn letters(&self, run: RunId, max: usize) -> Result<Vec<Posted>> {
        self.alive()?.letters(run, max).await
    }

    fn wakes(&self) -> Wakes {
        self.inner.wakes()
    }

    async fn remove(&self, runs: &[RunId]) -> Result<Vec<RunId>> {
        self.alive()?.remove(runs).await
    }

    async fn seal(
        &self,
        run: RunId,
        durability: Durability,
        sealer: Sealer,
    ) -> Result<StoredReceipt> {
        self.alive()?.seal(run, durability, sealer).await
    }

    async fn receipt(&self, run: RunId) -> Result<Option<StoredReceipt>> {
        self.alive()?.receipt(run).await
    }

    async fn receipts(&self, position: u64, max: usize) -> Result<Vec<StoredReceipt>> {
        self.alive()?.receipts(position, max).await
    }
}
