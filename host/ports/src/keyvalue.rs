//! The port to a store of keys and values, and the store in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use crate::Unavailable;

/// How much a bucket may hold, keys and values together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of all keys and values.
    pub bytes: u64,
    /// Keys.
    pub keys: u64,
}

/// What a bucket holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Bytes of all keys and values.
    pub bytes: u64,
    /// Keys.
    pub keys: u64,
}

impl Holding {
    /// What a key and its value count for, in bytes.
    #[must_use]
    pub const fn size(key: &str, value: &[u8]) -> u64 {
        key.len() as u64 + value.len() as u64
    }

    /// Takes the size of an entry that goes and that of the one that takes its place; none where there is none.
    pub const fn replace(&mut self, old: Option<u64>, new: Option<u64>) {
        if let Some(old) = old {
            self.bytes = self.bytes.saturating_sub(old);
            self.keys = self.keys.saturating_sub(1);
        }
        if let Some(new) = new {
            self.bytes = self.bytes.saturating_add(new);
            self.keys = self.keys.saturating_add(1);
        }
    }

    /// Whether what was `before` may become this. What shrinks always may: a quota that was lowered must not keep anybody from
    /// making room.
    ///
    /// # Errors
    ///
    /// [`KeyValueError::TooManyKeys`] or [`KeyValueError::TooManyBytes`].
    pub const fn check(&self, before: Self, quota: Quota) -> Stored<()> {
        if self.keys > quota.keys && self.keys > before.keys {
            return Err(KeyValueError::TooManyKeys);
        }
        if self.bytes > quota.bytes && self.bytes > before.bytes {
            return Err(KeyValueError::TooManyBytes);
        }
        Ok(())
    }
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyValueError {
    /// The bucket may hold no more bytes.
    TooManyBytes,
    /// The bucket may hold no more keys.
    TooManyKeys,
    /// The values are more bytes than the caller takes.
    TooLarge,
    /// The value is not a number of 64 bits, in decimal digits, that could be counted on.
    NotANumber,
    /// The host keeps no bucket of that name.
    NoSuchBucket,
    /// The store cannot hold such a key, whatever the quota: why, as a clause.
    Unfit(String),
    /// The store is out of reach, now.
    Unavailable(Unavailable),
}

/// What a store answers.
pub type Stored<T> = Result<T, KeyValueError>;

/// A store of keys and values, in buckets by name. Every operation happens at once or not at all, also beside other processes.
/// Whoever calls stops waiting at a deadline, by dropping the future: then the operation has happened or not.
#[async_trait::async_trait]
pub trait KeyValue: Send + Sync {
    /// The values of `keys`, in their order; together they are at most `most` bytes, or it is [`KeyValueError::TooLarge`].
    async fn get_many(
        &self,
        bucket: &str,
        keys: &[&str],
        most: u64,
    ) -> Stored<Vec<Option<Vec<u8>>>>;

    /// Sets all `pairs`, the last one of a key, if the bucket then is within `quota`; none of them if it is not.
    async fn set_many(&self, bucket: &str, pairs: &[(&str, &[u8])], quota: Quota) -> Stored<()>;

    /// Removes all `keys`; nothing happens where one is not there.
    async fn delete_many(&self, bucket: &str, keys: &[&str]) -> Stored<()>;

    /// At most `limit` keys after `after`, in the order of their bytes.
    async fn list(&self, bucket: &str, after: Option<&str>, limit: usize) -> Stored<Vec<String>>;

    /// Adds `delta` to the decimal number at `key`, or to 0 where there is none; gives the sum.
    async fn increment(&self, bucket: &str, key: &str, delta: i64, quota: Quota) -> Stored<i64>;

    /// Sets `key` if its value still is `seen`; whether it was.
    async fn swap(
        &self,
        bucket: &str,
        key: &str,
        seen: Option<&[u8]>,
        value: &[u8],
        quota: Quota,
    ) -> Stored<bool>;

    /// The value of `key`, of at most `most` bytes.
    async fn get(&self, bucket: &str, key: &str, most: u64) -> Stored<Option<Vec<u8>>> {
        Ok(self.get_many(bucket, &[key], most).await?.pop().flatten())
    }

    /// Sets `key`, if the bucket then is within `quota`.
    async fn set(&self, bucket: &str, key: &str, value: &[u8], quota: Quota) -> Stored<()> {
        self.set_many(bucket, &[(key, value)], quota).await
    }

    /// Removes `key`; nothing happens where it is not there.
    async fn delete(&self, bucket: &str, key: &str) -> Stored<()> {
        self.delete_many(bucket, &[key]).await
    }
}

/// A store that lasts as long as its host.
#[derive(Debug, Default)]
pub struct MemoryKeyValue(Mutex<BTreeMap<String, Bucket>>);

#[derive(Debug, Default)]
struct Bucket {
    values: BTreeMap<String, Vec<u8>>,
    holding: Holding,
}

impl Bucket {
    fn size(&self, key: &str) -> Option<u64> {
        self.values.get(key).map(|value| Holding::size(key, value))
    }

    fn set(&mut self, pairs: &[(&str, &[u8])], quota: Quota) -> Stored<()> {
        let pairs: BTreeMap<&str, &[u8]> = pairs.iter().copied().collect();
        let mut after = self.holding;
        for (key, value) in &pairs {
            after.replace(self.size(key), Some(Holding::size(key, value)));
        }
        after.check(self.holding, quota)?;
        self.holding = after;
        self.values.extend(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec())));
        Ok(())
    }
}

impl MemoryKeyValue {
    fn with<T>(&self, bucket: &str, work: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(buckets.entry(bucket.to_owned()).or_default())
    }
}

/// The number in `value` plus `delta`. A number is written as it would be printed: no sign but `-`, no leading zeros.
///
/// # Errors
///
/// [`KeyValueError::NotANumber`] where it is none, or the sum does not fit.
pub fn counted(value: Option<&[u8]>, delta: i64) -> Stored<i64> {
    let number = |value: &[u8]| {
        let number = std::str::from_utf8(value).ok()?.parse::<i64>().ok()?;
        (number.to_string().as_bytes() == value).then_some(number)
    };
    let now = match value {
        None => Some(0),
        Some(value) => number(value),
    };
    now.and_then(|now| now.checked_add(delta)).ok_or(KeyValueError::NotANumber)
}

#[async_trait::async_trait]
impl KeyValue for MemoryKeyValue {
    async fn get_many(
        &self,
        bucket: &str,
        keys: &[&str],
        most: u64,
    ) -> Stored<Vec<Option<Vec<u8>>>> {
        self.with(bucket, |bucket| {
            let found = keys.iter().map(|key| bucket.values.get(*key));
            let bytes: u64 = found.clone().flatten().map(|value| value.len() as u64).sum();
            if bytes > most {
                return Err(KeyValueError::TooLarge);
            }
            Ok(found.map(|value| value.cloned()).collect())
        })
    }

    async fn set_many(&self, bucket: &str, pairs: &[(&str, &[u8])], quota: Quota) -> Stored<()> {
        self.with(bucket, |bucket| bucket.set(pairs, quota))
    }

    async fn delete_many(&self, bucket: &str, keys: &[&str]) -> Stored<()> {
        self.with(bucket, |bucket| {
            for key in keys {
                bucket.holding.replace(bucket.size(key), None);
                bucket.values.remove(*key);
            }
        });
        Ok(())
    }

    async fn list(&self, bucket: &str, after: Option<&str>, limit: usize) -> Stored<Vec<String>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.with(bucket, |bucket| {
            let range = bucket.values.range::<str, _>((from, Bound::Unbounded));
            range.take(limit).map(|(key, _)| key.clone()).collect()
        }))
    }

    async fn increment(&self, bucket: &str, key: &str, delta: i64, quota: Quota) -> Stored<i64> {
        self.with(bucket, |bucket| {
            let sum = counted(bucket.values.get(key).map(Vec::as_slice), delta)?;
            bucket.set(&[(key, sum.to_string().as_bytes())], quota)?;
            Ok(sum)
        })
    }

    async fn swap(
        &self,
        bucket: &str,
        key: &str,
        seen: Option<&[u8]>,
        value: &[u8],
        quota: Quota,
    ) -> Stored<bool> {
        self.with(bucket, |bucket| {
            if bucket.values.get(key).map(Vec::as_slice) != seen {
                return Ok(false);
            }
            bucket.set(&[(key, value)], quota)?;
            Ok(true)
        })
    }
}
