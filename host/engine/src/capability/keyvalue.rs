//! `wasi:keyvalue`, in both of its drafts: named buckets, each by its grant, within the limits of keys and bytes.
//!
//! Writes are journaled before they are made; reads are not. What keeps the values is behind the port of `host/ports`, and
//! every wait for it ends well before the call does.

mod draft;
mod draft2;

use std::sync::Arc;
use std::time::Duration;

use longshore_model::{Access, Effect, EffectEnded, Event, LimitName, Scope};
use longshore_ports::{KeyValue, KeyValueError, Quota, Stored};
use wasmtime::component::Resource;

use crate::call::Scene;
use crate::capability::blobstore::{Held, Holdings};
use crate::host::Host;
use crate::limiter::LimitHit;

/// The longest that a store may take, whatever the deadline of the call.
const PATIENCE: Duration = Duration::from_secs(10);
/// Keys in one answer.
const PAGE: usize = 1000;
/// The most keys that one call of `batch` may name.
const MAX_BATCH: usize = 10_000;
/// What is kept of a key in the journal, in characters.
const MAX_KEY: usize = 128;

/// An open bucket.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Clone, Debug)]
pub struct Bucket {
    name: Arc<str>,
    access: Access,
}

/// What was seen of a key.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct Cas {
    bucket: Bucket,
    key: String,
    seen: Option<Vec<u8>>,
    /// What it holds of the host's memory.
    held: Held,
}

/// Why an operation gave nothing; each draft has a type of its own for it.
pub(super) enum Refused {
    NoSuchStore,
    AccessDenied,
    Other(String),
}

/// What an operation gives: the outer error ends the call.
type Answer<T> = wasmtime::Result<Result<T, Refused>>;

/// What the operations of one call need.
#[derive(Clone)]
pub(super) struct Shelf {
    scene: Arc<Scene>,
    store: Option<Arc<dyn KeyValue>>,
}

impl Host {
    fn shelf(&self) -> Shelf {
        Shelf { scene: Arc::clone(&self.scene), store: self.backing.keyvalue.clone() }
    }

    fn bucket(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<Bucket> {
        Ok(self.table.get(bucket)?.clone())
    }

    /// Opens the bucket `name`, if the grant has it.
    fn open_bucket(&mut self, name: &str) -> wasmtime::Result<Result<Resource<Bucket>, Refused>> {
        let scene = &self.scene;
        let granted = scene.grant.scopes().iter().find_map(|granted| match granted.scope() {
            Scope::Keyvalue { name: own, access } if own == name => Some(*access),
            _ => None,
        });
        let Some(access) = granted else {
            let asked = format!("{name}:{}", Access::ReadOnly.as_str());
            // What is no name of a bucket can be granted to nobody.
            let Ok(scope) = format!("keyvalue={asked}").parse::<Scope>() else {
                return Ok(Err(Refused::NoSuchStore));
            };
            scene.denied(scene.grant.denial(scene.id, &scope));
            return Ok(Err(Refused::AccessDenied));
        };
        let bucket = Bucket { name: name.into(), access };
        Ok(Ok(self.table.push(bucket)?))
    }
}

impl Shelf {
    fn limit(&self, name: LimitName) -> u64 {
        self.scene.grant.limits().get(name)
    }

    fn quota(&self) -> Quota {
        Quota {
            bytes: self.limit(LimitName::KeyvalueBytes),
            keys: self.limit(LimitName::KeyvalueKeys),
        }
    }

    /// Ends the call at a limit.
    fn hit<T>(&self, name: LimitName) -> wasmtime::Result<T> {
        self.scene.hit(name);
        Err(wasmtime::Error::new(LimitHit { name, limit: self.limit(name) }))
    }

    fn within(&self, name: LimitName, bytes: usize) -> wasmtime::Result<()> {
        if bytes as u64 > self.limit(name) { self.hit(name) } else { Ok(()) }
    }

    /// Counts a value that is kept for the guest: all of them together may be no more than one bucket.
    fn hold(&self, holdings: &Arc<Holdings>, value: Option<&[u8]>) -> wasmtime::Result<Held> {
        let bytes = value.map_or(0, <[u8]>::len) as u64;
        match holdings.hold(bytes, self.limit(LimitName::KeyvalueBytes)) {
            Some(held) => Ok(held),
            None => self.hit(LimitName::KeyvalueBytes),
        }
    }

    fn used(&self, bucket: &Bucket, access: Access) {
        self.scene.used(Scope::Keyvalue { name: bucket.name.to_string(), access });
    }

    /// Waits for the store, but not until the call has no time left to say so.
    async fn ask<T>(&self, work: impl Future<Output = Stored<T>>) -> Answer<T> {
        let left = Duration::from_millis(self.scene.remaining_ms());
        let patience = PATIENCE.min(left.mul_f32(0.8));
        let refused = match tokio::time::timeout(patience, work).await {
            Ok(Ok(value)) => return Ok(Ok(value)),
            Ok(Err(KeyValueError::TooManyBytes)) => return self.hit(LimitName::KeyvalueBytes),
            Ok(Err(KeyValueError::TooManyKeys)) => return self.hit(LimitName::KeyvalueKeys),
            Ok(Err(KeyValueError::NotANumber)) => {
                "the value is not a number of 64 bits, or the sum would not be".to_owned()
            }
            Ok(Err(KeyValueError::TooLarge)) => return self.hit(LimitName::HostCallBytes),
            Ok(Err(KeyValueError::NoSuchBucket)) => return Ok(Err(Refused::NoSuchStore)),
            Ok(Err(KeyValueError::Unfit(why))) => why,
            Ok(Err(KeyValueError::Unavailable(why))) => format!("unavailable, try again: {why}"),
            Err(_) => format!("unavailable, try again: nothing within {} ms", patience.as_millis()),
        };
        Ok(Err(Refused::Other(refused)))
    }

    /// Reads: the key is bounded, the use is noted.
    async fn read<T, F: Future<Output = Stored<T>>>(
        &self,
        bucket: &Bucket,
        key: &str,
        work: impl FnOnce(Arc<dyn KeyValue>) -> F,
    ) -> Answer<T> {
        self.within(LimitName::KeyvalueKeyBytes, key.len())?;
        let Some(store) = self.store.clone() else { return Ok(Err(nowhere())) };
        self.used(bucket, Access::ReadOnly);
        self.ask(work(store)).await
    }

    /// Writes: granted, bounded, and journaled before it happens. `key` is the first of `keys`.
    async fn write<T, F: Future<Output = Stored<T>>>(
        &self,
        bucket: &Bucket,
        (verb, key, keys): (&str, &str, usize),
        work: impl FnOnce(Arc<dyn KeyValue>, Quota) -> F,
    ) -> Answer<T> {
        let scene = &self.scene;
        if bucket.access != Access::ReadWrite {
            let (name, access) = (bucket.name.to_string(), Access::ReadWrite);
            scene.denied(scene.grant.denial(scene.id, &Scope::Keyvalue { name, access }));
            return Ok(Err(Refused::AccessDenied));
        }
        self.within(LimitName::KeyvalueKeyBytes, key.len())?;
        let Some(store) = self.store.clone() else { return Ok(Err(nowhere())) };
        self.used(bucket, Access::ReadWrite);
        let what = Effect::Keyvalue {
            bucket: bucket.name.to_string(),
            write: verb.to_owned(),
            key: key.chars().take(MAX_KEY).collect(),
            keys: keys as u64,
        };
        let Some(effect) = scene.intend(what).await else {
            return Ok(Err(Refused::Other("the journal cannot be written".to_owned())));
        };
        let answer = self.ask(work(store, self.quota())).await;
        let result = match &answer {
            Ok(Ok(_)) => "done".to_owned(),
            Ok(Err(Refused::Other(why))) => format!("failed: {why}"),
            Ok(Err(_)) | Err(_) => "refused".to_owned(),
        };
        scene.record(Event::EffectEnded(EffectEnded { call: scene.id, effect, result }));
        answer
    }

    async fn get(&self, bucket: &Bucket, key: &str) -> Answer<Option<Vec<u8>>> {
        let most = self.limit(LimitName::HostCallBytes);
        let work =
            |store: Arc<dyn KeyValue>| async move { store.get(&bucket.name, key, most).await };
        self.read(bucket, key, work).await
    }

    async fn set(&self, bucket: &Bucket, key: &str, value: &[u8]) -> Answer<()> {
        self.within(LimitName::KeyvalueValueBytes, value.len())?;
        let work = |store: Arc<dyn KeyValue>, quota| async move {
            store.set(&bucket.name, key, value, quota).await
        };
        self.write(bucket, ("set", key, 1), work).await
    }

    async fn delete(&self, bucket: &Bucket, key: &str) -> Answer<()> {
        let work =
            |store: Arc<dyn KeyValue>, _| async move { store.delete(&bucket.name, key).await };
        self.write(bucket, ("delete", key, 1), work).await
    }

    /// A page of keys after `after`, and whether there are more.
    async fn list(&self, bucket: &Bucket, after: Option<&str>) -> Answer<(Vec<String>, bool)> {
        let work = |store: Arc<dyn KeyValue>| async move {
            store.list(&bucket.name, after, PAGE + 1).await
        };
        let answer = self.read(bucket, after.unwrap_or_default(), work).await?;
        Ok(answer.map(|mut keys| {
            let more = keys.len() > PAGE;
            keys.truncate(PAGE);
            (keys, more)
        }))
    }

    async fn increment(&self, bucket: &Bucket, key: &str, delta: i64) -> Answer<i64> {
        let work = |store: Arc<dyn KeyValue>, quota| async move {
            store.increment(&bucket.name, key, delta, quota).await
        };
        self.write(bucket, ("increment", key, 1), work).await
    }

    async fn swap(&self, cas: &Cas, value: &[u8]) -> Answer<bool> {
        self.within(LimitName::KeyvalueValueBytes, value.len())?;
        let Cas { bucket, key, seen, .. } = cas;
        let work = |store: Arc<dyn KeyValue>, quota| async move {
            store.swap(&bucket.name, key, seen.as_deref(), value, quota).await
        };
        self.write(bucket, ("swap", key, 1), work).await
    }

    async fn get_many(
        &self,
        bucket: &Bucket,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        if let Err(refused) = self.batch(&keys)? {
            return Ok(Err(refused));
        }
        let most = self.limit(LimitName::HostCallBytes);
        let work = |store: Arc<dyn KeyValue>| {
            let keys: Vec<_> = keys.iter().map(String::as_str).collect();
            async move { store.get_many(&bucket.name, &keys, most).await }
        };
        let Some(first) = keys.first() else { return Ok(Ok(Vec::new())) };
        let found = self.read(bucket, first, work).await?;
        let pair = |(key, value): (String, Option<Vec<u8>>)| value.map(|value| (key, value));
        Ok(found.map(|values| keys.into_iter().zip(values).map(pair).collect()))
    }

    async fn set_many(&self, bucket: &Bucket, pairs: Vec<(String, Vec<u8>)>) -> Answer<()> {
        if let Err(refused) = self.batch(pairs.iter().map(|(key, _)| key))? {
            return Ok(Err(refused));
        }
        for (_, value) in &pairs {
            self.within(LimitName::KeyvalueValueBytes, value.len())?;
        }
        let Some((first, _)) = pairs.first() else { return Ok(Ok(())) };
        let work = |store: Arc<dyn KeyValue>, quota| {
            let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_slice())).collect();
            async move { store.set_many(&bucket.name, &pairs, quota).await }
        };
        self.write(bucket, ("set", first, pairs.len()), work).await
    }

    async fn delete_many(&self, bucket: &Bucket, keys: Vec<String>) -> Answer<()> {
        if let Err(refused) = self.batch(&keys)? {
            return Ok(Err(refused));
        }
        let Some(first) = keys.first() else { return Ok(Ok(())) };
        let work = |store: Arc<dyn KeyValue>, _| {
            let keys: Vec<_> = keys.iter().map(String::as_str).collect();
            async move { store.delete_many(&bucket.name, &keys).await }
        };
        self.write(bucket, ("delete", first, keys.len()), work).await
    }

    /// Whether one call may name so many keys, and such.
    fn batch<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k String, IntoIter: ExactSizeIterator>,
    ) -> wasmtime::Result<Result<(), Refused>> {
        let keys = keys.into_iter();
        if keys.len() > MAX_BATCH {
            return Ok(Err(Refused::Other(format!("a batch has at most {MAX_BATCH} keys"))));
        }
        for key in keys {
            self.within(LimitName::KeyvalueKeyBytes, key.len())?;
        }
        Ok(Ok(()))
    }
}

fn nowhere() -> Refused {
    Refused::Other("this host has nowhere to keep keys and values".to_owned())
}
