//! From SQLite's and the system's errors to the journal's.

use std::io;
use std::path::Path;

use longshore_journal::{Error, StoreFault};
use rusqlite::ErrorCode;

/// The error of doing `what` (a phrase such as "cannot append to the journal").
pub(crate) fn sql(what: &str, error: rusqlite::Error) -> Error {
    Error::store_because(class(&error), what, error)
}

fn class(error: &rusqlite::Error) -> StoreFault {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        // A column of the wrong type or length, a row that must be there and is not.
        return StoreFault::Corrupt;
    };
    match failure.code {
        ErrorCode::DiskFull => StoreFault::Full,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreFault::ReadOnly,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreFault::Locked,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation => {
            StoreFault::Corrupt
        }
        ErrorCode::CannotOpen => StoreFault::Unopenable,
        _ => StoreFault::Io,
    }
}

/// The error of doing `what` to the file or folder at `path`.
pub(crate) fn file(what: &str, path: &Path, error: io::Error) -> Error {
    let fault = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreFault::Full,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreFault::ReadOnly,
        _ => StoreFault::Unopenable,
    };
    Error::store_because(fault, format!("{what} `{}`", path.display()), error)
}
