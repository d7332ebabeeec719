//! Buckets in one SQLite file, which several processes may share. A write is synced before it is answered.

mod file;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use longshore_ports::{Holding, KeyValue, KeyValueError, Quota, Stored, counted};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use tokio::sync::Mutex;

use crate::error::{Error, Fault};

/// Buckets in a file, which is made when it is first used.
pub struct SqliteKeyValue {
    path: PathBuf,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl SqliteKeyValue {
    /// Buckets in the file at `path`. It and its folder are made, for their owner only, where they do not exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), connection: Arc::default() }
    }

    /// Does `work` on a thread that may wait. Whoever gives up waiting leaves the work to end.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Stored<T> {
        let mut held = Arc::clone(&self.connection).lock_owned().await;
        let path = self.path.clone();
        let done = tokio::task::spawn_blocking(move || match &mut *held {
            Some(connection) => work(connection),
            none => work(none.insert(file::open(&path)?)),
        });
        let done = done.await.map_err(|error| Fault::Store(Error::Failed(error.into())));
        Ok(done.and_then(|done| done)?)
    }

    /// Does `work` in a transaction that is the only one that writes.
    async fn write<T: Send + 'static>(
        &self,
        bucket: &str,
        work: impl FnOnce(&Bucket<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Stored<T> {
        let bucket = bucket.to_owned();
        self.with(move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&Bucket::of(&transaction, &bucket)?)?;
            transaction.commit()?;
            Ok(done)
        })
        .await
    }
}

impl std::fmt::Debug for SqliteKeyValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SqliteKeyValue").field(&self.path).finish()
    }
}

/// A bucket in a transaction.
struct Bucket<'t> {
    transaction: &'t Transaction<'t>,
    id: i64,
    holding: Holding,
}

/// SQLite's integers are signed; a bucket never holds half of what they can say.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl<'t> Bucket<'t> {
    /// The bucket of that name, made where there is none.
    fn of(transaction: &'t Transaction<'t>, name: &str) -> Result<Self, Fault> {
        let sql = "INSERT INTO buckets (name, bytes, keys) VALUES (?1, 0, 0)
                   ON CONFLICT (name) DO UPDATE SET name = name RETURNING id, bytes, keys";
        let mut statement = transaction.prepare_cached(sql)?;
        let (id, bytes, keys) = statement.query_row([name], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
        let holding = Holding { bytes: unsigned(bytes), keys: unsigned(keys) };
        Ok(Self { transaction, id, holding })
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let sql = "SELECT value FROM pairs WHERE bucket = ?1 AND key = ?2";
        let mut statement = self.transaction.prepare_cached(sql)?;
        Ok(statement.query_row(params![self.id, key.as_bytes()], |row| row.get(0)).optional()?)
    }

    /// What the entry counts for; none where there is none.
    fn size(&self, key: &str) -> Result<Option<u64>, Fault> {
        let sql = "SELECT length(value) FROM pairs WHERE bucket = ?1 AND key = ?2";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let length: Option<i64> =
            statement.query_row(params![self.id, key.as_bytes()], |row| row.get(0)).optional()?;
        Ok(length.map(|length| key.len() as u64 + u64::try_from(length).unwrap_or(0)))
    }

    fn hold(&self, holding: Holding) -> Result<(), Fault> {
        let sql = "UPDATE buckets SET bytes = ?2, keys = ?3 WHERE id = ?1";
        let mut statement = self.transaction.prepare_cached(sql)?;
        statement.execute(params![self.id, signed(holding.bytes), signed(holding.keys)])?;
        Ok(())
    }

    fn set(&self, pairs: &BTreeMap<&str, &[u8]>, quota: Quota) -> Result<(), Fault> {
        let mut after = self.holding;
        for (key, value) in pairs {
            after.replace(self.size(key)?, Some(Holding::size(key, value)));
        }
        after.check(self.holding, quota)?;
        let sql = "INSERT INTO pairs (bucket, key, value) VALUES (?1, ?2, ?3)
                   ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value";
        let mut statement = self.transaction.prepare_cached(sql)?;
        for (key, value) in pairs {
            statement.execute(params![self.id, key.as_bytes(), value])?;
        }
        self.hold(after)
    }

    fn delete(&self, keys: &[String]) -> Result<(), Fault> {
        let mut after = self.holding;
        let mut statement =
            self.transaction.prepare_cached("DELETE FROM pairs WHERE bucket = ?1 AND key = ?2")?;
        for key in keys {
            after.replace(self.size(key)?, None);
            statement.execute(params![self.id, key.as_bytes()])?;
        }
        self.hold(after)
    }
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

#[async_trait::async_trait]
impl KeyValue for SqliteKeyValue {
    async fn get_many(
        &self,
        bucket: &str,
        keys: &[&str],
        most: u64,
    ) -> Stored<Vec<Option<Vec<u8>>>> {
        let (bucket, keys) = (bucket.to_owned(), owned(keys));
        self.with(move |connection| {
            // In one transaction, so that what is read together was there together.
            let transaction = connection.transaction()?;
            let sql = "SELECT length(value), value FROM pairs
                       JOIN buckets ON id = bucket WHERE name = ?1 AND key = ?2";
            let mut statement = transaction.prepare_cached(sql)?;
            let (mut found, mut left) = (Vec::with_capacity(keys.len()), most);
            for key in &keys {
                let mut rows = statement.query(params![bucket, key.as_bytes()])?;
                let Some(row) = rows.next()? else {
                    found.push(None);
                    continue;
                };
                let length = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(u64::MAX);
                left = left.checked_sub(length).ok_or(KeyValueError::TooLarge)?;
                found.push(Some(row.get(1)?));
            }
            Ok(found)
        })
        .await
    }

    async fn set_many(&self, bucket: &str, pairs: &[(&str, &[u8])], quota: Quota) -> Stored<()> {
        let pairs: Vec<_> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec())).collect();
        self.write(bucket, move |bucket| {
            let last = pairs.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
            bucket.set(&last.collect(), quota)
        })
        .await
    }

    async fn delete_many(&self, bucket: &str, keys: &[&str]) -> Stored<()> {
        let keys = owned(keys);
        self.write(bucket, move |bucket| bucket.delete(&keys)).await
    }

    async fn list(&self, bucket: &str, after: Option<&str>, limit: usize) -> Stored<Vec<String>> {
        let (bucket, after) = (bucket.to_owned(), after.map(|after| after.as_bytes().to_vec()));
        self.with(move |connection| {
            let sql = "SELECT key FROM pairs JOIN buckets ON id = bucket
                       WHERE name = ?1 AND (?2 IS NULL OR key > ?2) ORDER BY key LIMIT ?3";
            let mut statement = connection.prepare_cached(sql)?;
            let limit = signed(limit as u64);
            let keys = statement.query_map(params![bucket, after, limit], |row| row.get(0))?;
            keys.map(|key| text(key?)).collect()
        })
        .await
    }

    async fn increment(&self, bucket: &str, key: &str, delta: i64, quota: Quota) -> Stored<i64> {
        let key = key.to_owned();
        self.write(bucket, move |bucket| {
            let sum = counted(bucket.get(&key)?.as_deref(), delta)?;
            bucket.set(&BTreeMap::from([(&*key, sum.to_string().as_bytes())]), quota)?;
            Ok(sum)
        })
        .await
    }

    async fn swap(
        &self,
        bucket: &str,
        key: &str,
        seen: Option<&[u8]>,
        value: &[u8],
        quota: Quota,
    ) -> Stored<bool> {
        let (key, seen) = (key.to_owned(), seen.map(<[u8]>::to_vec));
        let value = value.to_vec();
        self.write(bucket, move |bucket| {
            if bucket.get(&key)? != seen {
                return Ok(false);
            }
            bucket.set(&BTreeMap::from([(&*key, &*value)]), quota)?;
            Ok(true)
        })
        .await
    }
}

fn text(key: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(key).map_err(|error| Error::Foreign(error.into()).into())
}
