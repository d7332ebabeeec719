//! The host's settings: from what its operator wrote, in `config.toml` and in the environment, to
//! one resolved struct.
//!
//! It parses and never wires: no store, registry or engine is made here, and no policy is read. The
//! environment is passed in; the only file that is opened is `config.toml`.

mod blobstore;
mod environment;
mod error;
mod file;
mod keyvalue;
mod settings;
mod store;

pub use blobstore::{Container, Containers, Shelf};
pub use environment::Environment;
pub use error::Error;
pub use keyvalue::{Backend, Bucket, Buckets, Origin};
pub use settings::{Named, Settings};
pub use store::StoreUrl;
