//! Files and logs that a power cut or a bad disk has torn: what can be read is right, the rest is
//! told, and what was acknowledged and is still on the disk is not lost.
#![allow(clippy::unwrap_used, reason = "tests say what broke by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longshore_journal::{
    Durability, Error, Journal, RunFilter, RunState, RunSummary, Store, StoreFault,
};
use longshore_model::{Clock, Timestamp};
use longshore_store_contract::{Appends, call, end, run_id, runtime, start};
use longshore_store_sqlite::SqliteStore;
use rusqlite::Connection;

/// Few enough that the store does not tidy its log meanwhile.
const RUNS: u64 = 8;

/// So many of them are in the file, the others in the log.
const FILED: u64 = 4;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_us(1_700_000_000_000_000)
    }
}

fn log_of(path: &Path) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push("-wal");
    text.into()
}

/// A file and its log with runs of a real journal, as a process that was killed leaves them.
struct Left {
    file: Vec<u8>,
    log: Vec<u8>,
    rows: Vec<RunSummary>,
}

async fn left() -> Left {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let journal = Journal::new(store.clone(), Arc::new(Still));
    for n in 0..RUNS {
        let run = journal.open(start(run_id(n))).await.unwrap();
        for step in 0..4 {
            run.record(call(step)).unwrap();
        }
        run.sync().await.unwrap();
        run.close(end()).await.unwrap();
        if n + 1 == FILED {
            let checkpoint = Connection::open(&path).unwrap();
            let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
            checkpoint.query_row(truncate, [], |_| Ok(())).unwrap();
        }
    }
    store.append(Appends::new(run_id(99)).add(1, 10, Durability::Synced)).await.unwrap();
    let rows = journal.runs(&RunFilter::default()).await.unwrap();
    Left { file: fs::read(&path).unwrap(), log: fs::read(log_of(&path)).unwrap(), rows }
}

/// Opens what is left of it, reads every run, writes one more. How many runs are whole; the others
/// are missing, or their reading fails with the code of a damaged store or history.
async fn survive(file: &[u8], log: &[u8], rows: &[RunSummary]) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    fs::write(&path, file).unwrap();
    fs::write(log_of(&path), log).unwrap();
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let journal = Journal::new(store.clone(), Arc::new(Still));
    let mut whole = 0;
    for row in rows.iter().filter(|row| row.state == RunState::Ok) {
        match journal.read(row.run).await {
            Ok(history) if history.head() == row.head => {
                assert_eq!(history.entries().len() as u64, row.entries);
                whole += 1;
            }
            // The end of the log is gone: the run stands as it did before.
            Ok(history) => assert!(history.end().is_none() && history.entries().len() < 6),
            Err(Error::NotFound(_)) => {}
            Err(error) => assert!(is_told(&error), "{error:?}"),
        }
    }
    let more = store.append(Appends::new(run_id(77)).add(1, 100, Durability::Synced)).await;
    if let Err(error) = more {
        assert!(is_told(&error), "{error:?}");
    }
    whole
}

/// Whether the error says that the store or the history is damaged, and what to do.
fn is_told(error: &Error) -> bool {
    let damaged = matches!(error.code(), "LS-JRN-002" | "LS-JRN-003" | "LS-JRN-004" | "LS-JRN-005")
        || matches!(error, Error::Store { fault: StoreFault::Corrupt, .. });
    damaged && error.hint().is_some()
}

#[test]
fn a_log_that_ends_early_costs_its_end_and_nothing_before() {
    runtime().block_on(async {
        let Left { file, log, rows } = left().await;
        assert_eq!(survive(&file, &log, &rows).await, RUNS);
        assert_eq!(survive(&file, &[], &rows).await, FILED);
        let mut before = 0;
        for part in 0..=16 {
            let cut = log.len() * part / 16;
            let whole = survive(&file, &log[..cut], &rows).await;
            assert!(whole >= before.max(FILED), "{whole} whole with {cut} bytes of the log");
            before = whole;
        }
        assert_eq!(before, RUNS);
    });
}

#[test]
fn a_log_with_a_garbled_page_costs_what_comes_after_it_and_nothing_before() {
    runtime().block_on(async {
        let Left { file, mut log, rows } = left().await;
        let place = log.len() / 2;
        log[place..place + 64].fill(0xa5);
        let whole = survive(&file, &log, &rows).await;
        assert!((FILED..RUNS).contains(&whole), "{whole}");
        assert!(whole >= survive(&file, &log[..place], &rows).await);
    });
}

#[test]
fn a_file_that_is_torn_anywhere_is_told_and_never_believed() {
    runtime().block_on(async {
        let Left { file, log, rows } = left().await;
        let mut hurt = 0;
        for place in (0..file.len()).step_by(1_024) {
            let mut torn = file.clone();
            let end = (place + 1_024).min(torn.len());
            torn[place..end].fill(0x5a);
            // Without the log, which may hold the same pages again.
            hurt += usize::from(survive(&torn, &[], &rows).await < FILED);
            survive(&torn, &log, &rows).await;
            survive(&file[..place], &[], &rows).await;
        }
        assert!(hurt >= 12, "{hurt}");
    });
}
