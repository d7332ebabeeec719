//! What the outside tells a run.

use longshore_journal::{Letter, MAX_LETTERS, MAX_PAGE_BYTES, Posted};
use longshore_model::RunId;

use super::{count, fixed, id, number, time, unsigned};
use crate::fault::Fail;
use crate::session::{CHANNEL, Session};

/// Keeps a letter, unless it is there or is not accepted. The run's row is locked by counting the
/// letter, so that two senders come one after the other.
pub(crate) async fn post(session: &Session, letter: &Letter) -> Result<u64, Fail> {
    if let Some(seq) = known(session, letter).await? {
        return Ok(seq);
    }
    // Too large is too large, whatever the run.
    let fits = letter.refusal(super::summary(session, letter.run).await?.as_ref());
    if let Some(error) = fits {
        return Err(error.into());
    }
    let kept = session
        .query_opt(
            "WITH counted AS (
                 UPDATE longshore.runs SET posted = posted + 1
                 WHERE id = $1 AND state = 'open' AND posted - taken < $5 RETURNING posted - 1 AS seq
             ), kept AS (
                 INSERT INTO longshore.letters (run, seq, id, at, bytes)
                 SELECT $1, seq, $2, $3, $4 FROM counted RETURNING seq
             ) SELECT seq, pg_notify($6, encode($1, 'hex'))::text FROM kept",
            &[
                &id(&letter.run),
                &letter.id.as_slice(),
                &number(letter.at.unix_us()),
                &letter.bytes.as_ref(),
                &number(MAX_LETTERS),
                &CHANNEL,
            ],
        )
        .await;
    match kept {
        Ok(Some(row)) => return unsigned(&row, 0),
        // The same letter was kept meanwhile.
        Err(fail) if fail.is_duplicate() => {
            return known(session, letter).await?.ok_or(fail);
        }
        Err(fail) => return Err(fail),
        Ok(None) => {}
    }
    // The run changed since it was looked at.
    let row = super::summary(session, letter.run).await?;
    Err(letter.refusal(row.as_ref()).map_or_else(
        || Fail::Row("the run took the letter and did not keep it".to_owned()),
        Fail::from,
    ))
}

/// The place of a letter that was handed in before.
async fn known(session: &Session, letter: &Letter) -> Result<Option<u64>, Fail> {
    let sql = "SELECT seq FROM longshore.letters WHERE run = $1 AND id = $2";
    let row = session.query_opt(sql, &[&id(&letter.run), &letter.id.as_slice()]).await?;
    row.map(|row| unsigned(&row, 0)).transpose()
}

pub(crate) async fn letters(
    session: &Session,
    run: RunId,
    max: usize,
) -> Result<Vec<Posted>, Fail> {
    let rows = session
        .query(
            "SELECT seq, id, at, bytes FROM (
                 SELECT seq, id, at, bytes, sum(octet_length(bytes)) OVER (ORDER BY seq)
                     - octet_length(bytes) AS before
                 FROM (SELECT * FROM longshore.letters WHERE run = $1 AND bytes IS NOT NULL
                       ORDER BY seq LIMIT $2) AS page
             ) AS sized WHERE before < $3 ORDER BY seq",
            &[&id(&run), &count(max), &count(MAX_PAGE_BYTES)],
        )
        .await?;
    let posted = rows.iter().map(|row| {
        let bytes: Vec<u8> = row.try_get(3)?;
        let letter =
            Letter { run, id: fixed(row.try_get(1)?)?, at: time(row, 2)?, bytes: bytes.into() };
        Ok(Posted { seq: unsigned(row, 0)?, letter })
    });
    posted.collect()
}
