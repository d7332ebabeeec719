//! Which container of objects is kept where, and what the operator lets it hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use longshore_ports::{Blob, BlobError, BlobInfo, BlobQuota, BlobReader, BlobStore, BlobWriter};

/// One container that the operator named.
#[derive(Clone)]
pub struct Shelved {
    /// Where it is kept; nowhere, if none.
    pub store: Option<Arc<dyn BlobStore>>,
    /// The most that it may hold, whatever a grant says.
    pub quota: BlobQuota,
}

/// Containers by name, each in a store of its own or in one that it shares with others.
///
/// By default there are none; [`named`](Self::named) and [`others`](Self::others) say what there is.
#[derive(Clone, Default)]
pub struct Containers {
    named: BTreeMap<String, Shelved>,
    others: Option<Shelved>,
}

impl Containers {
    /// Says where the container `name` is.
    #[must_use]
    pub fn named(mut self, name: &str, place: Shelved) -> Self {
        self.named.insert(name.to_owned(), place);
        self
    }

    /// Says where every container is that has no place of its own.
    #[must_use]
    pub fn others(mut self, place: Shelved) -> Self {
        self.others = Some(place);
        self
    }

    fn place(&self, container: &str) -> Blob<(&dyn BlobStore, BlobQuota)> {
        match self.named.get(container).or(self.others.as_ref()) {
            Some(Shelved { store: Some(store), quota }) => Ok((&**store, *quota)),
            _ => Err(BlobError::NoSuchContainer),
        }
    }

    fn store(&self, container: &str) -> Blob<&dyn BlobStore> {
        Ok(self.place(container)?.0)
    }
}

impl std::fmt::Debug for Containers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.named.keys()).finish()
    }
}

/// A writer whose object is kept within the operator's quota too.
struct Bounded {
    inner: Box<dyn BlobWriter>,
    quota: BlobQuota,
}

#[async_trait::async_trait]
impl BlobWriter for Bounded {
    async fn write(&mut self, bytes: &[u8]) -> Blob<()> {
        self.inner.write(bytes).await
    }

    async fn keep(self: Box<Self>, quota: BlobQuota) -> Blob<()> {
        let (bytes, objects) = (quota.bytes.min(self.quota.bytes), quota.objects);
        let quota = BlobQuota { bytes, objects: objects.min(self.quota.objects) };
        self.inner.keep(quota).await
    }
}

#[async_trait::async_trait]
impl BlobStore for Containers {
    async fn create(&self, container: &str, now: u64) -> Blob<()> {
        self.store(container)?.create(container, now).await
    }

    async fn created(&self, container: &str) -> Blob<Option<u64>> {
        match self.store(container) {
            Ok(store) => store.created(container).await,
            // Where there is no place for it, it is not.
            Err(_) => Ok(None),
        }
    }

    async fn remove(&self, container: &str) -> Blob<()> {
        self.store(container)?.remove(container).await
    }

    async fn list(&self, container: &str, after: Option<&str>, limit: usize) -> Blob<Vec<String>> {
        self.store(container)?.list(container, after, limit).await
    }

    async fn info(&self, container: &str, object: &str) -> Blob<Option<BlobInfo>> {
        self.store(container)?.info(container, object).await
    }

    async fn read(&self, container: &str, object: &str) -> Blob<Option<Box<dyn BlobReader>>> {
        self.store(container)?.read(container, object).await
    }

    async fn write(&self, container: &str, object: &str, now: u64) -> Blob<Box<dyn BlobWriter>> {
        let (store, quota) = self.place(container)?;
        let inner = store.write(container, object, now).await?;
        Ok(Box::new(Bounded { inner, quota }))
    }

    async fn delete(&self, container: &str, objects: &[&str]) -> Blob<()> {
        self.store(container)?.delete(container, objects).await
    }

    async fn clear(&self, container: &str) -> Blob<()> {
        self.store(container)?.clear(container).await
    }
}
