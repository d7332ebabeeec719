//! What a run leaves behind.

use longshore_model::{Outcome, RunId, Usage};
use longshore_reference::Digest;

/// A run that ended: its outcome and its receipt.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// The hash of the journal's last entry.
    pub journal: Digest,
    /// The sealed receipt: a DSSE envelope.
    pub receipt: Vec<u8>,
    /// The receipt's digest, by which the next one names it.
    pub receipt_digest: Digest,
}
