//! Buckets in a PostgreSQL database. Whoever writes to a bucket holds its row: so quotas, counting and swaps are exact whoever
//! else is at work. Connections are kept for the next caller; one on which somebody gave up is not.

mod session;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use longshore_ports::{Holding, KeyValue, KeyValueError, Quota, Stored, counted};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::ToSql;

use crate::error::Fault;
use crate::postgres::session::Session;
use crate::tls::Authorities;
use crate::{Address, Error};

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Connections to one server; more callers wait for one.
const MAX_CONNECTIONS: usize = 8;

/// Buckets in a PostgreSQL database, which is asked when it is first needed.
pub struct PostgresKeyValue {
    address: Address,
    table: String,
    authorities: Authorities,
    idle: Mutex<Vec<Session>>,
    permits: Semaphore,
}

/// Reads `postgres://user:password@host:port/database`. Unless it says otherwise, TLS is required, and of the loopback interface not
/// used; the certificate is always checked.
fn read(url: &str) -> Option<Config> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return None;
    }
    let mut config: Config = url.parse().ok()?;
    if config.get_hosts().is_empty() || config.get_user().is_none() {
        return None;
    }
    if !url.contains("sslmode=") {
        let near = config.get_hosts().iter().all(is_near);
        config.ssl_mode(if near { SslMode::Disable } else { SslMode::Require });
    }
    config.connect_timeout(CONNECT).tcp_user_timeout(CONNECT).keepalives_idle(CONNECT);
    if config.get_application_name().is_none() {
        config.application_name("longshore");
    }
    Some(config)
}

fn is_near(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let bare = name.trim_matches(['[', ']']);
            let address = bare.parse::<std::net::IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// A connection that is in use. It goes back when the work came to its end; otherwise it is closed.
struct Lent<'s> {
    store: &'s PostgresKeyValue,
    session: Session,
    _permit: SemaphorePermit<'s>,
}

impl Lent<'_> {
    fn give_back(self) {
        let idle = self.store.idle.lock();
        idle.unwrap_or_else(PoisonError::into_inner).push(self.session);
    }
}

impl PostgresKeyValue {
    /// Buckets in the database at `address`, in a table that is made where it does not exist: its name is lower-case letters,
    /// digits and `_`.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] where the address is not understood.
    pub fn new(address: Address, table: &str, authorities: Authorities) -> Result<Self, Error> {
        address.check(read)?;
        let permits = Semaphore::new(MAX_CONNECTIONS);
        Ok(Self { address, table: table.to_owned(), authorities, idle: Mutex::default(), permits })
    }

    async fn lend(&self) -> Result<Lent<'_>, Error> {
        let permit = self.permits.acquire().await;
        let permit = permit.map_err(|closed| Error::Failed(closed.into()))?;
        let kept = loop {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match kept {
                // The server may have gone meanwhile.
                Some(session) if session.is_closed() => {}
                other => break other,
            }
        };
        let session = match kept {
            Some(session) => session,
            None => {
                let config = self.address.read(read).await?;
                let made = Session::connect(&config, &self.table, &self.authorities);
                let made = tokio::time::timeout(2 * CONNECT, made).await;
                made.map_err(|late| Error::Unreachable(late.into()))??
            }
        };
        Ok(Lent { store: self, session, _permit: permit })
    }

    /// Writes what `decide` says, given what there is of `keys` while nobody else writes to the bucket.
    async fn write<T: Send>(
        &self,
        bucket: &str,
        ask: Ask<'_>,
        decide: impl FnOnce(&Found) -> Result<(Change, T), KeyValueError> + Send,
    ) -> Result<T, Fault> {
        let mut lent = self.lend().await?;
        let done = change(&mut lent.session, bucket, ask, decide).await;
        // After an answer, the transaction was ended or will be before anything else on the connection.
        if matches!(done, Ok(_) | Err(Fault::Told(_))) {
            lent.give_back();
        }
        done
    }
}

/// What a write is about.
#[derive(Clone, Copy)]
struct Ask<'a> {
    keys: &'a [&'a str],
    /// Whether what they hold is read, not only its size.
    values: bool,
    quota: Quota,
}

/// What there is of some keys: their sizes, and values where they were asked for.
type Found = BTreeMap<Vec<u8>, (u64, Option<Vec<u8>>)>;
/// What becomes of keys: a new value, or none.
type Change = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

async fn change<T>(
    session: &mut Session,
    bucket: &str,
    ask: Ask<'_>,
    decide: impl FnOnce(&Found) -> Result<(Change, T), KeyValueError>,
) -> Result<T, Fault> {
    let (transaction, sql) = session.transaction().await?;
    let before = match transaction.query_opt(&sql.lock, &[&bucket]).await? {
        Some(row) => row,
        None => transaction.query_one(&sql.make, &[&bucket]).await?,
    };
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    let before =
        Holding { bytes: unsigned(before.try_get(0)?), keys: unsigned(before.try_get(1)?) };
    let named: Vec<_> = ask.keys.iter().map(|key| key.as_bytes()).collect();
    let rows = transaction.query(&sql.look, &[&bucket, &named, &ask.values]).await?;
    let mut found = Found::new();
    for row in &rows {
        let length = u64::try_from(row.try_get::<_, i32>(1)?).unwrap_or(0);
        found.insert(row.try_get(0)?, (length, row.try_get(2)?));
    }
    let (change, answer) = decide(&found)?;
    let mut after = before;
    for (key, value) in &change {
        let size = |length: u64| key.len() as u64 + length;
        let old = found.get(key).map(|(length, _)| size(*length));
        after.replace(old, value.as_ref().map(|value| size(value.len() as u64)));
    }
    after.check(before, ask.quota)?;
    let (put, gone): (Vec<_>, Vec<_>) = change.iter().partition(|(_, value)| value.is_some());
    let gone: Vec<_> = gone.into_iter().map(|(key, _)| key.as_slice()).collect();
    let put: Vec<_> = put.into_iter().filter_map(|(k, v)| Some((k, v.as_ref()?))).collect();
    let (keys, values): (Vec<_>, Vec<_>) =
        put.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).unzip();
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let (bytes, count) = (signed(after.bytes), signed(after.keys));
    // All at once on the way: they are answered in order.
    let put: [&(dyn ToSql + Sync); 3] = [&bucket, &keys, &values];
    let drop: [&(dyn ToSql + Sync); 2] = [&bucket, &gone];
    let hold: [&(dyn ToSql + Sync); 3] = [&bucket, &bytes, &count];
    let (putting, dropping) = (!keys.is_empty(), !gone.is_empty());
    let (put, dropped, held) = tokio::join!(
        async { if putting { transaction.execute(&sql.put, &put).await } else { Ok(0) } },
        async { if dropping { transaction.execute(&sql.drop, &drop).await } else { Ok(0) } },
        async {
            if putting || dropping { transaction.execute(&sql.hold, &hold).await } else { Ok(0) }
        },
    );
    // The first that failed says why; those behind it only that something did.
    put?;
    dropped?;
    held?;
    transaction.commit().await?;
    Ok(answer)
}

impl std::fmt::Debug for PostgresKeyValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresKeyValue").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The value of the one key that was looked at.
fn only<'f>(found: &'f Found, key: &str) -> Option<&'f [u8]> {
    found.get(key.as_bytes())?.1.as_deref()
}

fn one(key: &str, value: &[u8]) -> Change {
    BTreeMap::from([(key.as_bytes().to_vec(), Some(value.to_vec()))])
}

#[async_trait::async_trait]
impl KeyValue for PostgresKeyValue {
    async fn get_many(
        &self,
        bucket: &str,
        keys: &[&str],
        most: u64,
    ) -> Stored<Vec<Option<Vec<u8>>>> {
        let lent = self.lend().await.map_err(Fault::from)?;
        let named: Vec<_> = keys.iter().map(|key| key.as_bytes()).collect();
        let cap = i32::try_from(most).unwrap_or(i32::MAX);
        let read = async {
            let parameters: [&(dyn ToSql + Sync); 3] = [&bucket, &named, &cap];
            let rows = lent.session.stream("get", &parameters).await?;
            let mut rows = std::pin::pin!(rows);
            let (mut found, mut left) = (BTreeMap::new(), most);
            while let Some(row) = rows.try_next().await? {
                let length = u64::try_from(row.try_get::<_, i32>(1)?).unwrap_or(u64::MAX);
                left = left.checked_sub(length).ok_or(KeyValueError::TooLarge)?;
                let value: Option<Vec<u8>> = row.try_get(2)?;
                found.insert(row.try_get::<_, Vec<u8>>(0)?, value.ok_or(KeyValueError::TooLarge)?);
            }
            Ok::<_, Fault>(found)
        };
        let found = read.await?;
        lent.give_back();
        // Each key of the answer counts, also one that was asked for twice.
        let all = keys.iter().map(|key| found.get(key.as_bytes()));
        let bytes: u64 = all.clone().flatten().map(|value| value.len() as u64).sum();
        if bytes > most {
            return Err(KeyValueError::TooLarge);
        }
        Ok(all.map(|value| value.cloned()).collect())
    }

    async fn set_many(&self, bucket: &str, pairs: &[(&str, &[u8])], quota: Quota) -> Stored<()> {
        let change: Change =
            pairs.iter().map(|(k, v)| (k.as_bytes().to_vec(), Some(v.to_vec()))).collect();
        let keys: Vec<_> = pairs.iter().map(|(key, _)| *key).collect();
        Ok(self
            .write(bucket, Ask { keys: &keys, values: false, quota }, |_| Ok((change, ())))
            .await?)
    }

    async fn delete_many(&self, bucket: &str, keys: &[&str]) -> Stored<()> {
        let quota = Quota { bytes: u64::MAX, keys: u64::MAX };
        let change = |found: &Found| Ok((found.keys().map(|k| (k.clone(), None)).collect(), ()));
        Ok(self.write(bucket, Ask { keys, values: false, quota }, change).await?)
    }

    async fn list(&self, bucket: &str, after: Option<&str>, limit: usize) -> Stored<Vec<String>> {
        let lent = self.lend().await.map_err(Fault::from)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let after = after.map(str::as_bytes);
        let first = after.unwrap_or_default();
        let parameters: [&(dyn ToSql + Sync); 3] = [&bucket, &first, &limit];
        let sql = if after.is_some() { "list-after" } else { "list" };
        let read = async {
            let rows = lent.session.stream(sql, &parameters).await?;
            Ok::<_, Fault>(rows.try_collect::<Vec<_>>().await?)
        };
        let rows = read.await?;
        lent.give_back();
        let text = |row: &tokio_postgres::Row| {
            let key = row.try_get::<_, Vec<u8>>(0).map_err(Fault::from)?;
            let key = String::from_utf8(key);
            key.map_err(|error| Fault::from(Error::Foreign(error.into())).into())
        };
        rows.iter().map(text).collect()
    }

    async fn increment(&self, bucket: &str, key: &str, delta: i64, quota: Quota) -> Stored<i64> {
        let change = |found: &Found| {
            let sum = counted(only(found, key), delta)?;
            Ok((one(key, sum.to_string().as_bytes()), sum))
        };
        Ok(self.write(bucket, Ask { keys: &[key], values: true, quota }, change).await?)
    }

    async fn swap(
        &self,
        bucket: &str,
        key: &str,
        seen: Option<&[u8]>,
        value: &[u8],
        quota: Quota,
    ) -> Stored<bool> {
        let change = |found: &Found| match only(found, key) == seen {
            true => Ok((one(key, value), true)),
            false => Ok((Change::new(), false)),
        };
        Ok(self.write(bucket, Ask { keys: &[key], values: true, quota }, change).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_understood_or_refused_and_never_shown() {
        let mode = |url: &str| read(url).unwrap().get_ssl_mode();
        assert_eq!(mode("postgres://a@db.example/d"), SslMode::Require);
        assert_eq!(mode("postgres://a@127.0.0.1:9/d"), SslMode::Disable);
        assert_eq!(mode("postgres://a@[::1]/d"), SslMode::Disable);
        assert_eq!(mode("postgres://a@db.example/d?sslmode=disable"), SslMode::Disable);
        for bad in ["mysql://a:hunter2@b/c", "postgres://hunter2", "postgres://a:hunter2@b:x/c"] {
            let address = Address::new(bad).unwrap();
            let error = PostgresKeyValue::new(address, "t", Authorities::default()).unwrap_err();
            assert_eq!(error.code(), "LS-STO-006", "{bad}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
