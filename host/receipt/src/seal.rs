//! Statement to envelope and back.

use longshore_reference::{Digest, canonical, media};
use longshore_trust::dsse::Envelope;
use longshore_trust::{PrivateKey, PublicKey};

use crate::Error;
use crate::statement::{PREDICATE_TYPE, Statement, subjects};

/// The most bytes that are read as a receipt.
pub const MAX_BYTES: usize = longshore_trust::dsse::MAX_BYTES;

/// A sealed receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The JSON of the DSSE envelope.
    pub bytes: Vec<u8>,
    /// The digest of the bytes: what the next receipt names as its previous one.
    pub digest: Digest,
}

/// Signs a statement as the host with `key`.
///
/// # Errors
///
/// [`Error::Seal`]; [`Error::Malformed`] when it would be larger than [`MAX_BYTES`].
pub fn seal(statement: &Statement, key: &PrivateKey) -> Result<Receipt, Error> {
    let payload = payload(statement)?;
    let envelope = Envelope::sign(key, media::IN_TOTO, payload, true).map_err(Error::Seal)?;
    let bytes = envelope.to_vec().map_err(Error::Seal)?;
    if bytes.len() > MAX_BYTES {
        return Err(Error::malformed("it is larger than 4 MiB"));
    }
    Ok(Receipt { digest: Digest::of(&bytes), bytes })
}

fn payload(statement: &Statement) -> Result<Vec<u8>, Error> {
    canonical::to_vec(statement).map_err(|source| Error::Malformed {
        reason: "the statement does not serialise",
        source: Some(source),
    })
}

/// The statement of a receipt, once `key` is shown to have sealed it. Strict: the payload must be
/// the canonical JSON of a receipt, with the subjects that its predicate gives.
///
/// # Errors
///
/// [`Error::Signature`], [`Error::OtherType`], [`Error::Malformed`].
pub fn verify(bytes: &[u8], key: &PublicKey) -> Result<Statement, Error> {
    #[derive(serde::Deserialize)]
    struct Head {
        #[serde(rename = "_type")]
        kind: String,
        #[serde(rename = "predicateType")]
        predicate_type: String,
    }

    let not_json = |source| Error::Malformed {
        reason: "what was signed is not a receipt's statement",
        source: Some(source),
    };
    let envelope = Envelope::parse(bytes).map_err(Error::Signature)?;
    let signed = envelope.verify(media::IN_TOTO, key).map_err(Error::Signature)?;
    let head: Head = serde_json::from_slice(signed).map_err(not_json)?;
    if head.kind != media::IN_TOTO_STATEMENT {
        return Err(Error::OtherType { found: cut(&head.kind) });
    }
    if head.predicate_type != PREDICATE_TYPE {
        return Err(Error::OtherType { found: cut(&head.predicate_type) });
    }
    let statement: Statement = serde_json::from_slice(signed).map_err(not_json)?;
    if payload(&statement)? != signed {
        return Err(Error::malformed("its statement is not in canonical form"));
    }
    if statement.subject != subjects(&statement.predicate) {
        return Err(Error::malformed("its subjects are not those of its predicate"));
    }
    Ok(statement)
}

fn cut(text: &str) -> String {
    text.chars().take(256).collect()
}
