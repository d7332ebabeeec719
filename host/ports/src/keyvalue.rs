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

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyValueError {
    /// The bucket may hold no more bytes.
    TooManyBytes,
    /// The bucket may hold no more keys.
    TooManyKeys,
    /// The value is not a number of 64 bits, in decimal digits, that could be counted on.
    NotANumber,
    /// The store is out of reach, now.
    Unavailable(Unavailable),
}

/// What a store answers.
pub type Stored<T> = Result<T, KeyValueError>;

/// A store of keys and values, in buckets by name. Every operation happens at once or not at all, also beside other processes.
#[async_trait::async_trait]
pub trait KeyValue: Send + Sync {
    /// The value of `key`.
    async fn get(&self, bucket: &str, key: &str) -> Stored<Option<Vec<u8>>>;

    /// Sets `key`, if the bucket then is within `quota`.
    async fn set(&self, bucket: &str, key: &str, value: &[u8], quota: Quota) -> Stored<()>;

    /// Removes `key`; nothing happens where it is not there.
    async fn delete(&self, bucket: &str, key: &str) -> Stored<()>;

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
}

/// A store that lasts as long as its host.
#[derive(Debug, Default)]
pub struct MemoryKeyValue(Mutex<BTreeMap<String, Bucket>>);

#[derive(Debug, Default)]
struct Bucket {
    values: BTreeMap<String, Vec<u8>>,
    bytes: u64,
}

/// What a key and its value count for.
const fn size(key: &str, value: &[u8]) -> u64 {
    key.len() as u64 + value.len() as u64
}

impl Bucket {
    fn set(&mut self, key: &str, value: &[u8], quota: Quota) -> Stored<()> {
        let old = self.values.get(key).map(|old| size(key, old));
        let bytes = self.bytes - old.unwrap_or(0) + size(key, value);
        let keys = self.values.len() as u64 + u64::from(old.is_none());
        if keys > quota.keys {
            return Err(KeyValueError::TooManyKeys);
        }
        if bytes > quota.bytes {
            return Err(KeyValueError::TooManyBytes);
        }
        self.bytes = bytes;
        self.values.insert(key.to_owned(), value.to_vec());
        Ok(())
    }
}

impl MemoryKeyValue {
    fn with<T>(&self, bucket: &str, work: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(buckets.entry(bucket.to_owned()).or_default())
    }
}

/// The number in `value` plus `delta`, as text and as a number.
///
/// # Errors
///
/// [`KeyValueError::NotANumber`] where it is none, or the sum does not fit.
pub fn counted(value: Option<&[u8]>, delta: i64) -> Stored<i64> {
    let now = match value {
        None => Some(0),
        Some(value) => std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok()),
    };
    now.and_then(|now| now.checked_add(delta)).ok_or(KeyValueError::NotANumber)
}

#[async_trait::async_trait]
impl KeyValue for MemoryKeyValue {
    async fn get(&self, bucket: &str, key: &str) -> Stored<Option<Vec<u8>>> {
        Ok(self.with(bucket, |bucket| bucket.values.get(key).cloned()))
    }

    async fn set(&self, bucket: &str, key: &str, value: &[u8], quota: Quota) -> Stored<()> {
        self.with(bucket, |bucket| bucket.set(key, value, quota))
    }

    async fn delete(&self, bucket: &str, key: &str) -> Stored<()> {
        self.with(bucket, |bucket| {
            if let Some(old) = bucket.values.remove(key) {
                bucket.bytes -= size(key, &old);
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
            bucket.set(key, sum.to_string().as_bytes(), quota)?;
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
            bucket.set(key, value, quota)?;
            Ok(true)
        })
    }
}
