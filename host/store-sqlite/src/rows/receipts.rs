//! The chain of receipts.

use longshore_journal::{Error, Result, Sealer, StoredReceipt};
use longshore_model::RunId;
use longshore_reference::Digest;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::{digest, number, run_id, unsigned};
use crate::fault;

const RECEIPT: &str = "SELECT position, run, previous, digest, bytes FROM receipts";

/// Reads the last receipt, has the next one made, keeps it: in one transaction that excludes every
/// other writer.
pub(crate) fn seal(
    connection: &mut Connection,
    run: RunId,
    sealer: Sealer,
) -> Result<StoredReceipt> {
    let failed = |error| fault::sql(&format!("cannot keep the receipt of run `{run}`"), error);
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let id = run.as_bytes().as_slice();
    let (open, sealed): (bool, bool) = transaction
        .prepare_cached(
            "SELECT state = 'open', EXISTS (SELECT 1 FROM receipts WHERE run = ?1)
             FROM runs WHERE id = ?1",
        )
        .and_then(|mut select| {
            select.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(failed)?
        .ok_or(Error::NotFound(run))?;
    if sealed {
        return Err(Error::AlreadySealed(run));
    }
    if open {
        return Err(Error::StillOpen(run));
    }
    let last = transaction
        .prepare_cached("SELECT position, digest FROM receipts ORDER BY position DESC LIMIT 1")
        .and_then(|mut select| {
            select.query_row([], |row| Ok((unsigned(row, 0)?, digest(row, 1)?))).optional()
        })
        .map_err(failed)?;
    let (position, previous) =
        last.map_or((0, None), |(position, digest)| (position + 1, Some(digest)));
    let receipt = sealer(previous).map_err(|source| Error::Seal { run, source: source.into() })?;
    transaction
        .prepare_cached(
            "INSERT INTO receipts (position, run, previous, digest, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                number(position),
                id,
                previous.as_ref().map(Digest::as_bytes),
                receipt.digest.as_bytes(),
                receipt.bytes,
            ])
        })
        .map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(StoredReceipt { position, run, previous, receipt })
}

pub(crate) fn receipt(connection: &Connection, run: RunId) -> Result<Option<StoredReceipt>> {
    connection
        .prepare_cached(&format!("{RECEIPT} WHERE run = ?1"))
        .and_then(|mut select| select.query_row([run.as_bytes().as_slice()], receipt_of).optional())
        .map_err(|error| fault::sql(&format!("cannot read the receipt of run `{run}`"), error))
}

pub(crate) fn receipts(
    connection: &Connection,
    position: u64,
    max: usize,
) -> Result<Vec<StoredReceipt>> {
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&format!("{RECEIPT} WHERE position >= ?1 ORDER BY position LIMIT ?2"))
        .and_then(|mut select| select.query_map([number(position), max], receipt_of)?.collect())
        .map_err(|error| fault::sql("cannot read the receipts", error))
}

fn receipt_of(row: &Row<'_>) -> rusqlite::Result<StoredReceipt> {
    let previous = match row.get_ref(2)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(digest(row, 2)?),
    };
    Ok(StoredReceipt {
        position: unsigned(row, 0)?,
        run: run_id(row, 1)?,
        previous,
        receipt: crate::sealed(row.get(4)?, digest(row, 3)?),
    })
}
