//! Who holds which run. What may be taken stands in the column `due`; a row that another host is
//! changing is passed over, not waited for.

use longshore_journal::{Claim, Fence, RunSummary};
use longshore_model::{RunId, Timestamp};

use super::{columns, count, id, number, run_id, summary_of, time, unsigned};
use crate::fault::Fail;
use crate::session::Session;

pub(crate) async fn claimable(
    session: &Session,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<RunSummary>, Fail> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM longshore.runs r WHERE due <= $1 ORDER BY due, id LIMIT $2"
    );
    let rows = session.query(SQL, &[&number(now.unix_us()), &count(limit)]).await?;
    rows.iter().map(summary_of).collect()
}

/// Takes the runs that a condition on `$3` and `$4` finds. What they were due by comes last, so that
/// those due longest can be put first again.
macro_rules! take {
    ($condition:literal) => {
        concat!(
            "WITH wanted AS (
                 SELECT id, due FROM longshore.runs WHERE ",
            $condition,
            " FOR UPDATE SKIP LOCKED
             ) UPDATE longshore.runs r SET fence = r.fence + 1, host = $1, held_until = $2,
                   waits_on = NULL, wake_at = NULL
               FROM wanted WHERE r.id = wanted.id RETURNING ",
            columns!(),
            ", coalesce(wanted.due, 0)"
        )
    };
}

pub(crate) async fn claim(session: &Session, claim: &Claim) -> Result<Vec<RunSummary>, Fail> {
    const DUE: &str = take!("due <= $3 ORDER BY due, id LIMIT $4");
    const NAMED: &str = take!("id = $4 AND state = 'open' AND coalesce(held_until, 0) <= $3");
    let host = claim.lease.host.as_bytes().as_slice();
    let (until, now) = (number(claim.lease.until.unix_us()), number(claim.now.unix_us()));
    let rows = match claim.only {
        Some(run) => session.query(NAMED, &[&host, &until, &now, &id(&run)]).await?,
        None => session.query(DUE, &[&host, &until, &now, &count(claim.limit)]).await?,
    };
    let taken = rows.iter().map(|row| Ok((unsigned(row, 16)?, summary_of(row)?)));
    let mut taken = taken.collect::<Result<Vec<_>, Fail>>()?;
    taken.sort_by_key(|(due, row)| (*due, row.run));
    Ok(taken.into_iter().map(|(_, row)| row).collect())
}

pub(crate) async fn renew(
    session: &Session,
    held: &[(RunId, Fence)],
    until: Timestamp,
) -> Result<Vec<RunId>, Fail> {
    let ids: Vec<&[u8]> = held.iter().map(|(run, _)| run.as_bytes().as_slice()).collect();
    let fences: Vec<i64> = held.iter().map(|(_, fence)| number(fence.0)).collect();
    let rows = session
        .query(
            "UPDATE longshore.runs r SET held_until = greatest(r.held_until, $3)
             FROM unnest($1::bytea[], $2::bigint[]) AS held (id, fence)
             WHERE r.id = held.id AND r.fence = held.fence AND r.host IS NOT NULL
             RETURNING r.id",
            &[&ids, &fences, &number(until.unix_us())],
        )
        .await?;
    rows.iter().map(|row| run_id(row, 0)).collect()
}

pub(crate) async fn due(session: &Session) -> Result<Option<Timestamp>, Fail> {
    let sql = "SELECT due FROM longshore.runs WHERE due IS NOT NULL ORDER BY due, id LIMIT 1";
    session.query_opt(sql, &[]).await?.map(|row| time(&row, 0)).transpose()
}
