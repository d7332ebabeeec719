//! Opening the file: made for its owner only, in WAL mode, with tables that are ours; and what its errors mean.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::{Error, Fault};

/// How long another process that writes is waited for.
const BUSY: Duration = Duration::from_secs(5);
/// SQLite's mark of whose file it is: `LSKV`.
const APPLICATION: i64 = 0x4c53_4b56;
/// What turns version n into version n + 1. One that was released is never changed.
const MIGRATIONS: &[&str] = &[include_str!("schema/001.sql")];

pub(super) fn open(path: &Path) -> Result<Connection, Fault> {
    create(path).map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::ReadOnlyFilesystem => Error::Full(error.into()),
        io::ErrorKind::PermissionDenied => Error::TurnedAway(error.into()),
        _ => Error::Failed(error.into()),
    })?;
    // One task at a time has the connection: SQLite's own locks would be paid for nothing.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // A damaged or hostile file gets no further than its tables.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    prepare(&mut connection)?;
    // What a component was told is written is on disk.
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(connection)
}

/// Makes the folder and the file, so that nobody else can read them. SQLite gives its log the mode of the file.
fn create(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new();
    file.write(true).create_new(true);
    let mut folder = DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    {
        std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    }
    let made = match file.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            folder.create(path.parent().unwrap_or(path))?;
            file.open(path)
        }
        other => other,
    };
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(drop),
    }
}

/// Checks that the file is ours and brings it to the newest version.
fn prepare(connection: &mut Connection) -> Result<(), Fault> {
    let known = signed(MIGRATIONS.len());
    if marks(connection)? == (APPLICATION, known) {
        return Ok(());
    }
    // Cannot be changed within a transaction.
    if marks(connection)?.0 == 0 {
        connection.pragma_update(None, "journal_mode", "wal")?;
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been here first.
    let (application, version) = marks(&transaction)?;
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && (application != 0 || tables != 0) {
        return Err(Error::Foreign("the file is the database of another program".into()).into());
    }
    if version > known {
        let message = format!("the file has schema {version}, this Longshore knows {known}");
        return Err(Error::Foreign(message.into()).into());
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.commit()?;
    Ok(())
}

/// Whose file it is, and its version.
fn marks(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let mark = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((mark("application_id")?, mark("user_version")?))
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let class = match &error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull | ErrorCode::ReadOnly => Error::Full,
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Unreachable,
                ErrorCode::PermissionDenied | ErrorCode::CannotOpen => Error::TurnedAway,
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation => Error::Foreign,
                _ => Error::Failed,
            },
            // A column of the wrong type, a row that must be there and is not.
            _ => Error::Foreign,
        };
        Self::Store(class(error.into()))
    }
}
