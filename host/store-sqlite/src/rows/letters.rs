//! What the outside tells a run.

use longshore_journal::{Letter, MAX_PAGE_BYTES, Posted, Result};
use longshore_model::RunId;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::{SUMMARY, number, summary_of, time, unsigned};
use crate::fault;

/// Keeps a letter, unless it is there or is not accepted.
pub(crate) fn post(connection: &mut Connection, letter: &Letter) -> Result<u64> {
    let failed =
        |error| fault::sql(&format!("cannot keep a letter to run `{}`", letter.run), error);
    let id = letter.run.as_bytes().as_slice();
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let known = transaction
        .prepare_cached("SELECT seq FROM letters WHERE run = ?1 AND id = ?2")
        .and_then(|mut select| {
            select.query_row(params![id, letter.id], |row| unsigned(row, 0)).optional()
        })
        .map_err(failed)?;
    if let Some(seq) = known {
        return Ok(seq);
    }
    let row = transaction
        .prepare_cached(&format!("{SUMMARY} WHERE id = ?1"))
        .and_then(|mut select| select.query_row([id], summary_of).optional())
        .map_err(failed)?;
    if let Some(error) = letter.refusal(row.as_ref()) {
        return Err(error);
    }
    let seq = row.map_or(0, |row| row.posted);
    let keep = || -> rusqlite::Result<()> {
        transaction
            .prepare_cached(
                "INSERT INTO letters (run, seq, id, at, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                id,
                number(seq),
                letter.id,
                number(letter.at.unix_us()),
                letter.bytes.as_ref()
            ])?;
        transaction
            .prepare_cached("UPDATE runs SET posted = posted + 1 WHERE id = ?1")?
            .execute([id])
            .map(|_| ())
    };
    keep().map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(seq)
}

pub(crate) fn letters(connection: &Connection, run: RunId, max: usize) -> Result<Vec<Posted>> {
    let read = || {
        let mut select = connection.prepare_cached(
            "SELECT seq, id, at, bytes FROM letters
             WHERE run = ?1 AND bytes IS NOT NULL ORDER BY seq LIMIT ?2",
        )?;
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let mut rows = select.query(params![run.as_bytes(), max])?;
        let (mut letters, mut bytes) = (Vec::new(), 0);
        while bytes < MAX_PAGE_BYTES
            && let Some(row) = rows.next()?
        {
            let text: Vec<u8> = row.get(3)?;
            bytes += text.len();
            let letter = Letter { run, id: row.get(1)?, at: time(row, 2)?, bytes: text.into() };
            letters.push(Posted { seq: unsigned(row, 0)?, letter });
        }
        Ok(letters)
    };
    read().map_err(|error| fault::sql(&format!("cannot read the letters of run `{run}`"), error))
}

/// Lets go of the bytes of letters before `taken`, in the caller's transaction.
pub(super) fn settle(connection: &Connection, run: RunId, taken: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE letters SET bytes = NULL WHERE run = ?1 AND seq < ?2 AND bytes IS NOT NULL",
        )?
        .execute(params![run.as_bytes(), number(taken)])
        .map(|_| ())
}
