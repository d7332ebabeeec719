//! The store in SQLite keeps every promise of a store.
#![allow(clippy::unwrap_used, reason = "tests say what broke by panicking")]

use std::sync::Arc;

use longshore_journal::Store;
use longshore_store_contract::{Place, contract};
use longshore_store_sqlite::{Options, SqliteStore, Start};

struct Folder(tempfile::TempDir);

/// The same, served by whoever waits until a thread is needed.
struct Alone(tempfile::TempDir);

impl Place for Folder {
    fn handle(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(self.0.path().join("state/journal.db")).unwrap())
    }
}

impl Place for Alone {
    fn handle(&self) -> Arc<dyn Store> {
        let file = Options::new(self.0.path().join("state/journal.db"));
        Arc::new(SqliteStore::open_with(Options { start: Start::WhenNeeded, ..file }).unwrap())
    }
}

contract!(Folder(tempfile::tempdir().unwrap()));

mod without_a_thread {
    use super::Alone;
    use longshore_store_contract::contract;

    contract!(Alone(tempfile::tempdir().unwrap()));
}
