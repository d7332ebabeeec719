//! Everything that stands behind the capabilities of one host.

use std::fmt;
use std::sync::Arc;

use crate::{BlobStore, KeyValue, Vault};

/// What the host put behind its capabilities; what is not there is told to guests as unavailable. Clones share everything.
#[derive(Clone, Default)]
pub struct Backing {
    /// Who fetches the values of secrets.
    pub vault: Option<Arc<dyn Vault>>,
    /// Where buckets of keys and values are kept.
    pub keyvalue: Option<Arc<dyn KeyValue>>,
    /// Where containers of objects are kept.
    pub blobstore: Option<Arc<dyn BlobStore>>,
}

impl fmt::Debug for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backing")
            .field("vault", &self.vault.is_some())
            .field("keyvalue", &self.keyvalue.is_some())
            .field("blobstore", &self.blobstore.is_some())
            .finish()
    }
}
