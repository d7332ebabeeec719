//! The store in memory keeps every promise of a store.

use std::sync::Arc;

use longshore_journal::{MemoryStore, Store};
use longshore_store_contract::{Place, contract};

struct Memory(Arc<MemoryStore>);

impl Place for Memory {
    fn handle(&self) -> Arc<dyn Store> {
        self.0.clone()
    }
}

contract!(Memory(Arc::new(MemoryStore::new())));
