//! Disks that fill up, files that are damaged, held, or not ours: each has its own error, and loses
//! nothing that was acknowledged.
#![allow(clippy::unwrap_used, reason = "tests say what broke by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use longshore_journal::{Durability, Error, RunState, Store, StoreFault};
use longshore_store_contract::{Appends, run_id, runtime};
use longshore_store_sqlite::{Options, SqliteStore};
use rusqlite::Connection;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("journal.db")
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::open(self.path()).unwrap()
    }

    /// A file with `runs` runs of one entry each, all of it in the file and nothing in the log.
    async fn filled(runs: u64) -> Self {
        let place = Self::new();
        let store = place.store();
        for n in 0..runs {
            add(&store, n).await.unwrap();
        }
        drop(store);
        let connection = Connection::open(place.path()).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        place
    }
}

async fn add(store: &SqliteStore, n: u64) -> Result<(), Error> {
    store.append(Appends::new(run_id(n)).add(1, 1_000, Durability::Synced)).await
}

#[track_caller]
fn assert_fault(result: Result<(), Error>, wanted: StoreFault, code: &str) {
    match result {
        Err(error @ Error::Store { fault, .. }) => {
            assert_eq!((fault, error.code()), (wanted, code), "{error:?}");
            assert!(error.hint().is_some());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_disk_loses_nothing_and_goes_on_when_there_is_room() {
    runtime().block_on(async {
        let place = Place::new();
        let options = Options { max_pages: Some(40), ..Options::new(place.path()) };
        let store = SqliteStore::open_with(options).unwrap();
        let mut kept = 0;
        let full = loop {
            match add(&store, kept).await {
                Ok(()) => kept += 1,
                Err(error) => break Err(error),
            }
        };
        assert_fault(full, StoreFault::Full, "LS-JRN-020");
        assert!(kept > 10, "{kept}");
        assert_fault(add(&store, kept).await, StoreFault::Full, "LS-JRN-020");
        drop(store);
        let store = place.store();
        for n in 0..kept {
            assert_eq!(store.load(run_id(n), 0, 9).await.unwrap().len(), 1);
        }
        assert_eq!(store.summary(run_id(kept)).await.unwrap(), None);
        add(&store, kept).await.unwrap();
    });
}

#[test]
fn one_append_that_does_not_fit_on_the_disk_does_not_take_others_with_it() {
    runtime().block_on(async {
        let place = Place::new();
        let options = Options { max_pages: Some(60), ..Options::new(place.path()) };
        let store = SqliteStore::open_with(options).unwrap();
        // Handed in together, before the thread has the file open: one group.
        let small = store.append(Appends::new(run_id(1)).add(1, 100, Durability::Buffered));
        let large = store.append(Appends::new(run_id(2)).add(1, 1 << 20, Durability::Buffered));
        let other = store.append(Appends::new(run_id(3)).add(1, 100, Durability::Synced));
        small.await.unwrap();
        assert_fault(large.await, StoreFault::Full, "LS-JRN-020");
        other.await.unwrap();
        assert_eq!(store.summary(run_id(2)).await.unwrap(), None);
    });
}

#[test]
fn a_file_held_by_another_process_is_said_to_be_locked_and_works_afterwards() {
    runtime().block_on(async {
        let place = Place::filled(1).await;
        let holder = Connection::open(place.path()).unwrap();
        holder.execute_batch("BEGIN IMMEDIATE").unwrap();
        let busy = Duration::from_millis(20);
        let store = SqliteStore::open_with(Options { busy, ..Options::new(place.path()) }).unwrap();
        assert_fault(add(&store, 1).await, StoreFault::Locked, "LS-JRN-022");
        assert_eq!(store.load(run_id(0), 0, 9).await.unwrap().len(), 1);
        holder.execute_batch("ROLLBACK").unwrap();
        add(&store, 1).await.unwrap();
    });
}

#[test]
fn a_file_that_may_not_be_written_is_said_to_be_read_only() {
    runtime().block_on(async {
        let place = Place::filled(1).await;
        // SQLite takes a file whose "write version" it does not know as read-only, whoever asks:
        // also for root.
        let mut bytes = fs::read(place.path()).unwrap();
        bytes[18] = 3;
        fs::write(place.path(), bytes).unwrap();
        let store = place.store();
        assert_fault(add(&store, 1).await, StoreFault::ReadOnly, "LS-JRN-021");
        assert_eq!(store.load(run_id(0), 0, 9).await.unwrap().len(), 1);
    });
}

#[test]
fn a_damaged_file_is_said_to_be_corrupt() {
    runtime().block_on(async {
        let garbage = Place::new();
        fs::write(garbage.path(), [0xa5; 8_192]).unwrap();
        assert_fault(garbage.store().ready().await, StoreFault::Corrupt, "LS-JRN-023");

        let torn = Place::filled(200).await;
        let bytes = fs::read(torn.path()).unwrap();
        fs::write(torn.path(), &bytes[..bytes.len() / 2]).unwrap();
        let store = torn.store();
        let mut faults = 0;
        for n in 0..200 {
            match store.load(run_id(n), 0, 9).await {
                Ok(records) => assert_eq!(records.len(), 1),
                Err(error) => {
                    assert_fault(Err(error), StoreFault::Corrupt, "LS-JRN-023");
                    faults += 1;
                }
            }
        }
        assert!(faults > 0);
    });
}

#[test]
fn a_torn_log_costs_its_torn_end_only() {
    runtime().block_on(async {
        let place = Place::new();
        let store = place.store();
        let mut appends = Appends::new(run_id(1));
        for _ in 0..30 {
            store.append(appends.add(1, 300, Durability::Synced)).await.unwrap();
        }
        store.append(appends.end(RunState::Ok)).await.unwrap();
        let log = fs::read(with_suffix(&place.path(), "-wal")).unwrap();
        let file = fs::read(place.path()).unwrap();
        for cut in (0..=log.len()).step_by(log.len() / 23) {
            let copy = Place::new();
            fs::write(copy.path(), &file).unwrap();
            fs::write(with_suffix(&copy.path(), "-wal"), &log[..cut]).unwrap();
            let store = copy.store();
            let records = store.load(run_id(1), 0, 99).await.unwrap();
            let entries = store.summary(run_id(1)).await.unwrap().map_or(0, |row| row.entries);
            assert_eq!(records.len() as u64, entries, "cut at {cut}");
            assert!(records.iter().zip(0..).all(|(record, seq)| record.seq == seq));
        }
    });
}

#[test]
fn a_file_from_tomorrow_or_of_another_program_is_left_alone() {
    runtime().block_on(async {
        let newer = Place::filled(1).await;
        let connection = Connection::open(newer.path()).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert_fault(newer.store().ready().await, StoreFault::NewerSchema, "LS-JRN-024");

        let foreign = Place::new();
        let connection = Connection::open(foreign.path()).unwrap();
        connection.execute_batch("CREATE TABLE photos (id INTEGER)").unwrap();
        assert_fault(foreign.store().ready().await, StoreFault::Unopenable, "LS-JRN-025");
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 1);

        let folder = Place::new();
        fs::create_dir(folder.path()).unwrap();
        assert_fault(folder.store().ready().await, StoreFault::Unopenable, "LS-JRN-025");
    });
}

#[test]
fn only_the_owner_may_read_what_is_made() {
    runtime().block_on(async {
        let place = Place::new();
        let folder = place.0.path().join("a/b");
        let store = SqliteStore::open(folder.join("journal.db")).unwrap();
        add(&store, 1).await.unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(folder.parent().unwrap())), (0o700, 0o700));
        for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
            assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
        }
    });
}

#[test]
fn what_was_handed_in_is_written_when_the_store_is_dropped() {
    runtime().block_on(async {
        let place = Place::new();
        let store = place.store();
        let tickets: Vec<_> = (0..50)
            .map(|n| store.append(Appends::new(run_id(n)).add(1, 50, Durability::Buffered)))
            .collect();
        drop(store);
        for ticket in tickets {
            ticket.await.unwrap();
        }
        let store = place.store();
        for n in 0..50 {
            assert_eq!(store.load(run_id(n), 0, 9).await.unwrap().len(), 1);
        }
    });
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(suffix);
    text.into()
}
