//! The store in PostgreSQL keeps every promise of a store.
#![allow(clippy::unwrap_used, reason = "tests say what broke by panicking")]

use std::sync::Arc;

use longshore_journal::Store;
use longshore_store_contract::{Place, contract};
use longshore_store_postgres::{Address, Options, PostgresStore};
use longshore_test_support::postgres;

struct Database(Address);

impl Database {
    fn new() -> Option<Self> {
        let address = postgres::shared()?.database();
        Some(Self(Address::parse(&address).unwrap()))
    }
}

impl Place for Database {
    fn handle(&self) -> Arc<dyn Store> {
        Arc::new(PostgresStore::open(Options::new(self.0.clone())).unwrap())
    }
}

contract!(optional: Database::new());
