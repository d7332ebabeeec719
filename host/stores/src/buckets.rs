//! Which bucket is kept where, and what the operator lets it hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use longshore_ports::{KeyValue, KeyValueError, Quota, Stored};

use crate::Error;
use crate::error::Fault;

/// One bucket that the operator named.
#[derive(Clone)]
pub struct Named {
    /// Where it is kept; nowhere, if none.
    pub store: Option<Arc<dyn KeyValue>>,
    /// The most that it may hold, whatever a grant says.
    pub quota: Quota,
}

/// Buckets by name, each in a store of its own or in one that it shares with others.
///
/// By default there are none; [`named`](Self::named) and [`others`](Self::others) say what there is.
#[derive(Clone, Default)]
pub struct Buckets {
    named: BTreeMap<String, Named>,
    others: Option<Named>,
}

impl Buckets {
    /// Says where the bucket `name` is.
    #[must_use]
    pub fn named(mut self, name: &str, place: Named) -> Self {
        self.named.insert(name.to_owned(), place);
        self
    }

    /// Says where every bucket is that has no place of its own.
    #[must_use]
    pub fn others(mut self, place: Named) -> Self {
        self.others = Some(place);
        self
    }

    /// Asks for a key of each bucket that is kept somewhere, `*` standing for those without a place of their own, and gives what
    /// came of it within `patience`.
    pub async fn try_each(&self, patience: Duration) -> Vec<(&str, Stored<()>)> {
        let mut tried = Vec::new();
        let named = self.named.iter().map(|(name, place)| (name.as_str(), place));
        for (name, place) in named.chain(self.others.iter().map(|place| ("*", place))) {
            let Some(store) = &place.store else { continue };
            let answer = tokio::time::timeout(patience, store.list(name, None, 1)).await;
            let late = |late| Err(Fault::from(Error::Unreachable(Box::new(late))).into());
            tried.push((name, answer.unwrap_or_else(late).map(drop)));
        }
        tried
    }

    fn place(&self, bucket: &str) -> Stored<(&dyn KeyValue, Quota)> {
        let place = self.named.get(bucket).or(self.others.as_ref());
        match place {
            Some(Named { store: Some(store), quota }) => Ok((&**store, *quota)),
            _ => Err(KeyValueError::NoSuchBucket),
        }
    }
}

impl std::fmt::Debug for Buckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.named.keys()).finish()
    }
}

/// The smaller of both, of bytes and of keys.
fn least(a: Quota, b: Quota) -> Quota {
    Quota { bytes: a.bytes.min(b.bytes), keys: a.keys.min(b.keys) }
}

#[async_trait::async_trait]
impl KeyValue for Buckets {
    async fn get_many(
        &self,
        bucket: &str,
        keys: &[&str],
        most: u64,
    ) -> Stored<Vec<Option<Vec<u8>>>> {
        let (store, _) = self.place(bucket)?;
        store.get_many(bucket, keys, most).await
    }

    async fn set_many(&self, bucket: &str, pairs: &[(&str, &[u8])], quota: Quota) -> Stored<()> {
        let (store, own) = self.place(bucket)?;
        store.set_many(bucket, pairs, least(quota, own)).await
    }

    async fn delete_many(&self, bucket: &str, keys: &[&str]) -> Stored<()> {
        let (store, _) = self.place(bucket)?;
        store.delete_many(bucket, keys).await
    }

    async fn list(&self, bucket: &str, after: Option<&str>, limit: usize) -> Stored<Vec<String>> {
        let (store, _) = self.place(bucket)?;
        store.list(bucket, after, limit).await
    }

    async fn increment(&self, bucket: &str, key: &str, delta: i64, quota: Quota) -> Stored<i64> {
        let (store, own) = self.place(bucket)?;
        store.increment(bucket, key, delta, least(quota, own)).await
    }

    async fn swap(
        &self,
        bucket: &str,
        key: &str,
        seen: Option<&[u8]>,
        value: &[u8],
        quota: Quota,
    ) -> Stored<bool> {
        let (store, own) = self.place(bucket)?;
        store.swap(bucket, key, seen, value, least(quota, own)).await
    }
}
