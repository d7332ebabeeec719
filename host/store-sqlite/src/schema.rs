//! The tables, and how every released version of them becomes the newest. A migration, once
//! released, is never changed.

use std::path::Path;

use longshore_journal::{Error, Result, StoreFault};
use rusqlite::{Connection, TransactionBehavior};

use crate::fault;

/// SQLite's mark of whose file it is: `LSHR`.
const APPLICATION: i64 = 0x4c53_4852;

/// What turns version n into version n + 1.
const MIGRATIONS: &[&str] = &[include_str!("schema/001.sql"), include_str!("schema/002.sql")];

/// Checks that the file is ours and brings it to the newest version.
pub(crate) fn prepare(connection: &mut Connection, path: &Path) -> Result<()> {
    let shown = path.display();
    let failed = |error| fault::sql(&format!("cannot open the journal `{shown}`"), error);
    let version = version(connection).map_err(failed)?;
    if version == MIGRATIONS.len() {
        return Ok(());
    }
    if version > MIGRATIONS.len() {
        let ours = MIGRATIONS.len();
        let message =
            format!("the journal `{shown}` has schema {version}, this Longshore knows {ours}");
        return Err(Error::store(StoreFault::NewerSchema, message));
    }
    connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
    migrate(connection).map_err(failed)?.then_some(()).ok_or_else(|| {
        let message = format!("`{shown}` is the database of another program");
        Error::store(StoreFault::Unopenable, message)
    })
}

/// All steps in one transaction; false when the file belongs to another program. Two processes may
/// come here together: the second finds the work done.
fn migrate(connection: &mut Connection) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = version(&transaction)?;
    let application: i64 =
        transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && (application != 0 || tables != 0) {
        return Ok(false);
    }
    for migration in MIGRATIONS.iter().skip(version) {
        transaction.execute_batch(migration)?;
    }
    let newest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    transaction.pragma_update(None, "user_version", newest)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.commit()?;
    Ok(true)
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}
