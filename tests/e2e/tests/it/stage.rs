//! A host in folders of its own, and what must hold after every run of it: the journal's chain is whole, every call that began
//! has ended, the receipt verifies, and nothing half-written lies about.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use longshore::engine::Allocation;
use longshore::journal::{Entry, History};
use longshore::model::{Event, Fault, FaultKind, LimitName, Outcome};
use longshore::policy::Policy;
use longshore::receipt::Statement;
use longshore::trust::{PrivateKey, PublicKey};
use longshore::{Builder, Error, Longshore, Report, Request, Target};
use longshore_store_sqlite::SqliteStore;
use tempfile::TempDir;

/// A host with SQLite, caches and a receipt key.
pub(crate) struct Stage {
    pub(crate) host: Longshore,
    pub(crate) receipt_key: PublicKey,
    home: TempDir,
    files: TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn of(allocation: Allocation) -> Self {
        Self::with(|builder| builder.allocation(allocation))
    }

    /// A stage whose host differs from the default as `change` says.
    pub(crate) fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self::at(home, change)
    }

    /// The same in a home that exists.
    pub(crate) fn at(home: TempDir, change: impl FnOnce(Builder) -> Builder) -> Self {
        let signer = PrivateKey::generate(&[7; 32]).unwrap();
        let receipt_key = signer.public_key().clone();
        let store = SqliteStore::open(home.path().join("journal.db")).unwrap();
        let builder = Longshore::builder().home(home.path()).store(Arc::new(store)).signer(signer);
        let host = change(builder).build().unwrap();
        Self { host, receipt_key, home, files: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A folder beside the home.
    pub(crate) fn files(&self) -> &Path {
        self.files.path()
    }

    /// A file beside the home, as something to run.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> Target {
        let path = self.files.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Target::File(path)
    }

    /// Runs a request that must become a run, and checks what it leaves behind.
    pub(crate) async fn run(&self, request: &Request) -> Ran {
        let report = self.host.request(request).await.unwrap_or_else(|e| panic!("{e:#?}"));
        self.sealed(report).await
    }

    /// Runs a request that must not become a run: nothing is journaled.
    pub(crate) async fn rejected(&self, request: &Request) -> Error {
        let before = self.host.journal().runs(&Default::default()).await.unwrap().len();
        let error = self.host.request(request).await.expect_err("it must not run");
        let after = self.host.journal().runs(&Default::default()).await.unwrap().len();
        assert_eq!(before, after, "a run was opened: {error:?}");
        self.is_tidy();
        error
    }

    /// Runs a request that the grant must refuse: journaled, sealed, and without a call.
    pub(crate) async fn refused(&self, request: &Request) -> (Error, Ran) {
        let error = self.host.request(request).await.expect_err("it must be refused");
        let Error::Refused(refused) = &error else { panic!("{error:#?}") };
        let report = refused.report.clone().expect("a refusal of a run has a receipt");
        let ran = self.sealed(report).await;
        assert_eq!(ran.fault().kind, FaultKind::Denied);
        assert!(!ran.events().any(|event| matches!(event, Event::CallStarted(_))));
        (error, ran)
    }

    /// What every run leaves behind, checked.
    pub(crate) async fn sealed(&self, report: Report) -> Ran {
        self.is_tidy();
        self.sealed_busy(report).await
    }

    /// The same while other runs may be writing.
    pub(crate) async fn sealed_busy(&self, report: Report) -> Ran {
        let history = self.host.journal().read(report.run).await.unwrap();
        let statement = longshore::receipt::verify(&report.receipt, &self.receipt_key).unwrap();
        let predicate = &statement.predicate;
        assert_eq!(predicate.run, report.run);
        assert_eq!(predicate.outcome.word, report.outcome.word());
        assert_eq!(predicate.usage, report.usage);
        assert_eq!((predicate.journal.head, history.head()), (report.journal, report.journal));
        assert_eq!(predicate.journal.entries, history.entries().len() as u64);
        let end = history.end().expect("the run has ended");
        assert_eq!((&end.outcome, end.usage), (&report.outcome, report.usage));
        let stored = self.host.journal().receipt(report.run).await.unwrap().unwrap();
        assert_eq!((stored.receipt.bytes, stored.receipt.digest), {
            (report.receipt.clone(), report.receipt_digest)
        });
        // A run that used up its budget of events had none left for the ends of its calls, and a cancelled one ends where it
        // stands.
        let cut = |fault: &Fault| {
            fault.limit == Some(LimitName::Events) || fault.kind == FaultKind::Cancelled
        };
        if !matches!(&report.outcome, Outcome::Fault(fault) if cut(fault)) {
            every_call_ends(history.entries());
        }
        Ran { report, history, statement }
    }

    /// Nothing half-written is left in the home.
    pub(crate) fn is_tidy(&self) {
        for path in walk(self.home.path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let half = name.starts_with('.') || name.ends_with(".tmp") || name.contains("partial");
            assert!(!half, "`{}` was left behind", path.display());
        }
    }
}

/// A run that was sealed and checked.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) report: Report,
    pub(crate) history: History,
    pub(crate) statement: Statement,
}

impl Ran {
    /// The value that it returned.
    pub(crate) fn value(&self) -> serde_json::Value {
        match &self.report.outcome {
            Outcome::Ok(json) => json.read().unwrap(),
            other => panic!("it did not return: {other:#?}"),
        }
    }

    /// The guest's own failure.
    pub(crate) fn failure(&self) -> serde_json::Value {
        match &self.report.outcome {
            Outcome::Failed(json) => json.read().unwrap(),
            other => panic!("it did not fail: {other:#?}"),
        }
    }

    /// The fault that stopped it.
    pub(crate) fn fault(&self) -> &Fault {
        match &self.report.outcome {
            Outcome::Fault(fault) => fault,
            other => panic!("it was not stopped: {other:#?}"),
        }
    }

    /// It was stopped at `limit`, as a fault of `kind`, and the receipt says so too.
    pub(crate) fn hit(&self, kind: FaultKind, limit: LimitName) {
        let fault = self.fault();
        assert_eq!((fault.kind, fault.limit), (kind, Some(limit)), "{fault:#?}");
        let recorded = self.statement.predicate.outcome.fault.as_ref().unwrap();
        assert_eq!((recorded.code.as_str(), recorded.limit), (kind.code(), Some(limit)));
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.history.entries().iter().map(|entry| &entry.event)
    }

    /// The names of the events, in order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.events().map(Event::name).collect()
    }
}

/// A request for `function` of `target` on `input`.
pub(crate) fn ask(target: &Target, function: &str, input: impl Into<longshore::Input>) -> Request {
    Request::new(target.clone(), input).function(function)
}

/// A policy of `--allow` flags.
pub(crate) fn allow(flags: &[&str]) -> Policy {
    let mut policy = Policy::default();
    for flag in flags {
        policy.allow_flag(flag).unwrap();
    }
    policy
}

/// A policy of one ceiling.
pub(crate) fn ceiling(name: LimitName, value: u64) -> Policy {
    let mut policy = Policy::default();
    policy.ceiling(name, value);
    policy
}

/// `left` and `right`.
pub(crate) fn both(mut left: Policy, right: Policy) -> Policy {
    left.merge(right);
    left
}

/// All files below `folder`.
pub(crate) fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

fn every_call_ends(entries: &[Entry]) {
    let mut open = std::collections::BTreeSet::new();
    for entry in entries {
        match &entry.event {
            Event::CallStarted(call) => assert!(open.insert(call.call), "a call starts twice"),
            Event::CallEnded(call) => assert!(open.remove(&call.call), "a call ends unstarted"),
            _ => {}
        }
    }
    assert!(open.is_empty(), "calls without an end: {open:?}");
}
