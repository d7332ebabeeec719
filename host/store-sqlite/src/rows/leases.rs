//! Who holds which run. What may be taken stands in the column `due`.

use longshore_journal::{Claim, Fence, Result, RunSummary};
use longshore_model::{RunId, Timestamp};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::{SUMMARY, number, run_id, summary_of, unsigned};
use crate::fault;

pub(crate) fn claimable(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<RunSummary>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&format!("{SUMMARY} WHERE due <= ?1 ORDER BY due, id LIMIT ?2"))
        .and_then(|mut select| {
            select.query_map([number(now.unix_us()), limit], summary_of)?.collect()
        })
        .map_err(|error| fault::sql("cannot look for runs to take", error))
}

/// Takes runs in one transaction that excludes every other writer.
pub(crate) fn claim(connection: &mut Connection, claim: &Claim) -> Result<Vec<RunSummary>> {
    let now = number(claim.now.unix_us());
    let mut work = || -> rusqlite::Result<Vec<RunSummary>> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let wanted: Vec<RunId> = match claim.only {
            Some(run) => transaction
                .prepare_cached(
                    "SELECT id FROM runs
                     WHERE id = ?1 AND state = 'open' AND coalesce(held_until, 0) <= ?2",
                )?
                .query_map(params![run.as_bytes(), now], |row| run_id(row, 0))?
                .collect::<rusqlite::Result<_>>()?,
            None => transaction
                .prepare_cached("SELECT id FROM runs WHERE due <= ?1 ORDER BY due, id LIMIT ?2")?
                .query_map(params![now, i64::try_from(claim.limit).unwrap_or(i64::MAX)], |row| {
                    run_id(row, 0)
                })?
                .collect::<rusqlite::Result<_>>()?,
        };
        let mut taken = Vec::with_capacity(wanted.len());
        for run in wanted {
            let id = run.as_bytes();
            let until = number(claim.lease.until.unix_us());
            transaction
                .prepare_cached(
                    "UPDATE runs SET fence = fence + 1, host = ?2, held_until = ?3,
                         waits_on = NULL, wake_at = NULL WHERE id = ?1",
                )?
                .execute(params![id, claim.lease.host.as_bytes(), until])?;
            let mut row = transaction.prepare_cached(&format!("{SUMMARY} WHERE id = ?1"))?;
            taken.push(row.query_row([id.as_slice()], summary_of)?);
        }
        transaction.commit()?;
        Ok(taken)
    };
    work().map_err(|error| fault::sql("cannot take runs", error))
}

pub(crate) fn renew(
    connection: &mut Connection,
    held: &[(RunId, Fence)],
    until: Timestamp,
) -> Result<Vec<RunId>> {
    let mut work = || -> rusqlite::Result<Vec<RunId>> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut renewed = Vec::new();
        for (run, fence) in held {
            let prolonged = transaction
                .prepare_cached(
                    "UPDATE runs SET held_until = max(held_until, ?3)
                     WHERE id = ?1 AND fence = ?2 AND host IS NOT NULL",
                )?
                .execute(params![run.as_bytes(), number(fence.0), number(until.unix_us())])?;
            if prolonged == 1 {
                renewed.push(*run);
            }
        }
        transaction.commit()?;
        Ok(renewed)
    };
    work().map_err(|error| fault::sql("cannot prolong the leases of runs", error))
}

pub(crate) fn due(connection: &Connection) -> Result<Option<Timestamp>> {
    connection
        .prepare_cached("SELECT due FROM runs WHERE due IS NOT NULL ORDER BY due LIMIT 1")
        .and_then(|mut select| select.query_row([], |row| unsigned(row, 0)).optional())
        .map(|due| due.map(Timestamp::from_unix_us))
        .map_err(|error| fault::sql("cannot look for runs that are due", error))
}
