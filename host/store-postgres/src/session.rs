//! Connections: made, kept, lost and made again.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_journal::{Bell, Wake};
use longshore_model::RunId;
use tokio::sync::watch;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Row, Socket, Statement};

use crate::address::Address;
use crate::fault::Fail;
use crate::schema;
use crate::tls::{Encrypted, Tls};

/// Where letters and runs that were let go of are announced: the payload is the run's id in hex.
pub(crate) const CHANNEL: &str = "longshore";

/// What every connection begins with. A statement that hangs is given up: its caller asks again.
const SETUP: &str = "SET client_min_messages = error; SET lock_timeout = '10s';
                     SET statement_timeout = '60s'; SET synchronous_commit = on;";

/// The first and the longest pause between two attempts.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

/// One connection, with the statements that it has prepared.
pub(crate) struct Session {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    /// Nothing is sent; it closes with the connection.
    gone: watch::Receiver<()>,
}

/// How sessions are made.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) address: Address,
    pub(crate) tls: Tls,
}

impl Connector {
    /// Connects. With a bell, what is announced rings it, and so does the connection itself: what
    /// was announced before is not known.
    pub(crate) async fn connect(&self, bell: Option<Bell>) -> Result<Session, Fail> {
        let (mut client, connection) = self.address.config().connect(self.tls.clone()).await?;
        let (alive, gone) = watch::channel(());
        let rung = bell.clone();
        tokio::spawn(async move {
            drive(connection, rung).await;
            drop(alive);
        });
        client.batch_execute(SETUP).await?;
        schema::prepare(&mut client).await?;
        if let Some(bell) = bell {
            client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
            bell.ring(Wake::Any);
        }
        Ok(Session { client, statements: Mutex::default(), gone })
    }
}

/// Moves bytes until the connection ends. Why it ended is told to whoever asks something of it.
async fn drive(
    mut connection: tokio_postgres::Connection<Socket, Encrypted<Socket>>,
    bell: Option<Bell>,
) {
    while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
        if let (AsyncMessage::Notification(told), Some(bell)) = (message, &bell) {
            bell.ring(run_of(told.payload()).map_or(Wake::Any, Wake::Run));
        }
    }
}

/// The run that a payload names.
fn run_of(payload: &str) -> Option<RunId> {
    let mut bytes = [0; 16];
    if payload.len() != 32 || !payload.is_ascii() {
        return None;
    }
    for (byte, place) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(payload.get(place..place + 2)?, 16).ok()?;
    }
    Some(RunId::from_bytes(bytes))
}

impl Session {
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Waits until the connection has ended.
    pub(crate) async fn closed(&self) {
        let mut gone = self.gone.clone();
        while gone.changed().await.is_ok() {}
    }

    /// For transactions.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    async fn prepared(&self, sql: &'static str) -> Result<Statement, Fail> {
        let statements = || self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(statement) = statements().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        statements().insert(sql, statement.clone());
        Ok(statement)
    }

    pub(crate) async fn query(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fail> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.query(&statement, params).await?)
    }

    pub(crate) async fn query_opt(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Fail> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.query_opt(&statement, params).await?)
    }
}

/// The one connection of those who read: made when it is needed, and made again.
pub(crate) struct Lane {
    connector: Connector,
    bell: Bell,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
}

impl Lane {
    pub(crate) fn new(connector: Connector, bell: Bell) -> Self {
        Self { connector, bell, session: tokio::sync::Mutex::default() }
    }

    pub(crate) async fn session(&self) -> Result<Arc<Session>, Fail> {
        let mut held = self.session.lock().await;
        if let Some(session) = held.as_ref().filter(|session| !session.is_closed()) {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(self.connector.connect(Some(self.bell.clone())).await?);
        *held = Some(Arc::clone(&session));
        Ok(session)
    }
}

/// Pauses between attempts, each twice as long as the one before, up to a second.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self(PAUSES[0])
    }

    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSES[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_names_its_run_or_any() {
        let run = RunId::from_bytes([0xa5; 16]);
        assert_eq!(run_of(&"a5".repeat(16)), Some(run));
        for other in ["", "a5", &"a5".repeat(17), &"zz".repeat(16), &"é".repeat(16)] {
            assert_eq!(run_of(other), None, "{other}");
        }
    }
}
