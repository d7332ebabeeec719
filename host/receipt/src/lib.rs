//! Receipts: what a run did, computed from its journal's entries and nothing else, sealed so that
//! anyone with the host's public key can check it offline. No I/O, no clock, no store.
//!
//! A receipt is a DSSE envelope around an in-toto statement in canonical JSON. Its predicate type
//! is [`PREDICATE_TYPE`]; its subjects are the components that ran, the root first. Inputs and
//! outputs are in it as digests, never as they are. The hash of the journal's last entry stands for
//! every entry, so that no entry can change without changing the receipt; each receipt names the
//! digest of the one before it on its host.

mod error;
mod seal;
mod statement;

pub use error::Error;
pub use seal::{MAX_BYTES, Receipt, seal, verify};
pub use statement::{
    Content, Counts, FaultRecord, JournalRecord, Moment, OutcomeRecord, PREDICATE_TYPE, Predicate,
    Statement, Subject, SubjectDigest, statement_from,
};
