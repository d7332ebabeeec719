//! `wasi:filesystem`: the granted directories, opened through cap-std, and nothing else. Paths are resolved by cap-std below
//! the opened directory, so that neither `..` nor a symbolic link leads out of it.

use longshore_model::Access;
use longshore_policy::Grant;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::Error;

/// Whether the granted directories are there, so that a misspelt one is told before anything runs.
pub(crate) fn check(grant: &Grant) -> Result<(), Error> {
    for dir in grant.dirs() {
        let found = std::fs::metadata(dir.host).and_then(|found| match found.is_dir() {
            true => Ok(()),
            false => Err(std::io::ErrorKind::NotADirectory.into()),
        });
        found.map_err(|source| Error::Directory {
            host: dir.host.display().to_string(),
            guest: dir.guest.to_owned(),
            source,
        })?;
    }
    Ok(())
}

/// Opens the granted directories.
pub(crate) fn apply(builder: &mut WasiCtxBuilder, grant: &Grant) -> Result<(), Error> {
    for dir in grant.dirs() {
        let perms = match dir.access {
            Access::ReadOnly | Access::Create => FsPerms::ReadOnly,
            Access::ReadWrite => FsPerms::ReadWrite,
        };
        builder.preopened_dir(dir.host, dir.guest, perms).map_err(|error| Error::Directory {
            host: dir.host.display().to_string(),
            guest: dir.guest.to_owned(),
            source: error
                .downcast::<std::io::Error>()
                .unwrap_or_else(|error| std::io::Error::other(error.to_string())),
        })?;
    }
    Ok(())
}
