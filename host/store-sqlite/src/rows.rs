//! The SQL. One function per need; each is one statement, or a few inside the caller's transaction.

use longshore_journal::{
    Append, Error, GENESIS, MAX_PAGE_BYTES, Record, Result, RunFilter, RunState, RunSummary,
    Sealer, StoredReceipt,
};
use longshore_model::{RunId, Timestamp};
use longshore_reference::Digest;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use crate::fault;

const SUMMARY: &str =
    "SELECT id, component, reference, function, started, ended, state, entries, head FROM runs";
const RECEIPT: &str = "SELECT position, run, previous, digest, bytes FROM receipts";

/// Adds records inside the caller's transaction. The outer error is SQLite's; the inner one is the
/// answer to an append that does not fit, which has then written nothing.
pub(crate) fn append(connection: &Connection, append: &Append) -> rusqlite::Result<Result<()>> {
    let (run, id) = (append.run, append.run.as_bytes().as_slice());
    if let Some(opening) = append.opening.as_ref().filter(|_| append.next == 0) {
        let inserted = connection
            .prepare_cached(
                "INSERT INTO runs
                     (id, component, reference, function, started, state, entries, head)
                 VALUES (?1, ?2, ?3, ?4, ?5, 'open', 0, ?6) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                id,
                opening.component.as_bytes(),
                opening.reference,
                opening.function,
                number(opening.started.unix_us()),
                GENESIS.as_bytes(),
            ])?;
        if inserted == 0 {
            return misfit(connection, run, append.next);
        }
    }
    let Some(last) = append.records.last() else { return Ok(Ok(())) };
    let updated = connection
        .prepare_cached(
            "UPDATE runs SET entries = ?3, head = ?4, state = coalesce(?5, state), ended = ?6
             WHERE id = ?1 AND entries = ?2 AND state = 'open'",
        )?
        .execute(params![
            id,
            number(append.next),
            number(last.seq.saturating_add(1)),
            last.hash.as_bytes(),
            append.ending.map(|ending| ending.state.as_str()),
            append.ending.map(|ending| number(ending.at.unix_us())),
        ])?;
    if updated == 0 {
        return misfit(connection, run, append.next);
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO entries (run, seq, at, hash, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for record in &append.records {
        let (seq, at) = (number(record.seq), number(record.at.unix_us()));
        insert.execute(params![id, seq, at, record.hash.as_bytes(), record.bytes.as_ref()])?;
    }
    Ok(Ok(()))
}

/// Why an append does not fit.
fn misfit(connection: &Connection, run: RunId, expected: u64) -> rusqlite::Result<Result<()>> {
    let row: Option<(u64, bool)> = connection
        .prepare_cached("SELECT entries, state = 'open' FROM runs WHERE id = ?1")?
        .query_row([run.as_bytes().as_slice()], |row| Ok((unsigned(row, 0)?, row.get(1)?)))
        .optional()?;
    Ok(Err(match row {
        None => Error::NotFound(run),
        Some((_, false)) if expected > 0 => Error::RunClosed(run),
        Some((found, _)) => Error::Conflict { run, expected, found },
    }))
}

pub(crate) fn load(
    connection: &Connection,
    run: RunId,
    from: u64,
    max: usize,
) -> Result<Vec<Record>> {
    let read = || {
        let mut select = connection.prepare_cached(
            "SELECT seq, at, bytes, hash FROM entries
             WHERE run = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3",
        )?;
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let mut rows = select.query(params![run.as_bytes(), number(from), max])?;
        let (mut records, mut bytes) = (Vec::new(), 0);
        while bytes < MAX_PAGE_BYTES
            && let Some(row) = rows.next()?
        {
            let record = record(row)?;
            bytes += record.bytes.len();
            records.push(record);
        }
        Ok(records)
    };
    read().map_err(|error| fault::sql(&format!("cannot read the entries of run `{run}`"), error))
}

/// A run's row and its first entries, as they were at one moment.
pub(crate) fn first_page(
    connection: &mut Connection,
    run: RunId,
    max: usize,
) -> Result<Option<(RunSummary, Vec<Record>)>> {
    let failed = |error| fault::sql(&format!("cannot read run `{run}`"), error);
    let transaction = connection.transaction().map_err(failed)?;
    let Some(summary) = summary(&transaction, run)? else { return Ok(None) };
    let records = load(&transaction, run, 0, max)?;
    transaction.commit().map_err(failed)?;
    Ok(Some((summary, records)))
}

pub(crate) fn summary(connection: &Connection, run: RunId) -> Result<Option<RunSummary>> {
    connection
        .prepare_cached(&format!("{SUMMARY} WHERE id = ?1"))
        .and_then(|mut select| select.query_row([run.as_bytes().as_slice()], summary_of).optional())
        .map_err(|error| fault::sql(&format!("cannot read run `{run}`"), error))
}

pub(crate) fn runs(connection: &Connection, filter: &RunFilter) -> Result<Vec<RunSummary>> {
    let read = || -> rusqlite::Result<Vec<RunSummary>> {
        // No id is larger than sixteen bytes of ones and one more.
        let before = filter.before.map_or(vec![0xff; 17], |run| run.as_bytes().to_vec());
        let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
        match filter.state {
            None => connection
                .prepare_cached(&format!("{SUMMARY} WHERE id < ?1 ORDER BY id DESC LIMIT ?2"))?
                .query_map(params![before, limit], summary_of)?
                .collect(),
            Some(state) => connection
                .prepare_cached(&format!(
                    "{SUMMARY} WHERE state = ?3 AND id < ?1 ORDER BY id DESC LIMIT ?2"
                ))?
                .query_map(params![before, limit, state.stored().as_str()], summary_of)?
                .collect(),
        }
    };
    read().map_err(|error| fault::sql("cannot list the runs", error))
}

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

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        seq: unsigned(row, 0)?,
        at: Timestamp::from_unix_us(unsigned(row, 1)?),
        bytes: row.get::<_, Vec<u8>>(2)?.into(),
        hash: digest(row, 3)?,
    })
}

fn summary_of(row: &Row<'_>) -> rusqlite::Result<RunSummary> {
    let state: String = row.get(6)?;
    Ok(RunSummary {
        run: run_id(row, 0)?,
        component: digest(row, 1)?,
        reference: row.get(2)?,
        function: row.get(3)?,
        started: Timestamp::from_unix_us(unsigned(row, 4)?),
        ended: row
            .get::<_, Option<i64>>(5)?
            .map(|_| unsigned(row, 5))
            .transpose()?
            .map(Timestamp::from_unix_us),
        state: RunState::parse(&state)
            .filter(|state| state.stored() == *state)
            .ok_or_else(|| damaged(6, Type::Text, format!("`{state}` is no state of a run")))?,
        entries: unsigned(row, 7)?,
        head: digest(row, 8)?,
    })
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

/// SQLite's integers are signed. Nothing of ours comes near the end of them; what does is held at
/// the end.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value)
        .map_err(|_| damaged(column, Type::Integer, format!("`{value}` is negative")))
}

fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    row.get(column).map(Digest::from_bytes)
}

fn run_id(row: &Row<'_>, column: usize) -> rusqlite::Result<RunId> {
    row.get(column).map(RunId::from_bytes)
}

fn damaged(column: usize, kind: Type, what: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, what.into())
}
