//! Buckets on a Redis server, or one that speaks as it does. Every operation is one script, which the server runs alone: so quotas,
//! counting and swaps are exact whoever else is at work. One connection serves all; one on which somebody waited in vain is not
//! used again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_ports::{KeyValue, KeyValueError, Quota, Stored};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, RedisError, ServerErrorKind};
use tokio::net::TcpStream;

use crate::error::Fault;
use crate::tls::{Authorities, Stream, is_untrusted};
use crate::{Address, Error};

/// How long making a connection may take, look-up and handshakes included.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the server may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// All that is done to a bucket.
const SCRIPT: &str = include_str!("redis/bucket.lua");

/// Buckets on a Redis server, which is asked when it is first needed.
pub struct RedisKeyValue {
    address: Address,
    prefix: String,
    authorities: Authorities,
    /// The connection that is in use.
    lane: Mutex<Option<Lane>>,
    /// Held by whoever makes a connection, so that one is made at a time.
    making: tokio::sync::Mutex<()>,
}

/// A connection, and the digest under which the server knows the script.
#[derive(Clone)]
struct Lane {
    connection: MultiplexedConnection,
    script: Arc<str>,
    number: u64,
}

/// Where a server is, and how it is spoken to.
struct Server {
    host: String,
    port: u16,
    encrypted: bool,
    info: redis::RedisConnectionInfo,
}

/// Reads `redis://…`, or `rediss://…` for TLS, whose certificate is always checked.
fn read(url: &str) -> Option<Server> {
    let (encrypted, rest) = match (url.strip_prefix("redis://"), url.strip_prefix("rediss://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return None,
    };
    // The client library knows no TLS here: it is given the connection.
    let parsed = format!("redis://{rest}").into_connection_info().ok()?;
    let ConnectionAddr::Tcp(host, port) = parsed.addr() else { return None };
    let (host, port) = (host.clone(), *port);
    if host.is_empty() || rest.contains('#') {
        return None;
    }
    Some(Server { host, port, encrypted, info: parsed.redis_settings().clone() })
}

/// Forgets a connection, unless the work on it came to its end.
struct Watch<'s> {
    store: &'s RedisKeyValue,
    number: u64,
    ended: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.store.forget(self.number);
        }
    }
}

impl RedisKeyValue {
    /// Buckets on the server at `address` (`redis://user:password@host:port/database`, `rediss://…` with TLS), in keys that begin
    /// with `prefix`.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] where the address is not understood.
    pub fn new(address: Address, prefix: &str, authorities: Authorities) -> Result<Self, Error> {
        address.check(read)?;
        let (lane, making) = Default::default();
        Ok(Self { address, prefix: prefix.to_owned(), authorities, lane, making })
    }

    fn lane(&self) -> std::sync::MutexGuard<'_, Option<Lane>> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, number: u64) {
        self.lane().take_if(|lane| lane.number == number);
    }

    /// The connection, made where there is none.
    async fn connected(&self) -> Result<Lane, Error> {
        if let Some(lane) = self.lane().clone() {
            return Ok(lane);
        }
        let _alone = self.making.lock().await;
        if let Some(lane) = self.lane().clone() {
            return Ok(lane);
        }
        let made = tokio::time::timeout(CONNECT, self.connect()).await;
        let (connection, script) = made.map_err(|late| Error::Unreachable(late.into()))??;
        // Numbers go up with each connection that is made: none is taken for another.
        static MADE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = MADE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let lane = Lane { connection, script, number };
        *self.lane() = Some(lane.clone());
        Ok(lane)
    }

    async fn connect(&self) -> Result<(MultiplexedConnection, Arc<str>), Error> {
        let server = self.address.read(read).await?;
        let unreachable = |error: std::io::Error| match is_untrusted(&error) {
            true => Error::TurnedAway(error.into()),
            false => Error::Unreachable(error.into()),
        };
        let tcp = TcpStream::connect((server.host.as_str(), server.port));
        let tcp = tcp.await.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let stream: Box<dyn Stream> = if server.encrypted {
            let name = rustls::pki_types::ServerName::try_from(server.host);
            let name = name.map_err(|_| Error::Address)?;
            let connector = self.authorities.connector()?;
            Box::new(connector.connect(name, tcp).await.map_err(unreachable)?)
        } else {
            Box::new(tcp)
        };
        // Who waits how long is said here, not there.
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let made = MultiplexedConnection::new_with_config(&server.info, stream, config).await;
        let (mut connection, driver) = made.map_err(class)?;
        tokio::spawn(driver);
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(SCRIPT);
        let script: String = load.query_async(&mut connection).await.map_err(class)?;
        Ok((connection, script.into()))
    }

    /// Runs the script once.
    async fn attempt(&self, command: &Cmd, lane: Lane) -> Result<Reply, RedisError> {
        let mut connection = lane.connection;
        let mut watch = Watch { store: self, number: lane.number, ended: false };
        let answer = tokio::time::timeout(ANSWER, command.query_async(&mut connection)).await;
        let answer = answer.unwrap_or_else(|_| {
            let why = "the server does not answer";
            Err(RedisError::from(std::io::Error::new(std::io::ErrorKind::TimedOut, why)))
        });
        // What the server said, it said on a connection that works; a script that it forgot is loaded with a new one.
        watch.ended = answer.as_ref().err().is_none_or(|error| {
            matches!(error.kind(), ErrorKind::Server(kind) if kind != ServerErrorKind::NoScript)
                || error.kind() == ErrorKind::Extension
        });
        answer
    }

    async fn run(
        &self,
        (verb, bucket, quota): (&str, &str, Quota),
        arguments: &[&[u8]],
    ) -> Result<Reply, Fault> {
        let key = |part: &str| format!("{}:{{{bucket}}}:{part}", self.prefix);
        let command = |script: &str| {
            let mut command = redis::cmd("EVALSHA");
            command.arg(script).arg(3).arg(key("values")).arg(key("names")).arg(key("bytes"));
            command.arg(verb).arg(quota.bytes).arg(quota.keys).arg(arguments);
            command
        };
        let lane = self.connected().await?;
        let mut answer = self.attempt(&command(&lane.script), lane).await;
        if matches!(&answer, Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript))
        {
            // It was not run, so it may be run again.
            let lane = self.connected().await?;
            answer = self.attempt(&command(&lane.script), lane).await;
        }
        let reply = answer.map_err(class)?;
        match reply.first().and_then(Option::as_deref) {
            Some(b"done" | b"changed") => Ok(reply),
            Some(b"bytes") => Err(KeyValueError::TooManyBytes.into()),
            Some(b"keys") => Err(KeyValueError::TooManyKeys.into()),
            Some(b"large") => Err(KeyValueError::TooLarge.into()),
            Some(b"number") => Err(KeyValueError::NotANumber.into()),
            _ => Err(Error::Foreign("an answer that the script does not give".into()).into()),
        }
    }
}

/// What the script answers: what came of it, then values.
type Reply = Vec<Option<Vec<u8>>>;

impl std::fmt::Debug for RedisKeyValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisKeyValue").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The code that the server gave, also where several answers are one error.
fn code(error: &RedisError) -> Option<&'static str> {
    const KNOWN: [&str; 6] = ["NOAUTH", "WRONGPASS", "OOM", "MISCONF", "BUSY", "WRONGTYPE"];
    if let Some(code) = error.code() {
        return KNOWN.into_iter().find(|known| *known == code);
    }
    let said = error.to_string();
    let mut words = said.split(|c: char| !c.is_ascii_uppercase());
    words.find_map(|word| KNOWN.into_iter().find(|known| *known == word))
}

fn class(error: RedisError) -> Error {
    let class = match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
            Error::TurnedAway
        }
        ErrorKind::Server(ServerErrorKind::ReadOnly) => Error::Full,
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown,
        )
        | ErrorKind::Io => Error::Unreachable,
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Error::Foreign,
        _ => match code(&error) {
            Some("NOAUTH" | "WRONGPASS") => Error::TurnedAway,
            Some("OOM" | "MISCONF") => Error::Full,
            Some("BUSY") => Error::Unreachable,
            Some("WRONGTYPE") => Error::Foreign,
            _ if error.is_connection_dropped() => Error::Unreachable,
            _ => Error::Failed,
        },
    };
    class(error.into())
}

/// No quota.
const ANY: Quota = Quota { bytes: u64::MAX, keys: u64::MAX };

#[async_trait::async_trait]
impl KeyValue for RedisKeyValue {
    async fn get_many(
        &self,
        bucket: &str,
        keys: &[&str],
        most: u64,
    ) -> Stored<Vec<Option<Vec<u8>>>> {
        let keys: Vec<_> = keys.iter().map(|key| key.as_bytes()).collect();
        let quota = Quota { bytes: most, keys: u64::MAX };
        let mut reply = self.run(("get", bucket, quota), &keys).await?;
        if reply.len() != keys.len() + 1 {
            let why = "another number of values than was asked for";
            return Err(Fault::from(Error::Foreign(why.into())).into());
        }
        reply.remove(0);
        Ok(reply)
    }

    async fn set_many(&self, bucket: &str, pairs: &[(&str, &[u8])], quota: Quota) -> Stored<()> {
        // The last value of a key counts.
        let pairs: BTreeMap<&str, &[u8]> = pairs.iter().copied().collect();
        let words: Vec<_> = pairs.iter().flat_map(|(key, value)| [key.as_bytes(), value]).collect();
        self.run(("set", bucket, quota), &words).await?;
        Ok(())
    }

    async fn delete_many(&self, bucket: &str, keys: &[&str]) -> Stored<()> {
        let keys: Vec<_> = keys.iter().map(|key| key.as_bytes()).collect();
        self.run(("delete", bucket, ANY), &keys).await?;
        Ok(())
    }

    async fn list(&self, bucket: &str, after: Option<&str>, limit: usize) -> Stored<Vec<String>> {
        let lane = self.connected().await.map_err(Fault::from)?;
        let mut command = redis::cmd("ZRANGEBYLEX");
        command.arg(format!("{}:{{{bucket}}}:names", self.prefix));
        match after {
            Some(after) => command.arg([b"(", after.as_bytes()].concat()),
            None => command.arg("-"),
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        command.arg("+").arg("LIMIT").arg(0).arg(limit);
        let names = self.attempt(&command, lane).await.map_err(|e| Fault::from(class(e)))?;
        let text = |name: Option<Vec<u8>>| {
            let name = String::from_utf8(name.unwrap_or_default());
            name.map_err(|error| Fault::from(Error::Foreign(error.into())).into())
        };
        names.into_iter().map(text).collect()
    }

    async fn increment(&self, bucket: &str, key: &str, delta: i64, quota: Quota) -> Stored<i64> {
        let step = delta.to_string();
        let words = [key.as_bytes(), step.as_bytes()];
        let reply = self.run(("increment", bucket, quota), &words).await?;
        let sum = reply.get(1).and_then(Option::as_deref);
        let sum = sum.and_then(|sum| std::str::from_utf8(sum).ok()?.parse().ok());
        sum.ok_or_else(|| Fault::from(Error::Foreign("a sum that is no number".into())).into())
    }

    async fn swap(
        &self,
        bucket: &str,
        key: &str,
        seen: Option<&[u8]>,
        value: &[u8],
        quota: Quota,
    ) -> Stored<bool> {
        let was: &[u8] = if seen.is_some() { b"1" } else { b"0" };
        let words = [was, seen.unwrap_or_default(), key.as_bytes(), value];
        let reply = self.run(("swap", bucket, quota), &words).await?;
        Ok(reply.first().and_then(Option::as_deref) == Some(b"done"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_understood_or_refused_and_never_shown() {
        let plain = read("redis://lena:hunter2@cache.example:7000/3").unwrap();
        assert_eq!(
            (plain.host.as_str(), plain.port, plain.encrypted),
            ("cache.example", 7000, false)
        );
        assert_eq!((plain.info.db(), plain.info.password()), (3, Some("hunter2")));
        assert!(read("rediss://cache.example").unwrap().encrypted);
        for bad in [
            "http://hunter2",
            "redis://",
            "redis://:hunter2@",
            "rediss://cache.example/#insecure",
            "redis://cache.example:x",
            "redis://cache.example/hunter2",
            "unix:/hunter2",
        ] {
            let address = Address::new(bad).unwrap();
            let error = RedisKeyValue::new(address, "p", Authorities::default()).unwrap_err();
            assert_eq!(error.code(), "LS-STO-006", "{bad}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
