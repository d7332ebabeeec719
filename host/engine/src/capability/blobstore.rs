//! `wasi:blobstore`: named containers of objects, each by its grant, within the limits of objects and bytes.
//!
//! What changes a container is journaled before it happens; an object is one change, made when it is finished, whatever was
//! streamed before. What keeps the objects is behind the port of `host/ports`.

mod draft;
mod interfaces;
mod reading;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longshore_model::{Access, Effect, LimitName, Scope};
use longshore_ports::{Blob, BlobError, BlobQuota, BlobStore};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Resource;

use crate::call::Scene;
use crate::capability::clock::Time;
use crate::host::Host;
use crate::limiter::LimitHit;

#[allow(unreachable_pub, reason = "the generated bindings re-export them")]
pub use draft::Outgoing;
#[allow(unreachable_pub, reason = "the generated bindings re-export them")]
pub use reading::Incoming;

/// The longest that a store may take, whatever the deadline of the call.
const PATIENCE: Duration = Duration::from_secs(10);
/// Names in one answer.
const PAGE: usize = 1000;
/// The most objects that one call may name.
const MAX_BATCH: usize = 10_000;
/// What is kept of a name in the journal, in characters.
const MAX_NAME: usize = 128;
/// Bytes that are moved at once.
const CHUNK: usize = 64 << 10;

/// A container that was opened.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Clone, Debug)]
pub struct Container {
    name: Arc<str>,
}

/// The names of a container's objects, as far as they were told.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct Names {
    container: Container,
    after: Option<String>,
    ended: bool,
}

/// What the values of one call hold of the host: places for open ones, and bytes that are not yet an object.
#[derive(Debug)]
pub(crate) struct Holdings {
    open: Arc<Semaphore>,
    /// Bytes of drafts, wherever they are.
    staged: AtomicU64,
    /// Those of them that wait for their name, in memory.
    waiting: AtomicU64,
    /// Bytes of values that are kept to be compared.
    held: AtomicU64,
}

/// Bytes that are counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Held(Arc<Holdings>, u64);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(self.1, Ordering::Relaxed);
    }
}

impl Holdings {
    pub(crate) fn new(limits: &longshore_model::Limits) -> Arc<Self> {
        let places = usize::try_from(limits.open_files).unwrap_or(usize::MAX);
        let open = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        let (staged, waiting, held) = Default::default();
        Arc::new(Self { open, staged, waiting, held })
    }

    /// Counts bytes that are held in memory, unless they would be more than `limit`.
    pub(crate) fn hold(self: &Arc<Self>, bytes: u64, limit: u64) -> Option<Held> {
        take(&self.held, bytes, limit).then(|| Held(Arc::clone(self), bytes))
    }
}

/// What an operation gives: the outer error ends the call, the inner one is told to the guest.
type Answer<T> = wasmtime::Result<Result<T, String>>;

/// What the operations of one call need.
#[derive(Clone)]
struct Shelf {
    scene: Arc<Scene>,
    store: Option<Arc<dyn BlobStore>>,
    holdings: Arc<Holdings>,
    /// Whether the guest may know what time it is.
    tells_time: bool,
}

impl Host {
    fn blobs(&self) -> Shelf {
        Shelf {
            scene: Arc::clone(&self.scene),
            store: self.backing.blobstore.clone(),
            holdings: Arc::clone(&self.holdings),
            tells_time: matches!(self.time, Time::Real),
        }
    }

    fn container(&self, container: &Resource<Container>) -> wasmtime::Result<Container> {
        Ok(self.table.get(container)?.clone())
    }
}

impl Shelf {
    fn limit(&self, name: LimitName) -> u64 {
        self.scene.grant.limits().get(name)
    }

    fn quota(&self) -> BlobQuota {
        BlobQuota {
            bytes: self.limit(LimitName::BlobstoreBytes),
            objects: self.limit(LimitName::BlobstoreObjects),
        }
    }

    /// The end of the call at a limit.
    fn hit(&self, name: LimitName) -> wasmtime::Error {
        self.scene.hit(name);
        wasmtime::Error::new(LimitHit { name, limit: self.limit(name) })
    }

    fn named(&self, object: &str) -> wasmtime::Result<()> {
        match object.len() as u64 > self.limit(LimitName::BlobstoreNameBytes) {
            true => Err(self.hit(LimitName::BlobstoreNameBytes)),
            false => Ok(()),
        }
    }

    /// A place for one more open value.
    fn place(&self) -> wasmtime::Result<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.holdings.open).try_acquire_owned();
        place.map_err(|_| self.hit(LimitName::OpenFiles))
    }

    /// Seconds since 1970, for what is written now.
    fn now(&self) -> u64 {
        self.scene.run().now().unix_us() / 1_000_000
    }

    /// A time as the guest may know it.
    fn told(&self, created: u64) -> u64 {
        if self.tells_time { created } else { 0 }
    }

    /// The container `name`, if it is granted for `need`.
    fn granted(&self, name: &str, need: Access) -> Result<Container, String> {
        let scene = &self.scene;
        let granted = scene.grant.scopes().iter().find_map(|granted| match granted.scope() {
            Scope::Blobstore { name: own, access } if own == name => Some(*access),
            _ => None,
        });
        if granted.is_some_and(|access| access >= need) {
            return Ok(Container { name: name.into() });
        }
        // What is no name of a container can be granted to nobody.
        let Ok(scope) = format!("blobstore={name}:{}", need.as_str()).parse::<Scope>() else {
            return Err("no such container".to_owned());
        };
        scene.denied(scene.grant.denial(scene.id, &scope));
        Err("access denied".to_owned())
    }

    fn used(&self, container: &Container, access: Access) {
        self.scene.used(Scope::Blobstore { name: container.name.to_string(), access });
    }

    fn store(&self) -> Result<Arc<dyn BlobStore>, String> {
        self.store.clone().ok_or_else(|| "this host has nowhere to keep objects".to_owned())
    }

    /// Waits for the store, but not until the call has no time left to say so.
    async fn ask<T>(&self, work: impl Future<Output = Blob<T>>) -> Answer<T> {
        let left = Duration::from_millis(self.scene.remaining_ms());
        let patience = PATIENCE.min(left.mul_f32(0.8));
        let refused = match tokio::time::timeout(patience, work).await {
            Ok(Ok(value)) => return Ok(Ok(value)),
            Ok(Err(BlobError::TooManyBytes)) => return Err(self.hit(LimitName::BlobstoreBytes)),
            Ok(Err(BlobError::TooManyObjects)) => {
                return Err(self.hit(LimitName::BlobstoreObjects));
            }
            Ok(Err(error)) => words(error),
            Err(_) => format!("unavailable, try again: nothing within {} ms", patience.as_millis()),
        };
        Ok(Err(refused))
    }

    /// Reads from a container.
    async fn look<T, F: Future<Output = Blob<T>>>(
        &self,
        container: &Container,
        work: impl FnOnce(Arc<dyn BlobStore>) -> F,
    ) -> Answer<T> {
        let store = match self.store() {
            Ok(store) => store,
            Err(refused) => return Ok(Err(refused)),
        };
        self.used(container, Access::ReadOnly);
        self.ask(work(store)).await
    }

    /// Changes a container: granted, and journaled before it happens.
    async fn change<T, F: Future<Output = Blob<T>>>(
        &self,
        container: &Container,
        (verb, object, objects, bytes): (&str, &str, usize, u64),
        work: impl FnOnce(Arc<dyn BlobStore>) -> F,
    ) -> Answer<T> {
        if let Err(refused) = self.granted(&container.name, Access::ReadWrite) {
            return Ok(Err(refused));
        }
        let store = match self.store() {
            Ok(store) => store,
            Err(refused) => return Ok(Err(refused)),
        };
        self.used(container, Access::ReadWrite);
        let what = Effect::Blobstore {
            container: container.name.to_string(),
            write: verb.to_owned(),
            object: object.chars().take(MAX_NAME).collect(),
            objects: objects as u64,
            bytes,
        };
        let Some(effect) = self.scene.intend(what).await else {
            return Ok(Err("the journal cannot be written".to_owned()));
        };
        let answer = self.ask(work(store)).await;
        let result = match &answer {
            Ok(Ok(_)) => "done".to_owned(),
            Ok(Err(why)) => format!("failed: {why}"),
            Err(_) => "refused".to_owned(),
        };
        self.scene.effect_ended(effect, result);
        answer
    }

    async fn delete(&self, container: &Container, objects: &[String]) -> Answer<()> {
        if objects.len() > MAX_BATCH {
            return Ok(Err(format!("at most {MAX_BATCH} objects are deleted at once")));
        }
        for object in objects {
            self.named(object)?;
        }
        let Some(first) = objects.first() else { return Ok(Ok(())) };
        let names: Vec<_> = objects.iter().map(String::as_str).collect();
        let work = |store: Arc<dyn BlobStore>| {
            let names = &names;
            async move { store.delete(&container.name, names).await }
        };
        self.change(container, ("delete", first, names.len(), 0), work).await
    }

    /// Copies an object; it is there as a whole or not at all.
    async fn copy(&self, from: (&Container, &str), to: (&Container, &str)) -> Answer<()> {
        self.named(from.1)?;
        self.named(to.1)?;
        let opened =
            self.look(from.0, |store| async move { store.read(&from.0.name, from.1).await });
        let mut reader = match opened.await? {
            Ok(Some(reader)) => reader,
            Ok(None) => return Ok(Err("no such object".to_owned())),
            Err(refused) => return Ok(Err(refused)),
        };
        let size = reader.size();
        if size > self.limit(LimitName::BlobstoreObjectBytes) {
            return Err(self.hit(LimitName::BlobstoreObjectBytes));
        }
        let (now, quota) = (self.now(), self.quota());
        let work = |store: Arc<dyn BlobStore>| async move {
            let mut writer = store.write(&to.0.name, to.1, now).await?;
            let mut at = 0;
            while at < size {
                let bytes = reader.read(at, CHUNK).await?;
                if bytes.is_empty() {
                    break;
                }
                writer.write(&bytes).await?;
                at += bytes.len() as u64;
            }
            writer.keep(quota).await
        };
        self.change(to.0, ("copy", to.1, 1, size), work).await
    }

    /// The next names, at most `most`; whether there are no more.
    async fn page(&self, names: &mut Names, most: u64) -> Answer<Vec<String>> {
        let limit = usize::try_from(most).unwrap_or(PAGE).min(PAGE);
        if names.ended || limit == 0 {
            return Ok(Ok(Vec::new()));
        }
        let (container, after) = (&names.container, names.after.as_deref());
        let work = |store: Arc<dyn BlobStore>| async move {
            store.list(&container.name, after, limit + 1).await
        };
        let mut page = match self.look(container, work).await? {
            Ok(page) => page,
            Err(refused) => return Ok(Err(refused)),
        };
        names.ended = page.len() <= limit;
        page.truncate(limit);
        if let Some(last) = page.last() {
            names.after = Some(last.clone());
        }
        Ok(Ok(page))
    }
}

/// An error of the store, as guests are told it.
fn words(error: BlobError) -> String {
    match error {
        BlobError::NoSuchContainer => "no such container".to_owned(),
        BlobError::ContainerExists => "the container exists".to_owned(),
        BlobError::TooManyBytes => "the container may hold no more bytes".to_owned(),
        BlobError::TooManyObjects => "the container may hold no more objects".to_owned(),
        BlobError::Unavailable(why) => format!("unavailable, try again: {why}"),
    }
}

/// Counts `bytes` in `counter` unless there would be more than `limit`.
fn take(counter: &AtomicU64, bytes: u64, limit: u64) -> bool {
    let fits = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= limit);
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
}
