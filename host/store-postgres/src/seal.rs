//! The chain of receipts: the last one is read, the next one made and kept while no other host can
//! come between.

use longshore_journal::{Error, SealedReceipt, Sealer, StoreFault, StoredReceipt};
use longshore_model::RunId;
use longshore_reference::Digest;

use crate::fault::Fail;
use crate::rows::{self, digest, id, number, unsigned};
use crate::session::Session;

/// A receipt, before and after it was made. It can be made once only, and the attempt to keep it may
/// be repeated.
pub(crate) enum Sealed {
    Not(Sealer),
    Made { previous: Option<Digest>, receipt: SealedReceipt },
    Spent,
}

/// One attempt. After a failure the session must not be used again: its transaction is still open.
pub(crate) async fn seal(
    session: &Session,
    run: RunId,
    sealed: &mut Sealed,
) -> Result<StoredReceipt, Fail> {
    // Readers go on; others who seal wait here. The lock goes with the transaction.
    session
        .client()
        .batch_execute("BEGIN; LOCK TABLE longshore.receipts IN SHARE ROW EXCLUSIVE MODE")
        .await?;
    let result = keep(session, run, sealed).await;
    let end = if matches!(result, Ok(Kept::New(_))) { "COMMIT" } else { "ROLLBACK" };
    session.client().batch_execute(end).await?;
    match result? {
        Kept::New(stored) | Kept::Before(stored) => Ok(stored),
    }
}

enum Kept {
    New(StoredReceipt),
    /// By an attempt whose answer was lost.
    Before(StoredReceipt),
}

async fn keep(session: &Session, run: RunId, sealed: &mut Sealed) -> Result<Kept, Fail> {
    let open: Option<bool> = session
        .query_opt("SELECT state = 'open' FROM longshore.runs WHERE id = $1", &[&id(&run)])
        .await?
        .map(|row| row.try_get(0))
        .transpose()?;
    let open = open.ok_or(Error::NotFound(run))?;
    if let Some(stored) = rows::receipt(session, run).await? {
        return match sealed {
            Sealed::Made { receipt, .. } if receipt.digest == stored.receipt.digest => {
                Ok(Kept::Before(stored))
            }
            _ => Err(Error::AlreadySealed(run).into()),
        };
    }
    if open {
        return Err(Error::StillOpen(run).into());
    }
    let sql = "SELECT position, digest FROM longshore.receipts ORDER BY position DESC LIMIT 1";
    let last = session.query_opt(sql, &[]).await?;
    let (position, previous) = match &last {
        Some(row) => (unsigned(row, 0)? + 1, Some(digest(row, 1)?)),
        None => (0, None),
    };
    let receipt = made(run, previous, sealed)?;
    session
        .query(
            "INSERT INTO longshore.receipts (position, run, previous, digest, bytes)
             VALUES ($1, $2, $3, $4, $5)",
            &[
                &number(position),
                &id(&run),
                &previous.as_ref().map(|digest| digest.as_bytes().as_slice()),
                &receipt.digest.as_bytes().as_slice(),
                &receipt.bytes,
            ],
        )
        .await?;
    Ok(Kept::New(StoredReceipt { position, run, previous, receipt }))
}

/// The receipt, made now or before. One that was made after another receipt than the one that is
/// last now cannot be used.
fn made(run: RunId, previous: Option<Digest>, sealed: &mut Sealed) -> Result<SealedReceipt, Fail> {
    match std::mem::replace(sealed, Sealed::Spent) {
        Sealed::Not(sealer) => {
            let receipt =
                sealer(previous).map_err(|source| Error::Seal { run, source: source.into() })?;
            *sealed = Sealed::Made { previous, receipt: receipt.clone() };
            Ok(receipt)
        }
        Sealed::Made { previous: before, receipt } if before == previous => {
            *sealed = Sealed::Made { previous, receipt: receipt.clone() };
            Ok(receipt)
        }
        _ => {
            let message = "the receipt was not kept before the server went away; seal it again";
            Err(Error::store(StoreFault::Unavailable, message).into())
        }
    }
}
