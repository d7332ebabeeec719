//! Where buckets of keys and values are kept: SQLite, Redis, PostgreSQL; where containers of objects are: a folder; and which of them
//! is kept where.
//!
//! Each backend is one file over the port in `host/ports`, and they all keep the promises of `tests/store-contract`. They
//! decide nothing: who may use a bucket is the grant's, and was asked before. Nothing is opened before it is used, and what is
//! said of a failure names no address and no password: components are told it.

mod address;
mod buckets;
mod containers;
mod error;
mod folder;
mod postgres;
mod redis;
mod sqlite;
mod tls;

pub use crate::postgres::PostgresKeyValue;
pub use crate::redis::RedisKeyValue;
pub use address::Address;
pub use buckets::{Buckets, Named};
pub use containers::{Containers, Shelved};
pub use error::Error;
pub use folder::FolderBlobs;
pub use sqlite::SqliteKeyValue;
pub use tls::Authorities;
