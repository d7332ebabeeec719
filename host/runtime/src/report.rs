//! What a run leaves behind.

use std::fmt;

use longshore_engine::Uses;
use longshore_model::{Outcome, RunId, Usage};
use longshore_reference::Digest;

/// A run that ended: its outcome and its receipt.
#[derive(Clone, PartialEq)]
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
    /// What its components used of their grants; nothing of it is journaled.
    pub uses: Uses,
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("run", &self.run)
            .field("outcome", &self.outcome)
            .field("receipt", &self.receipt_digest)
            .finish_non_exhaustive()
    }
}
