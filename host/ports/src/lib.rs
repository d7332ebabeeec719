//! The ports behind capabilities: what the engine asks of whoever keeps secrets. Traits and the types that cross them, no I/O:
//! the engine must not know where things are kept, and whoever keeps them must not know the engine.

mod backing;
mod blobstore;
mod keyvalue;
mod secret;

pub use backing::Backing;
pub use blobstore::{
    Blob, BlobError, BlobInfo, BlobQuota, BlobReader, BlobStore, BlobTotal, BlobWriter, MemoryBlobs,
};
pub use keyvalue::{Holding, KeyValue, KeyValueError, MemoryKeyValue, Quota, Stored, counted};
pub use secret::{Secret, Unavailable, Vault};
