//! The world outside: a store of keys and values to which actions write under their idempotency keys. It takes its time, is out of
//! reach now and then, and remembers what happened.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_ports::{KeyValue, KeyValueError, MemoryKeyValue, Quota, Stored, Unavailable};

use crate::dice::{hash, mix};

/// Judges an attempt at the moment when it leaves the host: its key and its number.
pub(crate) type Judge = Arc<dyn Fn(&str, u32, u32) + Send + Sync>;

/// What stands behind the engine of a stage.
#[derive(Default)]
pub(crate) struct Outside(Mutex<State>);

#[derive(Default)]
struct State {
    seed: u64,
    /// How often it is out of reach, in hundredths.
    trouble: u64,
    /// How often attempts left, by key.
    left: BTreeMap<String, u32>,
    landed: BTreeMap<String, Vec<Landed>>,
    judge: Option<Judge>,
}

/// An effect that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Landed {
    pub(crate) attempt: u32,
    pub(crate) name: u32,
}

impl Outside {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins anew.
    pub(crate) fn begin(&self, seed: u64, trouble: u64, judge: Judge) {
        *self.state() = State { seed, trouble, judge: Some(judge), ..State::default() };
    }

    /// What happened, by idempotency key; forgotten here.
    pub(crate) fn end(&self) -> BTreeMap<String, Vec<Landed>> {
        std::mem::take(&mut *self.state()).landed
    }

    /// How this attempt goes: how long until it lands, whether it does, how long until the answer, whether it comes.
    fn fate(&self, key: &str, attempt: u32) -> (Duration, bool, Duration, bool) {
        let state = self.state();
        // By the place of the step, not by its run: with and without crashes it goes the same way.
        let path = key.rsplit('/').next().unwrap_or(key);
        let throw = |what: u64| mix(&[state.seed, hash(path), u64::from(attempt), what]);
        let ms = |what: u64| match throw(what) % 16 {
            0 => Duration::from_millis(throw(what + 10) % 1_500),
            1..=4 => Duration::ZERO,
            _ => Duration::from_micros(throw(what + 10) % 30_000),
        };
        let fails = |what: u64| throw(what) % 100 < state.trouble;
        (ms(1), !fails(2), ms(3), !fails(4))
    }
}

fn unavailable() -> KeyValueError {
    KeyValueError::Unavailable(Unavailable {
        code: "LS-SIM-001",
        message: "out of reach".to_owned(),
    })
}

#[async_trait::async_trait]
impl KeyValue for Outside {
    async fn get_many(
        &self,
        bucket: &str,
        keys: &[&str],
        most: u64,
    ) -> Stored<Vec<Option<Vec<u8>>>> {
        MemoryKeyValue::default().get_many(bucket, keys, most).await
    }

    async fn set_many(&self, bucket: &str, pairs: &[(&str, &[u8])], quota: Quota) -> Stored<()> {
        for (key, value) in pairs {
            self.set(bucket, key, value, quota).await?;
        }
        Ok(())
    }

    async fn set(&self, _bucket: &str, key: &str, value: &[u8], _quota: Quota) -> Stored<()> {
        let text = String::from_utf8_lossy(value);
        let mut numbers = text.split(' ').filter_map(|word| word.parse::<u32>().ok());
        let (Some(attempt), Some(name)) = (numbers.next(), numbers.next()) else {
            return Err(KeyValueError::NotANumber);
        };
        let (judge, times) = {
            let mut state = self.state();
            let times = state.left.entry(key.to_owned()).or_default();
            *times += 1;
            let times = *times;
            (state.judge.clone(), times)
        };
        if let Some(judge) = judge {
            judge(key, attempt, times);
        }
        let (before, lands, after, answers) = self.fate(key, attempt);
        tokio::time::sleep(before).await;
        if !lands {
            return Err(unavailable());
        }
        let landed = Landed { attempt, name };
        self.state().landed.entry(key.to_owned()).or_default().push(landed);
        tokio::time::sleep(after).await;
        if answers { Ok(()) } else { Err(unavailable()) }
    }

    async fn delete_many(&self, bucket: &str, keys: &[&str]) -> Stored<()> {
        MemoryKeyValue::default().delete_many(bucket, keys).await
    }

    async fn list(&self, bucket: &str, after: Option<&str>, limit: usize) -> Stored<Vec<String>> {
        MemoryKeyValue::default().list(bucket, after, limit).await
    }

    async fn increment(&self, bucket: &str, key: &str, delta: i64, quota: Quota) -> Stored<i64> {
        MemoryKeyValue::default().increment(bucket, key, delta, quota).await
    }

    async fn swap(
        &self,
        bucket: &str,
        key: &str,
        seen: Option<&[u8]>,
        value: &[u8],
        quota: Quota,
    ) -> Stored<bool> {
        MemoryKeyValue::default().swap(bucket, key, seen, value, quota).await
    }
}
