//! A full disk, a real one: a small tmpfs that is filled up. Where the tests may not mount, they say so and are skipped.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use longshore::journal::{RunFilter, RunState};
use longshore::model::FaultKind;
use longshore::trust::TrustPolicy;
use longshore::{Class, Longshore, Request, Target};
use longshore_store_sqlite::SqliteStore;
use longshore_test_support::servers::embedded_registry;

use crate::artifacts::{guest, wat};
use crate::components::ANSWER;
use crate::publish::push;
use crate::stage::{allow, ask, walk};

/// A disk of a few mebibytes; gone when dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    /// `None`, said aloud, where this process may not mount.
    fn new(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            // Not a missing tool: nothing can be required of a process without the right to mount.
            let _ = writeln!(std::io::stderr(), "SKIPPED: this process may not mount a tmpfs");
            return None;
        }
        Some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes until nothing more fits.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("ballast");
        let mut file = std::fs::File::create(&path).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            let block = vec![0; size];
            while file.write_all(&block).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn no_halves(folder: &Path) {
    for path in walk(folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let half = name.starts_with('.') || name.ends_with(".tmp") || name.contains("partial");
        assert!(!half, "`{}` was left behind", path.display());
    }
}

#[tokio::test]
async fn fetching_onto_a_full_disk_fails_with_its_own_code_and_leaves_nothing() {
    let Some(disk) = Disk::new(4) else { return };
    let registry = embedded_registry();
    let name = format!("{}/team/echo:1.0.0", registry.address());
    push(&name, guest("echo")).await;
    let host = Longshore::builder()
        .home(disk.path().join("home"))
        .trust(TrustPolicy::insecure_accept_anything())
        .build()
        .unwrap();
    let ballast = disk.fill();
    let error = host.run(&name, "").await.unwrap_err();
    assert_eq!((error.code(), error.class()), ("LS-REG-028", Class::Host), "{error:?}");
    assert!(error.to_string().contains("full"), "{error}");
    assert!(error.hint().is_some());
    no_halves(disk.path());
    // With room again, the same host goes on.
    std::fs::remove_file(ballast).unwrap();
    let target = Target::parse(&name).unwrap();
    let report = host.request(&ask(&target, "to-u8", "[7]")).await.unwrap();
    assert!(report.outcome.is_ok(), "{:?}", report.outcome);
}

#[tokio::test]
async fn compiled_code_that_finds_no_room_is_used_all_the_same_and_not_kept() {
    let Some(disk) = Disk::new(4) else { return };
    let host = Longshore::builder().home(disk.path().join("home")).build().unwrap();
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("answer.wasm");
    std::fs::write(&path, wat(ANSWER)).unwrap();
    let ballast = disk.fill();
    // The receipt's key finds no room either: nothing runs whose receipt could not be sealed.
    let request = Request::new(Target::File(path), "");
    let error = host.request(&request).await.unwrap_err();
    assert_eq!((error.code(), error.class()), ("LS-HST-001", Class::Host), "{error:?}");
    assert!(host.journal().runs(&RunFilter::default()).await.unwrap().is_empty());
    no_halves(disk.path());
    std::fs::remove_file(ballast).unwrap();
    assert!(host.request(&request).await.unwrap().outcome.is_ok());
    no_halves(disk.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_on_a_full_disk_stops_the_run_and_stays_consistent() {
    let Some(disk) = Disk::new(4) else { return };
    let home = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(disk.path().join("journal.db")).unwrap();
    store.ready().await.unwrap();
    let host =
        Longshore::builder().home(home.path()).store(std::sync::Arc::new(store)).build().unwrap();
    let path = home.path().join("hog.wasm");
    std::fs::write(&path, guest("hog")).unwrap();
    let target = Target::File(path);
    let before = ask(&target, "many", "[3]").allow(allow(&["clock"]));
    let first = host.request(&before).await.unwrap();
    let ballast = disk.fill();
    // A run whose journal does not fit: two megabytes of standard output.
    let large = ask(&target, "print", "[1000000]").allow(allow(&["clock"]));
    match host.request(&large).await {
        Ok(report) => {
            let longshore::model::Outcome::Fault(fault) = &report.outcome else {
                panic!("{report:?}")
            };
            assert_eq!(fault.kind, FaultKind::Host);
        }
        Err(error) => {
            assert_eq!((error.code(), error.class()), ("LS-JRN-020", Class::Host), "{error:?}");
            assert!(error.hint().unwrap().contains("free some space"));
        }
    }
    std::fs::remove_file(ballast).unwrap();
    // What was acknowledged is there, whole; the run that was cut off is not taken for a good one.
    let store = SqliteStore::open(disk.path().join("journal.db")).unwrap();
    let host =
        Longshore::builder().home(home.path()).store(std::sync::Arc::new(store)).build().unwrap();
    let history = host.journal().read(first.run).await.unwrap();
    assert_eq!(history.head(), first.journal);
    for run in host.journal().runs(&RunFilter::default()).await.unwrap() {
        host.journal().read(run.run).await.unwrap();
        if run.run != first.run {
            assert_ne!(run.state, RunState::Ok);
        }
    }
    let again = host.request(&large).await.unwrap();
    assert!(again.outcome.is_ok(), "{:?}", again.outcome);
}
