//! Puts the stores behind the capabilities, as the settings say: which bucket and which container is kept where. Opens none of
//! them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use longshore::Home;
use longshore::ports::{BlobQuota, BlobStore, KeyValue, MemoryBlobs, MemoryKeyValue, Quota, Vault};
use longshore_config::{
    Backend, Bucket, Buckets as Configured, Container, Containers as Shelves, Origin, Shelf,
};
use longshore_stores::{
    Address, Authorities, Buckets, Containers, FolderBlobs, Named, PostgresKeyValue, RedisKeyValue,
    Shelved, SqliteKeyValue,
};

use crate::error::Error;

/// Makes each store once, however many buckets it keeps.
pub(crate) struct Maker {
    /// Where state is.
    pub(crate) home: Home,
    /// Who fetches addresses that are kept as secrets are.
    pub(crate) vault: Arc<dyn Vault>,
    /// Certificate authorities besides the system's.
    pub(crate) authorities: Authorities,
}

/// What was made so far.
#[derive(Default)]
struct Made {
    memory: Option<Arc<dyn KeyValue>>,
    files: HashMap<PathBuf, Arc<dyn KeyValue>>,
    servers: Vec<(Backend, Arc<dyn KeyValue>)>,
}

impl Maker {
    /// The stores of all buckets that are configured.
    ///
    /// # Errors
    ///
    /// When an address is not understood.
    pub(crate) fn buckets(&self, configured: &Configured) -> Result<Buckets, Error> {
        let mut made = Made::default();
        let others = self.named(&configured.others, &mut made);
        let wrong = |name: &str, source| Error::Bucket { bucket: name.to_owned(), source };
        let others = others.map_err(|source| wrong("*", source))?;
        let mut buckets = Buckets::default().others(others);
        for (name, bucket) in &configured.named {
            let place = self.named(bucket, &mut made).map_err(|source| wrong(name, source))?;
            buckets = buckets.named(name, place);
        }
        Ok(buckets)
    }

    fn named(&self, bucket: &Bucket, made: &mut Made) -> Result<Named, longshore_stores::Error> {
        let quota = Quota {
            bytes: bucket.max_bytes.unwrap_or(u64::MAX),
            keys: bucket.max_keys.unwrap_or(u64::MAX),
        };
        Ok(Named { store: self.store(&bucket.backend, made)?, quota })
    }

    fn store(
        &self,
        backend: &Backend,
        made: &mut Made,
    ) -> Result<Option<Arc<dyn KeyValue>>, longshore_stores::Error> {
        let server: Arc<dyn KeyValue> = match backend {
            Backend::None => return Ok(None),
            Backend::Memory => {
                let memory = || Arc::new(MemoryKeyValue::default()) as _;
                return Ok(Some(Arc::clone(made.memory.get_or_insert_with(memory))));
            }
            Backend::Sqlite(path) => {
                let path = path.clone().unwrap_or_else(|| self.home.keyvalue());
                let file = Arc::new(SqliteKeyValue::new(&path));
                return Ok(Some(Arc::clone(made.files.entry(path).or_insert(file))));
            }
            _ if let Some((_, store)) = made.servers.iter().find(|(own, _)| own == backend) => {
                return Ok(Some(Arc::clone(store)));
            }
            Backend::Redis { url, prefix } => {
                let authorities = self.authorities.clone();
                Arc::new(RedisKeyValue::new(self.address(url)?, prefix, authorities)?)
            }
            Backend::Postgres { url, table } => {
                let authorities = self.authorities.clone();
                Arc::new(PostgresKeyValue::new(self.address(url)?, table, authorities)?)
            }
        };
        made.servers.push((backend.clone(), Arc::clone(&server)));
        Ok(Some(server))
    }

    fn address(&self, origin: &Origin) -> Result<Address, longshore_stores::Error> {
        match origin {
            Origin::Url(url) => Address::new(url.reveal()),
            Origin::Source(source) => Ok(Address::kept(Arc::clone(&self.vault), source.clone())),
        }
    }
}

/// The stores of all containers that are configured.
pub(crate) fn containers(home: &Home, configured: &Shelves) -> Containers {
    let memory: Arc<dyn BlobStore> = Arc::new(MemoryBlobs::default());
    let shelved = |container: &Container| {
        let store: Option<Arc<dyn BlobStore>> = match &container.shelf {
            Shelf::None => None,
            Shelf::Memory => Some(Arc::clone(&memory)),
            Shelf::Folder(path) => {
                let path = path.clone().unwrap_or_else(|| home.blobs());
                Some(Arc::new(FolderBlobs::new(path)))
            }
        };
        let quota = BlobQuota {
            bytes: container.max_bytes.unwrap_or(u64::MAX),
            objects: container.max_objects.unwrap_or(u64::MAX),
        };
        Shelved { store, quota }
    };
    let others = Containers::default().others(shelved(&configured.others));
    configured
        .named
        .iter()
        .fold(others, |containers, (name, container)| containers.named(name, shelved(container)))
}
