//! From PostgreSQL's errors to the journal's. What the server says never holds the password.

use longshore_journal::{Error, StoreFault};
use tokio_postgres::error::SqlState;

/// Why something did not come about.
#[derive(Debug)]
pub(crate) enum Fail {
    /// The server, or the way to it.
    Server(tokio_postgres::Error),
    /// A row that cannot be, for example "`x` is no state of a run".
    Row(String),
    /// Anything that the journal has an error for.
    Journal(Error),
}

impl From<tokio_postgres::Error> for Fail {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::Journal(error)
    }
}

impl Fail {
    /// Whether it may go better when it is tried again at once, or once the server is back.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Server(error) => {
                class(error) == StoreFault::Unavailable
                    || error.code().is_some_and(|code| {
                        *code == SqlState::T_R_DEADLOCK_DETECTED
                            || *code == SqlState::T_R_SERIALIZATION_FAILURE
                    })
            }
            _ => false,
        }
    }

    /// Whether there is such a row already.
    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Server(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }

    /// Whether nobody knows if the server has done what it was asked.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self, Self::Server(error) if error.as_db_error().is_none() || class(error) == StoreFault::Unavailable)
    }

    /// The class of the failure.
    pub(crate) fn fault(&self) -> Option<StoreFault> {
        match self {
            Self::Server(error) => Some(class(error)),
            Self::Row(_) => Some(StoreFault::Corrupt),
            Self::Journal(Error::Store { fault, .. }) => Some(*fault),
            Self::Journal(_) => None,
        }
    }

    /// The error of doing `what` (a phrase such as "cannot append to the journal").
    pub(crate) fn because(self, what: &str) -> Error {
        match self {
            Self::Server(error) if is_untrusted(&error) => {
                let message = format!("{what}: the certificate of its server is not trusted");
                Error::store_because(StoreFault::Denied, message, error)
            }
            Self::Server(error) => Error::store_because(class(&error), what, error),
            Self::Row(row) => {
                Error::store_because(StoreFault::Corrupt, what, std::io::Error::other(row))
            }
            Self::Journal(error) => error,
        }
    }
}

fn class(error: &tokio_postgres::Error) -> StoreFault {
    let Some(code) = error.code() else {
        return without_code(error);
    };
    if [SqlState::DISK_FULL, SqlState::OUT_OF_MEMORY].contains(code) {
        return StoreFault::Full;
    }
    if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return StoreFault::ReadOnly;
    }
    if *code == SqlState::LOCK_NOT_AVAILABLE {
        return StoreFault::Locked;
    }
    if [SqlState::INVALID_CATALOG_NAME, SqlState::INSUFFICIENT_PRIVILEGE].contains(code) {
        return StoreFault::Denied;
    }
    if *code == SqlState::QUERY_CANCELED {
        return StoreFault::Unavailable;
    }
    match code.code().get(..2) {
        // Class 28: invalid authorization specification.
        Some("28") => StoreFault::Denied,
        // Connection exceptions, insufficient resources, operator intervention.
        Some("08" | "53" | "57") => StoreFault::Unavailable,
        // Integrity constraints, and data that is corrupted.
        Some("22" | "23" | "XX") => StoreFault::Corrupt,
        _ => StoreFault::Io,
    }
}

/// The driver's own errors: a lost connection, or a row that is not what it must be.
fn without_code(error: &tokio_postgres::Error) -> StoreFault {
    if is_untrusted(error) {
        return StoreFault::Denied;
    }
    let said = error.to_string();
    if said.contains("deserializing column") || said.contains("invalid column") {
        return StoreFault::Corrupt;
    }
    // No password was given, or no way to say it is left: asking again changes nothing.
    if said.contains("invalid configuration") || said.contains("authentication") {
        return StoreFault::Denied;
    }
    StoreFault::Unavailable
}

/// Whether the server's certificate was not accepted.
fn is_untrusted(error: &tokio_postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        // An error of a stream carries the cause inside, not as its source.
        let inside = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if inner.is::<rustls::Error>() || inside.is_some_and(|inside| inside.is::<rustls::Error>())
        {
            return true;
        }
        cause = inner.source();
    }
    false
}
