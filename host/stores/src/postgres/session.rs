//! One connection: made, its tables with it, its statements prepared; and what the server's errors mean.

use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, RowStream, Statement, Transaction};

use crate::Error;
use crate::error::Fault;
use crate::tls::{Authorities, Tls, is_untrusted};

/// What every connection begins with. A statement that hangs is given up: its caller was told to try again.
const SETUP: &str = "SET client_min_messages = error; SET lock_timeout = '10s';
                     SET statement_timeout = '20s'; SET idle_in_transaction_session_timeout = '20s';
                     SET synchronous_commit = on;";

const TABLES: &str = include_str!("tables.sql");

pub(super) struct Session {
    client: Client,
    sql: Sql,
}

/// The statements, prepared.
pub(super) struct Sql {
    /// Takes a bucket's row, and says what the bucket holds.
    pub(super) lock: Statement,
    /// The same for a bucket that is not there yet.
    pub(super) make: Statement,
    /// Sizes of entries, and values if they are wanted.
    pub(super) look: Statement,
    pub(super) put: Statement,
    pub(super) drop: Statement,
    pub(super) hold: Statement,
    get: Statement,
    list: Statement,
    list_after: Statement,
}

impl Sql {
    async fn prepare(client: &Client, table: &str) -> Result<Self, tokio_postgres::Error> {
        let prepare = |sql: &str| {
            let sql = sql.replace("{table}", table);
            async move { client.prepare(&sql).await }
        };
        let (lock, make, look, put, drop, hold, get, list, list_after) = tokio::try_join!(
            prepare("SELECT bytes, keys FROM \"{table}_buckets\" WHERE name = $1 FOR UPDATE"),
            prepare(
                "INSERT INTO \"{table}_buckets\" AS b (name, bytes, keys) VALUES ($1, 0, 0)
                 ON CONFLICT (name) DO UPDATE SET name = b.name RETURNING bytes, keys"
            ),
            prepare(
                "SELECT key, length(value), CASE WHEN $3::bool THEN value END FROM \"{table}\"
                 WHERE bucket = $1 AND key = ANY($2)"
            ),
            prepare(
                "INSERT INTO \"{table}\" (bucket, key, value)
                 SELECT $1, k, v FROM unnest($2::bytea[], $3::bytea[]) AS u (k, v)
                 ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value"
            ),
            prepare("DELETE FROM \"{table}\" WHERE bucket = $1 AND key = ANY($2::bytea[])"),
            prepare("UPDATE \"{table}_buckets\" SET bytes = $2, keys = $3 WHERE name = $1"),
            prepare(
                "SELECT key, length(value), CASE WHEN length(value) <= $3 THEN value END
                 FROM \"{table}\" WHERE bucket = $1 AND key = ANY($2)"
            ),
            prepare(
                "SELECT key FROM \"{table}\" WHERE bucket = $1 AND key >= $2 ORDER BY key LIMIT $3"
            ),
            prepare(
                "SELECT key FROM \"{table}\" WHERE bucket = $1 AND key > $2 ORDER BY key LIMIT $3"
            ),
        )?;
        Ok(Self { lock, make, look, put, drop, hold, get, list, list_after })
    }
}

impl Session {
    pub(super) async fn connect(
        config: &Config,
        table: &str,
        authorities: &Authorities,
    ) -> Result<Self, Error> {
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => Tls(None),
            _ => Tls(Some(authorities.connector()?)),
        };
        let (mut client, connection) = config.connect(tls).await.map_err(class)?;
        // Why it ended is told to whoever asks something of it.
        tokio::spawn(async move { drop(connection.await) });
        client.batch_execute(SETUP).await.map_err(class)?;
        make_tables(&mut client, table).await.map_err(class)?;
        let sql = Sql::prepare(&client, table).await.map_err(class)?;
        Ok(Self { client, sql })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) async fn transaction(&mut self) -> Result<(Transaction<'_>, &Sql), Fault> {
        Ok((self.client.transaction().await?, &self.sql))
    }

    /// The rows of one of the statements that read, as they come.
    pub(super) async fn stream(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<RowStream, Fault> {
        let sql = match sql {
            "get" => &self.sql.get,
            "list" => &self.sql.list,
            _ => &self.sql.list_after,
        };
        Ok(self.client.query_raw(sql, parameters.iter().copied()).await?)
    }
}

/// Makes the tables where they do not exist: not at the same time as another host.
async fn make_tables(client: &mut Client, table: &str) -> Result<(), tokio_postgres::Error> {
    let there = format!("SELECT to_regclass('\"{table}\"') IS NOT NULL");
    if client.query_one(&there, &[]).await?.try_get(0)? {
        return Ok(());
    }
    // Of the session, not of a transaction: in one that waited for it, what the other made would not be seen.
    client.execute("SELECT pg_advisory_lock(5497853135693827)", &[]).await?;
    if !client.query_one(&there, &[]).await?.try_get::<_, bool>(0)? {
        let transaction = client.transaction().await?;
        transaction.batch_execute(&TABLES.replace("{table}", table)).await?;
        transaction.commit().await?;
    }
    client.execute("SELECT pg_advisory_unlock(5497853135693827)", &[]).await?;
    Ok(())
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        // What an index takes is the server's own limit.
        if error.code() == Some(&SqlState::PROGRAM_LIMIT_EXCEEDED) {
            let why = "the key is longer than its store can take".to_owned();
            return Self::Told(longshore_ports::KeyValueError::Unfit(why));
        }
        Self::Store(class(error))
    }
}

fn class(error: tokio_postgres::Error) -> Error {
    let Some(code) = error.code() else {
        let said = error.to_string();
        let class = if is_untrusted(&error)
            || said.contains("invalid configuration")
            || said.contains("authentication")
        {
            Error::TurnedAway
        } else if said.contains("deserializing column") || said.contains("invalid column") {
            Error::Foreign
        } else {
            Error::Unreachable
        };
        return class(error.into());
    };
    let class = match code.code().get(..2) {
        _ if [
            SqlState::DISK_FULL,
            SqlState::OUT_OF_MEMORY,
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ]
        .contains(code) =>
        {
            Error::Full
        }
        _ if [SqlState::INVALID_CATALOG_NAME, SqlState::INSUFFICIENT_PRIVILEGE].contains(code) => {
            Error::TurnedAway
        }
        // Class 28: invalid authorization specification.
        Some("28") => Error::TurnedAway,
        // Connection exceptions, rolled back by the server, insufficient resources, operator intervention, locks not available.
        Some("08" | "40" | "53" | "55" | "57") => Error::Unreachable,
        // Data, constraints and tables that are not as we made them.
        Some("22" | "23" | "42" | "XX") => Error::Foreign,
        _ => Error::Failed,
    };
    class(error.into())
}
