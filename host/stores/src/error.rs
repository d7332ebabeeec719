//! Why a store does not answer. Messages are told to components: addresses, paths and passwords are in none of them, only in
//! the causes, which are the operator's.

use longshore_ports::{KeyValueError, Unavailable};

/// The cause of an error.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error of a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be reached, was lost, or is busy.
    #[error("the store cannot be reached")]
    Unreachable(#[source] Cause),
    /// It is there, and turns us away.
    #[error("the store turns this host away")]
    TurnedAway(#[source] Cause),
    /// It has no room, or may only be read.
    #[error("the store is full, or may only be read")]
    Full(#[source] Cause),
    /// What it holds is damaged, or not ours.
    #[error("what the store holds is damaged, or another program's")]
    Foreign(#[source] Cause),
    /// Its address is not understood.
    #[error("the address of the store is not understood")]
    Address,
    /// The address is kept where secrets are, and is not there.
    #[error("the address of the store is not known: {}", .0.code)]
    NoAddress(Unavailable),
    /// Anything else that it cannot do.
    #[error("the store failed")]
    Failed(#[source] Cause),
}

impl Error {
    /// The stable code, with its section in `docs/errors.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "LS-STO-001",
            Self::TurnedAway(_) => "LS-STO-002",
            Self::Full(_) => "LS-STO-003",
            Self::Foreign(_) => "LS-STO-004",
            Self::Failed(_) => "LS-STO-005",
            Self::Address => "LS-STO-006",
            Self::NoAddress(_) => "LS-STO-007",
        }
    }
}

impl From<Error> for Unavailable {
    fn from(error: Error) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

/// Why an operation gave nothing: an answer, or none.
#[derive(Debug)]
pub(crate) enum Fault {
    /// What the port says, such as a quota.
    Told(KeyValueError),
    /// The store itself.
    Store(Error),
}

impl From<KeyValueError> for Fault {
    fn from(error: KeyValueError) -> Self {
        Self::Told(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for KeyValueError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Told(error) => error,
            Fault::Store(error) => {
                let cause = std::error::Error::source(&error);
                if let Error::NoAddress(why) = &error {
                    tracing::warn!(code = error.code(), %why, "{error}");
                }
                tracing::warn!(code = error.code(), cause, "{error}");
                Self::Unavailable(error.into())
            }
        }
    }
}
