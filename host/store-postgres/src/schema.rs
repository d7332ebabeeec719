//! The tables, and how every released version of them becomes the newest. A migration, once
//! released, is never changed.

use longshore_journal::{Error, StoreFault};
use tokio_postgres::Client;

use crate::fault::Fail;

/// What turns version n into version n + 1.
const MIGRATIONS: &[&str] = &[include_str!("schema/001.sql")];

/// Held while the schema is looked at and changed: hosts come one after the other. The text "LSHR" twice.
const LOCK: i64 = 0x4c53_4852_4c53_4852;

/// Brings the schema to the newest version.
pub(crate) async fn prepare(client: &mut Client) -> Result<(), Fail> {
    if version(client).await? == Some(MIGRATIONS.len()) {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let known = version(transaction.client()).await?;
    if known.is_none() {
        transaction
            .batch_execute(
                "CREATE SCHEMA IF NOT EXISTS longshore;
                 CREATE TABLE longshore.version (version integer NOT NULL);
                 INSERT INTO longshore.version VALUES (0);",
            )
            .await?;
    }
    let (known, ours) = (known.unwrap_or(0), MIGRATIONS.len());
    if known > ours {
        let message = format!("the journal has schema {known}, this Longshore knows {ours}");
        return Err(Error::store(StoreFault::NewerSchema, message).into());
    }
    for migration in MIGRATIONS.iter().skip(known) {
        transaction.batch_execute(migration).await?;
    }
    let newest = i32::try_from(ours).unwrap_or(i32::MAX);
    transaction.execute("UPDATE longshore.version SET version = $1", &[&newest]).await?;
    transaction.commit().await?;
    Ok(())
}

/// The version of the schema; none where there is no schema.
async fn version(client: &Client) -> Result<Option<usize>, Fail> {
    // Asked of the tables, as this transaction sees them: `to_regclass` may answer from before the
    // lock was had.
    let there = "SELECT EXISTS (SELECT FROM pg_catalog.pg_tables
                     WHERE schemaname = 'longshore' AND tablename = 'version')";
    if !client.query_one(there, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let row = client.query_one("SELECT max(version) FROM longshore.version", &[]).await?;
    let version: Option<i32> = row.try_get(0)?;
    Ok(version.map(|version| usize::try_from(version).unwrap_or(usize::MAX)))
}
