//! Files that released versions wrote are brought to the newest schema, and nothing in them changes.
//!
//! `schemas/NNN.db` is a file as version NNN of the schema left it: three runs that ended, with their
//! receipts, and one whose process was killed. A file that was released is never changed.
#![allow(clippy::unwrap_used, reason = "tests say what broke by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use longshore_journal::{Fence, Journal, RunFilter, RunState, SealedReceipt, Store};
use longshore_model::{Clock, Timestamp};
use longshore_reference::Digest;
use longshore_store_contract::{call, end, runtime};
use longshore_store_sqlite::SqliteStore;
use rusqlite::Connection;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_us(1_900_000_000_000_000)
    }
}

/// The released files, oldest first.
fn released() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_released_file_is_migrated_and_goes_on() {
    assert!(!released().is_empty());
    for released in released() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        std::fs::copy(&released, &path).unwrap();
        runtime().block_on(async {
            let store = Arc::new(SqliteStore::open(&path).unwrap());
            store.ready().await.unwrap();
            goes_on(store).await;
        });
        // The second time there is nothing to do.
        runtime().block_on(async { SqliteStore::open(&path).unwrap().ready().await.unwrap() });
    }
}

async fn goes_on(store: Arc<SqliteStore>) {
    let journal = Journal::new(store.clone(), Arc::new(Still));
    let rows = journal.runs(&RunFilter::default()).await.unwrap();
    let states: Vec<_> = rows.iter().map(|row| row.state).collect();
    let ok = RunState::Ok;
    assert_eq!(states, [RunState::Interrupted, ok, ok, ok]);
    for row in &rows {
        // Every hash is computed again.
        let history = journal.read(row.run).await.unwrap();
        assert_eq!(history.entries().len() as u64, row.entries);
        assert_eq!((row.fence, row.lease, row.waiting), (Fence::NONE, None, None));
        assert_eq!((row.posted, row.taken), (0, 0));
        assert_eq!(row.is_claimable(Still.now()), row.state == RunState::Interrupted);
    }
    let chain = journal.receipts(0, 9).await.unwrap();
    assert_eq!(chain.len(), 3);
    for pair in chain.windows(2) {
        assert_eq!(pair[1].previous, Some(pair[0].receipt.digest));
    }
    // The run whose process was killed goes on, and its receipt follows the others.
    let (run, history) = journal.resume(rows[0].run).await.unwrap();
    assert_eq!(run.record(call(9)).unwrap(), history.entries().len() as u64);
    let closed = run.close(end()).await.unwrap();
    let bytes = b"sealed".to_vec();
    let sealer = Box::new(move |_| Ok(SealedReceipt { digest: Digest::of(&bytes), bytes }));
    let stored = journal.seal(&closed, sealer).await.unwrap();
    assert_eq!((stored.position, stored.previous), (3, Some(chain[2].receipt.digest)));
    assert_eq!(store.due().await.unwrap(), None);
}

#[test]
fn a_migration_that_is_cut_short_leaves_the_file_as_it_was() {
    for released in released() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        std::fs::copy(&released, &path).unwrap();
        let connection = Connection::open(&path).unwrap();
        let version = |connection: &Connection| -> i64 {
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
        };
        let before = version(&connection);
        // Something in the way of the last step.
        connection.execute_batch("CREATE TABLE letters (mine INTEGER)").unwrap();
        let refused = runtime().block_on(async {
            let store = SqliteStore::open(&path).unwrap();
            store.ready().await.unwrap_err()
        });
        assert!(refused.to_string().contains("cannot open the journal"), "{refused}");
        assert_eq!(version(&connection), before);
        connection.execute_batch("DROP TABLE letters").unwrap();
        drop(connection);
        runtime().block_on(async {
            goes_on(Arc::new(SqliteStore::open(&path).unwrap())).await;
        });
    }
}
