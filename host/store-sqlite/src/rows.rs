//! The SQL. One function per need; each is one statement, or a few inside the caller's transaction.

mod leases;
mod letters;
mod receipts;

use longshore_journal::{
    Append, Ending, Error, Fence, GENESIS, HostId, Lease, MAX_PAGE_BYTES, Named, Opening, Record,
    Result, RunFilter, RunState, RunSummary, Standing, Waiting, WaitsOn,
};
use longshore_model::{RunId, Timestamp};
use longshore_reference::Digest;
use rusqlite::types::{Type, Value};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params, params_from_iter};

pub(crate) use self::leases::{claim, claimable, due, renew};
pub(crate) use self::letters::{letters, post};
pub(crate) use self::receipts::{receipt, receipts, seal};
use crate::fault;

const SUMMARY: &str = "SELECT id, component, reference, function, started, ended, state, entries, \
                       head, fence, host, held_until, waits_on, wake_at, posted, taken FROM runs";

/// Adds records inside the caller's transaction. The outer error is SQLite's; the inner one is the
/// answer to an append that does not fit, which has then written nothing.
pub(crate) fn append(connection: &Connection, append: &Append) -> rusqlite::Result<Result<()>> {
    let id = append.run.as_bytes().as_slice();
    if append.is_barrier() {
        return Ok(Ok(()));
    }
    if let Some(opening) = append.opening.as_ref().filter(|_| append.opens())
        && !open(connection, append, opening)?
    {
        return misfit(connection, append);
    }
    if !advance(connection, append)? {
        return misfit(connection, append);
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO entries (run, seq, at, hash, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for record in &append.records {
        let (seq, at) = (number(record.seq), number(record.at.unix_us()));
        insert.execute(params![id, seq, at, record.hash.as_bytes(), record.bytes.as_ref()])?;
    }
    let over = |ending: &Ending| ending.state != RunState::Continued;
    if append.ending.as_ref().is_some_and(over) {
        letters::settle(connection, append.run, u64::MAX)?;
    } else if let Some(taken) = append.taken {
        letters::settle(connection, append.run, taken)?;
    }
    Ok(Ok(()))
}

/// Makes the row of a run that begins; false when there is one.
fn open(connection: &Connection, append: &Append, opening: &Opening) -> rusqlite::Result<bool> {
    let inserted = connection
        .prepare_cached(
            "INSERT INTO runs (id, component, reference, function, started, state, entries, head,
                 fence, host, held_until)
             VALUES (?1, ?2, ?3, ?4, ?5, 'open', 0, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            append.run.as_bytes(),
            opening.component.as_bytes(),
            opening.reference,
            opening.function,
            number(opening.started.unix_us()),
            GENESIS.as_bytes(),
            number(append.fence.0),
            opening.lease.as_ref().map(|lease| lease.host.as_bytes()),
            opening.lease.map(|lease| number(lease.until.unix_us())),
        ])?;
    Ok(inserted == 1)
}

/// Moves a run's row on; false when the append does not fit it.
fn advance(connection: &Connection, append: &Append) -> rusqlite::Result<bool> {
    let id = append.run.as_bytes();
    let (from, to, fence) = (number(append.next), number(append.end()), number(append.fence.0));
    let head = append.records.last().map(|last| last.hash);
    let head = head.as_ref().map(Digest::as_bytes);
    let frees = append.ending.is_some() || append.release.is_some();
    let updated = if !frees && append.taken.is_none() {
        connection
            .prepare_cached(
                "UPDATE runs SET entries = ?4, head = coalesce(?5, head)
                 WHERE id = ?1 AND entries = ?2 AND fence = ?3 AND state = 'open'",
            )?
            .execute(params![id, from, fence, to, head])?
    } else {
        let waiting = append.release.and_then(|release| release.waiting);
        connection
            .prepare_cached(
                "UPDATE runs SET entries = ?4, head = coalesce(?5, head),
                     state = coalesce(?6, state), ended = ?7, taken = coalesce(?8, taken),
                     host = iif(?9, NULL, host), held_until = iif(?9, NULL, held_until),
                     waits_on = ?10, wake_at = ?11
                 WHERE id = ?1 AND entries = ?2 AND fence = ?3 AND state = 'open'",
            )?
            .execute(params![
                id,
                from,
                fence,
                to,
                head,
                append.ending.map(|ending| ending.state.as_str()),
                append.ending.map(|ending| number(ending.at.unix_us())),
                append.taken.map(number),
                frees,
                waiting.map(|waiting| waiting.on.as_str()),
                waiting.and_then(|waiting| waiting.wake_at).map(|at| number(at.unix_us())),
            ])?
    };
    Ok(updated == 1)
}

/// Why an append does not fit.
fn misfit(connection: &Connection, append: &Append) -> rusqlite::Result<Result<()>> {
    let row = connection
        .prepare_cached("SELECT entries, state = 'open', fence FROM runs WHERE id = ?1")?
        .query_row([append.run.as_bytes().as_slice()], |row| {
            let (entries, fence) = (unsigned(row, 0)?, Fence(unsigned(row, 2)?));
            Ok(Standing { entries, open: row.get(1)?, fence })
        })
        .optional()?;
    let unexplained = || Error::Conflict {
        run: append.run,
        expected: append.next,
        found: row.map_or(0, |row| row.entries),
    };
    Ok(Err(Standing::refusal(row, append).unwrap_or_else(unexplained)))
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
    let (sql, values) = listing(filter);
    connection
        .prepare_cached(&sql)
        .and_then(|mut select| select.query_map(params_from_iter(values), summary_of)?.collect())
        .map_err(|error| fault::sql("cannot list the runs", error))
}

/// The statement of a filter: [`RunFilter::admits`] in SQL.
fn listing(filter: &RunFilter) -> (String, Vec<Value>) {
    let time = |at: Timestamp| Value::Integer(number(at.unix_us()));
    let mut sql = format!("{SUMMARY} WHERE true");
    let mut values = Vec::new();
    let mut only = |condition: &str, value: Value| {
        values.push(value);
        sql.push_str(" AND ");
        sql.push_str(&condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(state) = filter.state {
        only("state = ?", Value::Text(state.stored().as_str().to_owned()));
    }
    match &filter.component {
        Some(Named::Digest(digest)) => {
            only("component = ?", Value::Blob(digest.as_bytes().to_vec()))
        }
        Some(Named::Reference(name)) => only(
            "substr(reference, 1, length(?)) = ?
             AND substr(reference, length(?) + 1, 1) IN ('', ':', '@')",
            Value::Text(name.clone()),
        ),
        None => {}
    }
    filter.since.into_iter().for_each(|at| only("started >= ?", time(at)));
    filter.until.into_iter().for_each(|at| only("started < ?", time(at)));
    filter.ended_before.into_iter().for_each(|at| only("ended < ?", time(at)));
    filter.before.into_iter().for_each(|run| only("id < ?", Value::Blob(run.as_bytes().to_vec())));
    values.push(Value::Integer(i64::try_from(filter.limit).unwrap_or(i64::MAX)));
    sql.push_str(&format!(" ORDER BY id DESC LIMIT ?{}", values.len()));
    (sql, values)
}

/// Removes the rows of runs that have ended, all or none; tells which.
pub(crate) fn remove(connection: &mut Connection, runs: &[RunId]) -> Result<Vec<RunId>> {
    let mut work = || -> rusqlite::Result<Vec<RunId>> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut gone = Vec::new();
        for run in runs {
            let id = [run.as_bytes().as_slice()];
            let removed = transaction
                .prepare_cached("DELETE FROM runs WHERE id = ?1 AND state <> 'open'")?
                .execute(id)?;
            if removed == 1 {
                transaction.prepare_cached("DELETE FROM entries WHERE run = ?1")?.execute(id)?;
                transaction.prepare_cached("DELETE FROM letters WHERE run = ?1")?.execute(id)?;
                gone.push(*run);
            }
        }
        transaction.commit()?;
        Ok(gone)
    };
    work().map_err(|error| fault::sql("cannot remove runs", error))
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
        started: time(row, 4)?,
        ended: optional(row, 5, time)?,
        state: RunState::parse(&state)
            .filter(|state| state.stored() == *state)
            .ok_or_else(|| damaged(6, Type::Text, format!("`{state}` is no state of a run")))?,
        entries: unsigned(row, 7)?,
        head: digest(row, 8)?,
        fence: Fence(unsigned(row, 9)?),
        lease: optional(row, 10, |row, column| {
            Ok(Lease { host: HostId::new(row.get(column)?), until: time(row, 11)? })
        })?,
        waiting: optional(row, 12, |row, column| {
            let on: String = row.get(column)?;
            let on = WaitsOn::parse(&on).ok_or_else(|| {
                damaged(column, Type::Text, format!("`{on}` is nothing that a run waits for"))
            })?;
            Ok(Waiting { on, wake_at: optional(row, 13, time)? })
        })?,
        posted: unsigned(row, 14)?,
        taken: unsigned(row, 15)?,
    })
}

/// What `read` makes of a column, unless it is null.
fn optional<T>(
    row: &Row<'_>,
    column: usize,
    read: impl FnOnce(&Row<'_>, usize) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => read(row, column).map(Some),
    }
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    unsigned(row, column).map(Timestamp::from_unix_us)
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
