//! Opening the file: made for its owner only, in WAL mode, with a schema that is ours.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use longshore_journal::Result;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::{Options, fault, schema};

/// Statements kept compiled.
const CACHED_STATEMENTS: usize = 32;

/// Opens the file, and makes or migrates it where needed.
pub(crate) fn open(options: &Options) -> Result<Connection> {
    let path = &options.path;
    create(path)?;
    let failed =
        |error| fault::sql(&format!("cannot open the journal `{}`", path.display()), error);
    // One thread has the connection: SQLite's own locks would be paid for nothing.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(options.busy).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // The last process to leave would otherwise move the whole log into the file, and its user
    // would wait for it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    // A damaged or hostile file gets no further than its tables.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(failed)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).map_err(failed)?;
    schema::prepare(&mut connection, path)?;
    // `NORMAL` syncs at checkpoints only; whatever must be on disk sooner is synced by the worker.
    // It also checkpoints, after it has answered.
    connection
        .execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;")
        .map_err(failed)?;
    if let Some(pages) = options.max_pages {
        connection.pragma_update(None, "max_page_count", pages).map_err(failed)?;
    }
    Ok(connection)
}

/// Makes the folder and the file, so that nobody else can read them. SQLite gives its log the mode
/// of the file.
fn create(path: &Path) -> Result<()> {
    let mut file = OpenOptions::new();
    file.write(true).create_new(true);
    owner_only_file(&mut file);
    let created = match file.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = folder_of(path);
            let mut builder = DirBuilder::new();
            builder.recursive(true);
            owner_only_folder(&mut builder);
            builder
                .create(&folder)
                .map_err(|error| fault::file("cannot make the folder", &folder, error))?;
            file.open(path)
        }
        other => other,
    };
    match created {
        Ok(_) => sync_folder(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(fault::file("cannot make the journal", path, error)),
    }
}

#[cfg(unix)]
fn owner_only_file(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(unix)]
fn owner_only_folder(builder: &mut DirBuilder) {
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700);
}

// Elsewhere, folders of a user are private by inheritance.
#[cfg(not(unix))]
fn owner_only_file(_: &mut OpenOptions) {}

#[cfg(not(unix))]
fn owner_only_folder(_: &mut DirBuilder) {}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    if cfg!(unix) {
        File::open(&folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| fault::file("cannot sync the folder", &folder, error))?;
    }
    Ok(())
}

/// The write-ahead log, for syncing. SQLite keeps one file of this name for as long as a connection
/// is open.
pub(crate) fn open_log(path: &Path) -> Result<File> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = PathBuf::from(log);
    let file = OpenOptions::new().write(true).open(&log);
    file.map_err(|error| fault::file("cannot open the journal's log", &log, error))
}
