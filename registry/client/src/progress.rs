//! Progress of transfers, for whoever draws it. Prints nothing.

use longshore_reference::Digest;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the registry.
    Pull,
    /// To the registry.
    Push,
}

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Which way.
    pub direction: Direction,
    /// Of which blob.
    pub digest: Digest,
    /// Bytes so far. Smaller than before when a transfer starts again.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Something that is told of progress; any `Fn(&Transfer)` is one.
pub trait Progress: Send + Sync {
    /// Called at the start, with each piece and at the end; must be quick.
    fn report(&self, transfer: &Transfer);
}

impl<F: Fn(&Transfer) + Send + Sync> Progress for F {
    fn report(&self, transfer: &Transfer) {
        self(transfer);
    }
}
