//! The port to a store of objects in containers, and the store in memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Unavailable;

/// How much a container may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobQuota {
    /// Bytes of all objects.
    pub bytes: u64,
    /// Objects.
    pub objects: u64,
}

/// What is known of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// Bytes.
    pub size: u64,
    /// When it was written, in seconds since 1970.
    pub created: u64,
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobError {
    /// There is no container of that name, or the host keeps none of that name.
    NoSuchContainer,
    /// There is one already.
    ContainerExists,
    /// The container may hold no more bytes.
    TooManyBytes,
    /// The container may hold no more objects.
    TooManyObjects,
    /// The store is out of reach, now.
    Unavailable(Unavailable),
}

/// What a store answers.
pub type Blob<T> = Result<T, BlobError>;

/// A store of objects in containers, by name. An object is written as a whole or not at all, and read as it was when it was opened,
/// whatever becomes of it meanwhile. Whoever calls stops waiting at a deadline, by dropping the future.
#[async_trait::async_trait]
pub trait BlobStore: Send + Sync {
    /// Makes an empty container; `now` is in seconds since 1970.
    async fn create(&self, container: &str, now: u64) -> Blob<()>;

    /// When the container was made, in seconds since 1970; none where there is none.
    async fn created(&self, container: &str) -> Blob<Option<u64>>;

    /// Removes a container with all objects; nothing happens where it is not there.
    async fn remove(&self, container: &str) -> Blob<()>;

    /// At most `limit` names, going on after `after`, in an order that is the store's own.
    async fn list(&self, container: &str, after: Option<&str>, limit: usize) -> Blob<Vec<String>>;

    /// What is known of an object; none where there is none.
    async fn info(&self, container: &str, object: &str) -> Blob<Option<BlobInfo>>;

    /// Opens an object for reading; none where there is none.
    async fn read(&self, container: &str, object: &str) -> Blob<Option<Box<dyn BlobReader>>>;

    /// Begins an object; it is there when it is [kept](BlobWriter::keep). `now` is in seconds since 1970.
    async fn write(&self, container: &str, object: &str, now: u64) -> Blob<Box<dyn BlobWriter>>;

    /// Removes objects; nothing happens where one is not there.
    async fn delete(&self, container: &str, objects: &[&str]) -> Blob<()>;

    /// Removes all objects.
    async fn clear(&self, container: &str) -> Blob<()>;
}

/// An object that was opened for reading.
#[async_trait::async_trait]
pub trait BlobReader: Send {
    /// Its size in bytes.
    fn size(&self) -> u64;

    /// At most `most` bytes from `at` on; none at the end only.
    async fn read(&mut self, at: u64, most: usize) -> Blob<Vec<u8>>;
}

/// An object that is being written. Dropped, it never was.
#[async_trait::async_trait]
pub trait BlobWriter: Send {
    /// Adds bytes.
    async fn write(&mut self, bytes: &[u8]) -> Blob<()>;

    /// Makes it the object, in place of the one before, if the container then is within `quota`.
    async fn keep(self: Box<Self>, quota: BlobQuota) -> Blob<()>;
}

/// What a container holds together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlobTotal {
    /// Bytes.
    pub bytes: u64,
    /// Objects.
    pub objects: u64,
}

impl BlobTotal {
    /// Whether an object of `size` may take the place of one of `old` bytes, or be added. What shrinks always may.
    ///
    /// # Errors
    ///
    /// [`BlobError::TooManyObjects`] or [`BlobError::TooManyBytes`].
    pub const fn check(&self, old: Option<u64>, size: u64, quota: BlobQuota) -> Blob<()> {
        if old.is_none() && self.objects >= quota.objects {
            return Err(BlobError::TooManyObjects);
        }
        let old = match old {
            Some(old) => old,
            None => 0,
        };
        let after = self.bytes.saturating_sub(old).saturating_add(size);
        if after > quota.bytes && after > self.bytes {
            return Err(BlobError::TooManyBytes);
        }
        Ok(())
    }
}

/// Containers that last as long as their host.
#[derive(Clone, Debug, Default)]
pub struct MemoryBlobs(Arc<Mutex<BTreeMap<String, Container>>>);

#[derive(Debug, Default)]
struct Container {
    created: u64,
    objects: BTreeMap<String, Object>,
}

#[derive(Clone, Debug)]
struct Object {
    created: u64,
    bytes: Arc<[u8]>,
}

impl MemoryBlobs {
    fn all<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Container>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn with<T>(&self, name: &str, work: impl FnOnce(&mut Container) -> Blob<T>) -> Blob<T> {
        self.all(|all| work(all.get_mut(name).ok_or(BlobError::NoSuchContainer)?))
    }
}

#[async_trait::async_trait]
impl BlobStore for MemoryBlobs {
    async fn create(&self, container: &str, now: u64) -> Blob<()> {
        self.all(|all| match all.entry(container.to_owned()) {
            Entry::Occupied(_) => Err(BlobError::ContainerExists),
            Entry::Vacant(place) => {
                place.insert(Container { created: now, objects: BTreeMap::new() });
                Ok(())
            }
        })
    }

    async fn created(&self, container: &str) -> Blob<Option<u64>> {
        Ok(self.all(|all| all.get(container).map(|container| container.created)))
    }

    async fn remove(&self, container: &str) -> Blob<()> {
        self.all(|all| drop(all.remove(container)));
        Ok(())
    }

    async fn list(&self, container: &str, after: Option<&str>, limit: usize) -> Blob<Vec<String>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.with(container, |container| {
            let range = container.objects.range::<str, _>((from, Bound::Unbounded));
            Ok(range.take(limit).map(|(name, _)| name.clone()).collect())
        })
    }

    async fn info(&self, container: &str, object: &str) -> Blob<Option<BlobInfo>> {
        self.with(container, |container| {
            let info = |object: &Object| BlobInfo {
                size: object.bytes.len() as u64,
                created: object.created,
            };
            Ok(container.objects.get(object).map(info))
        })
    }

    async fn read(&self, container: &str, object: &str) -> Blob<Option<Box<dyn BlobReader>>> {
        self.with(container, |container| {
            let opened = container.objects.get(object).cloned();
            Ok(opened.map(|object| Box::new(object) as Box<dyn BlobReader>))
        })
    }

    async fn write(&self, container: &str, object: &str, now: u64) -> Blob<Box<dyn BlobWriter>> {
        self.with(container, |_| Ok(()))?;
        Ok(Box::new(Draft {
            store: self.clone(),
            container: container.to_owned(),
            object: object.to_owned(),
            created: now,
            bytes: Vec::new(),
        }))
    }

    async fn delete(&self, container: &str, objects: &[&str]) -> Blob<()> {
        self.with(container, |container| {
            objects.iter().for_each(|object| drop(container.objects.remove(*object)));
            Ok(())
        })
    }

    async fn clear(&self, container: &str) -> Blob<()> {
        self.with(container, |container| {
            container.objects.clear();
            Ok(())
        })
    }
}

#[async_trait::async_trait]
impl BlobReader for Object {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn read(&mut self, at: u64, most: usize) -> Blob<Vec<u8>> {
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(self.bytes.len());
        let to = from.saturating_add(most).min(self.bytes.len());
        Ok(self.bytes[from..to].to_vec())
    }
}

/// An object in the making.
struct Draft {
    store: MemoryBlobs,
    container: String,
    object: String,
    created: u64,
    bytes: Vec<u8>,
}

#[async_trait::async_trait]
impl BlobWriter for Draft {
    async fn write(&mut self, bytes: &[u8]) -> Blob<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    async fn keep(self: Box<Self>, quota: BlobQuota) -> Blob<()> {
        let Self { store, container, object, created, bytes } = *self;
        store.with(&container, |container| {
            let sizes = container.objects.values().map(|object| object.bytes.len() as u64);
            let objects = container.objects.len() as u64;
            let total = BlobTotal { bytes: sizes.sum(), objects };
            let old = container.objects.get(&object).map(|object| object.bytes.len() as u64);
            total.check(old, bytes.len() as u64, quota)?;
            container.objects.insert(object, Object { created, bytes: bytes.into() });
            Ok(())
        })
    }
}
