//! Connections of one call that wait for its next request. They never leave the call: it has its own pool, and that dies with
//! it, so that no connection crosses from one grant, call or run to another.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;
use wasmtime_wasi_http::WasiBody;

use super::body::Driver;

/// Connections that wait at once.
const MAX_IDLE: usize = 8;
/// How long one may wait: servers close those that wait longer.
const MAX_WAIT: Duration = Duration::from_secs(15);
/// How long a connection may take to be ready again after its last answer was read.
const SETTLE: Duration = Duration::from_millis(50);

/// Where a connection leads: scheme, and host with port. The address behind it was vetted when it was made, and the name that
/// TLS checked was this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) https: bool,
    pub(super) server: String,
}

/// One connection.
pub(super) struct Connection {
    pub(super) sender: SendRequest<WasiBody>,
    pub(super) _driver: Driver,
}

/// Those that wait.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<(Key, Connection, Instant)>>);

impl Pool {
    /// A connection to `key` that can take a request now.
    pub(super) async fn take(&self, key: &Key) -> Option<Connection> {
        loop {
            let mut connection = {
                let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                idle.retain(|(_, c, since)| !c.sender.is_closed() && since.elapsed() < MAX_WAIT);
                let at = idle.iter().rposition(|(own, ..)| own == key)?;
                idle.swap_remove(at).1
            };
            if let Ok(Ok(())) = tokio::time::timeout(SETTLE, connection.sender.ready()).await {
                return Some(connection);
            }
        }
    }

    fn give(&self, key: Key, connection: Connection) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push((key, connection, Instant::now()));
        }
    }
}

/// A connection that an answer is still being read from. Dropped before its end, it closes the connection.
pub(super) struct Lease {
    pub(super) connection: Connection,
    pub(super) key: Key,
    pub(super) pool: Arc<Pool>,
}

impl Lease {
    /// The answer was read to its end: the connection may be used again.
    pub(super) fn over(self) {
        self.pool.give(self.key, self.connection);
    }
}
