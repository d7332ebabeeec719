//! Every store of keys and values keeps every promise of one.
#![allow(clippy::unwrap_used, reason = "tests say what broke by panicking")]

use std::sync::Arc;

use longshore_ports::{KeyValue, MemoryKeyValue};
use longshore_store_contract::keyvalue::Cellar;
use longshore_stores::{Address, Authorities, PostgresKeyValue, RedisKeyValue, SqliteKeyValue};

mod memory {
    use super::*;

    struct Memory(Arc<MemoryKeyValue>);

    impl Cellar for Memory {
        fn handle(&self) -> Arc<dyn KeyValue> {
            Arc::clone(&self.0) as _
        }
    }

    longshore_store_contract::keyvalue_contract!(Some(Memory(Arc::default())));
}

mod sqlite {
    use super::*;

    struct File(tempfile::TempDir);

    impl Cellar for File {
        fn handle(&self) -> Arc<dyn KeyValue> {
            Arc::new(SqliteKeyValue::new(self.0.path().join("state/keyvalue.db")))
        }
    }

    longshore_store_contract::keyvalue_contract!(Some(File(tempfile::tempdir().unwrap())));
}

mod redis {
    use super::*;

    struct Database(String);

    impl Database {
        fn new() -> Option<Self> {
            Some(Self(longshore_test_support::redis::shared()?.database()))
        }
    }

    impl Cellar for Database {
        fn handle(&self) -> Arc<dyn KeyValue> {
            let address = Address::new(&self.0).unwrap();
            Arc::new(RedisKeyValue::new(address, "test", Authorities::default()).unwrap())
        }
    }

    longshore_store_contract::keyvalue_contract!(Database::new());
}

mod postgres {
    use super::*;

    struct Database(String);

    impl Database {
        fn new() -> Option<Self> {
            Some(Self(longshore_test_support::postgres::shared()?.database()))
        }
    }

    impl Cellar for Database {
        fn handle(&self) -> Arc<dyn KeyValue> {
            let address = Address::new(&self.0).unwrap();
            Arc::new(PostgresKeyValue::new(address, "kept", Authorities::default()).unwrap())
        }
    }

    longshore_store_contract::keyvalue_contract!(Database::new());
}
