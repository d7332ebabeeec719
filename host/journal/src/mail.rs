//! What the outside tells a run: letters, kept until the run takes them into its history.
//!
//! A letter is accepted whether or not the run waits for it, and the acknowledged are kept. The run
//! takes letters in their order, in the same step that records them ([`Append::taken`]): under the
//! fence, so that each reaches the history once.
//!
//! [`Append::taken`]: crate::Append::taken

use bytes::Bytes;
use longshore_model::{RunId, Timestamp};

use crate::{Error, RunState, RunSummary};

/// The largest letter, in bytes.
pub const MAX_LETTER_BYTES: usize = 1 << 20;

/// How many letters of one run may wait.
pub const MAX_LETTERS: u64 = 1_024;

/// A letter, as it is handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The run it is for.
    pub run: RunId,
    /// Told apart by its sender: the same letter handed in twice is kept once.
    pub id: [u8; 16],
    /// When it was handed in.
    pub at: Timestamp,
    /// What it says; a store does not care.
    pub bytes: Bytes,
}

/// A letter, as it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Its place among the run's letters, from 0.
    pub seq: u64,
    /// The letter.
    pub letter: Letter,
}

impl Letter {
    /// Why the letter is not accepted by a run with this row; none when it is. The row is `None`
    /// when there is no such run.
    #[must_use]
    pub fn refusal(&self, row: Option<&RunSummary>) -> Option<Error> {
        let run = self.run;
        if self.bytes.len() > MAX_LETTER_BYTES {
            let (bytes, limit) = (self.bytes.len() as u64, MAX_LETTER_BYTES as u64);
            return Some(Error::LetterTooLarge { run, bytes, limit });
        }
        match row {
            None => Some(Error::NotFound(run)),
            Some(row) if row.state.stored() != RunState::Open => Some(Error::RunClosed(run)),
            Some(row) if row.posted.saturating_sub(row.taken) >= MAX_LETTERS => {
                Some(Error::MailboxFull { run, limit: MAX_LETTERS })
            }
            Some(_) => None,
        }
    }
}
