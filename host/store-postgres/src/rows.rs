//! What is read. One function per need, each one statement.

mod leases;
mod letters;

use std::fmt::Write as _;

use longshore_journal::{
    Fence, HostId, Lease, MAX_PAGE_BYTES, Named, Record, RunFilter, RunState, RunSummary,
    SealedReceipt, StoredReceipt, Waiting, WaitsOn,
};
use longshore_model::{RunId, Timestamp};
use longshore_reference::Digest;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql};

pub(crate) use self::leases::{claim, claimable, due, renew};
pub(crate) use self::letters::{letters, post};
use crate::fault::Fail;
use crate::session::Session;

/// The columns that [`summary_of`] reads.
macro_rules! columns {
    () => {
        "r.id, r.component, r.reference, r.function, r.started, r.ended, r.state, r.entries, \
         r.head, r.fence, r.host, r.held_until, r.waits_on, r.wake_at, r.posted, r.taken"
    };
}
pub(crate) use columns;

pub(crate) async fn load(
    session: &Session,
    run: RunId,
    from: u64,
    max: usize,
) -> Result<Vec<Record>, Fail> {
    let rows = session
        .query(
            "SELECT seq, at, bytes, hash FROM (
                 SELECT seq, at, bytes, hash, sum(octet_length(bytes)) OVER (ORDER BY seq)
                     - octet_length(bytes) AS before
                 FROM (SELECT * FROM longshore.entries WHERE run = $1 AND seq >= $2
                       ORDER BY seq LIMIT $3) AS page
             ) AS sized WHERE before < $4 ORDER BY seq",
            &[&id(&run), &number(from), &count(max), &count(MAX_PAGE_BYTES)],
        )
        .await?;
    rows.iter().map(record_of).collect()
}

pub(crate) async fn summary(session: &Session, run: RunId) -> Result<Option<RunSummary>, Fail> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM longshore.runs r WHERE id = $1");
    session.query_opt(SQL, &[&id(&run)]).await?.as_ref().map(summary_of).transpose()
}

pub(crate) async fn runs(session: &Session, filter: &RunFilter) -> Result<Vec<RunSummary>, Fail> {
    let (sql, values) = listing(filter);
    let values: Vec<&(dyn ToSql + Sync)> =
        values.iter().map(|value| value.as_ref() as &(dyn ToSql + Sync)).collect();
    session.client().query(&sql, &values).await?.iter().map(summary_of).collect()
}

type Value = Box<dyn ToSql + Send + Sync>;

/// The statement of a filter: [`RunFilter::admits`] in SQL.
fn listing(filter: &RunFilter) -> (String, Vec<Value>) {
    let time = |at: Timestamp| Box::new(number(at.unix_us())) as Value;
    let mut sql = concat!("SELECT ", columns!(), " FROM longshore.runs r WHERE true").to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut only = |condition: &str, value: Value| {
        values.push(value);
        sql.push_str(" AND ");
        sql.push_str(&condition.replace('?', &format!("${}", values.len())));
    };
    if let Some(state) = filter.state {
        only("state = ?", Box::new(state.stored().as_str()));
    }
    match &filter.component {
        Some(Named::Digest(digest)) => only("component = ?", Box::new(digest.as_bytes().to_vec())),
        Some(Named::Reference(name)) => only(
            "starts_with(reference, ?::text)
             AND substr(reference, length(?::text) + 1, 1) IN ('', ':', '@')",
            Box::new(name.clone()),
        ),
        None => {}
    }
    filter.since.into_iter().for_each(|at| only("started >= ?", time(at)));
    filter.until.into_iter().for_each(|at| only("started < ?", time(at)));
    filter.ended_before.into_iter().for_each(|at| only("ended < ?", time(at)));
    filter.before.into_iter().for_each(|run| only("id < ?", Box::new(run.as_bytes().to_vec())));
    values.push(Box::new(count(filter.limit)));
    // Writing to a string does not fail.
    let _ = write!(sql, " ORDER BY id DESC LIMIT ${}", values.len());
    (sql, values)
}

/// Removes the rows of runs that have ended; tells which.
pub(crate) async fn remove(session: &Session, runs: &[RunId]) -> Result<Vec<RunId>, Fail> {
    let ids: Vec<&[u8]> = runs.iter().map(|run| run.as_bytes().as_slice()).collect();
    let rows = session
        .query(
            "WITH gone AS (
                 DELETE FROM longshore.runs WHERE id = ANY ($1) AND state <> 'open' RETURNING id
             ), entries AS (
                 DELETE FROM longshore.entries e USING gone WHERE e.run = gone.id
             ), letters AS (
                 DELETE FROM longshore.letters l USING gone WHERE l.run = gone.id
             ) SELECT id FROM gone ORDER BY id",
            &[&ids],
        )
        .await?;
    rows.iter().map(|row| run_id(row, 0)).collect()
}

pub(crate) async fn receipt(session: &Session, run: RunId) -> Result<Option<StoredReceipt>, Fail> {
    let sql =
        "SELECT position, run, previous, digest, bytes FROM longshore.receipts WHERE run = $1";
    session.query_opt(sql, &[&id(&run)]).await?.as_ref().map(receipt_of).transpose()
}

pub(crate) async fn receipts(
    session: &Session,
    position: u64,
    max: usize,
) -> Result<Vec<StoredReceipt>, Fail> {
    let rows = session
        .query(
            "SELECT position, run, previous, digest, bytes FROM longshore.receipts
             WHERE position >= $1 ORDER BY position LIMIT $2",
            &[&number(position), &count(max)],
        )
        .await?;
    rows.iter().map(receipt_of).collect()
}

fn record_of(row: &Row) -> Result<Record, Fail> {
    Ok(Record {
        seq: unsigned(row, 0)?,
        at: time(row, 1)?,
        bytes: row.try_get::<_, Vec<u8>>(2)?.into(),
        hash: digest(row, 3)?,
    })
}

pub(crate) fn summary_of(row: &Row) -> Result<RunSummary, Fail> {
    let state: &str = row.try_get(6)?;
    Ok(RunSummary {
        run: run_id(row, 0)?,
        component: digest(row, 1)?,
        reference: row.try_get(2)?,
        function: row.try_get(3)?,
        started: time(row, 4)?,
        ended: optional(row, 5)?.map(at).transpose()?,
        state: RunState::parse(state)
            .filter(|state| state.stored() == *state)
            .ok_or_else(|| Fail::Row(format!("`{state}` is no state of a run")))?,
        entries: unsigned(row, 7)?,
        head: digest(row, 8)?,
        fence: Fence(unsigned(row, 9)?),
        lease: match optional::<&[u8]>(row, 10)? {
            None => None,
            Some(host) => Some(Lease { host: HostId::new(fixed(host)?), until: time(row, 11)? }),
        },
        waiting: match optional::<&str>(row, 12)? {
            None => None,
            Some(on) => {
                let unknown = || Fail::Row(format!("`{on}` is nothing that a run waits for"));
                let on = WaitsOn::parse(on).ok_or_else(unknown)?;
                Some(Waiting { on, wake_at: optional(row, 13)?.map(at).transpose()? })
            }
        },
        posted: unsigned(row, 14)?,
        taken: unsigned(row, 15)?,
    })
}

fn receipt_of(row: &Row) -> Result<StoredReceipt, Fail> {
    let previous = match optional::<&[u8]>(row, 2)? {
        None => None,
        Some(previous) => Some(Digest::from_bytes(fixed(previous)?)),
    };
    Ok(StoredReceipt {
        position: unsigned(row, 0)?,
        run: run_id(row, 1)?,
        previous,
        receipt: SealedReceipt { digest: digest(row, 3)?, bytes: row.try_get(4)? },
    })
}

/// PostgreSQL's integers are signed. Nothing of ours comes near the end of them; what does is held
/// at the end.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn id(run: &RunId) -> &[u8] {
    run.as_bytes().as_slice()
}

fn at(value: i64) -> Result<Timestamp, Fail> {
    u64::try_from(value)
        .map(Timestamp::from_unix_us)
        .map_err(|_| Fail::Row(format!("`{value}` is negative")))
}

pub(crate) fn time(row: &Row, column: usize) -> Result<Timestamp, Fail> {
    at(row.try_get(column)?)
}

pub(crate) fn unsigned(row: &Row, column: usize) -> Result<u64, Fail> {
    time(row, column).map(Timestamp::unix_us)
}

fn optional<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Result<Option<T>, Fail> {
    Ok(row.try_get(column)?)
}

pub(crate) fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Fail> {
    bytes.try_into().map_err(|_| Fail::Row(format!("{} bytes stand for {N}", bytes.len())))
}

pub(crate) fn digest(row: &Row, column: usize) -> Result<Digest, Fail> {
    fixed(row.try_get(column)?).map(Digest::from_bytes)
}

pub(crate) fn run_id(row: &Row, column: usize) -> Result<RunId, Fail> {
    fixed(row.try_get(column)?).map(RunId::from_bytes)
}
