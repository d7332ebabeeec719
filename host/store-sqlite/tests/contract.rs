//! The store in SQLite keeps every promise of a store.
#![allow(clippy::unwrap_used, reason = "tests say what broke by panicking")]

use std::sync::Arc;

use longshore_journal::Store;
use longshore_store_contract::{Place, contract};
use longshore_store_sqlite::SqliteStore;

struct Folder(tempfile::TempDir);

impl Place for Folder {
    fn handle(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(self.0.path().join("state/journal.db")).unwrap())
    }
}

contract!(Folder(tempfile::tempdir().unwrap()));
