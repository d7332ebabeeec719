//! Files that commands write: whole or not at all, and never over something that was not asked for.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privacy {
    /// Whoever the umask lets.
    Public,
    /// Its owner.
    Private,
}

/// Writes a file that must not be there yet.
///
/// # Errors
///
/// [`Error::Exists`], [`Error::Write`]; nothing is left behind then.
pub(crate) fn create(path: &Path, bytes: &[u8], privacy: Privacy) -> Result<(), Error> {
    write(path, bytes, privacy, |temporary| std::fs::hard_link(temporary, path)).map_err(|source| {
        let path = path.display().to_string();
        match source.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists { path },
            _ => Error::Write { path, source },
        }
    })
}

/// Writes a file, in place of one of that name.
///
/// # Errors
///
/// [`Error::Write`]; what was there stays then.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write(path, bytes, Privacy::Public, |temporary| std::fs::rename(temporary, path))
        .map_err(|source| Error::Write { path: path.display().to_string(), source })
}

/// A file for its owner's eyes that is written piece by piece, and is there only once it is whole.
pub(crate) struct Draft {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl Draft {
    /// Begins a file; [`publish`](Self::publish) puts it in the place of one of that name.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub(crate) fn new(path: &Path) -> Result<Self, Error> {
        let begin = || {
            let temporary = temporary(folder_of(path))?;
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            Ok(Self { file: options.open(&temporary)?, temporary, path: path.to_owned() })
        };
        begin().map_err(|source| Error::Write { path: path.display().to_string(), source })
    }

    /// Adds to it.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|source| self.failed(source))
    }

    /// Makes it durable under its name.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; what was there stays then.
    pub(crate) fn publish(self) -> Result<(), Error> {
        let finish = || {
            self.file.sync_all()?;
            std::fs::rename(&self.temporary, &self.path)?;
            if cfg!(unix) { File::open(folder_of(&self.path))?.sync_all() } else { Ok(()) }
        };
        finish().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Write { path: self.path.display().to_string(), source }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Once it is published there is nothing of that name.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn write(
    path: &Path,
    bytes: &[u8],
    privacy: Privacy,
    publish: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let folder = folder_of(path);
    let temporary = temporary(folder)?;
    let written = (|| {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if privacy == Privacy::Private {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        let mut file = options.open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        publish(&temporary)?;
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    })();
    let _ = std::fs::remove_file(&temporary);
    written
}

fn temporary(folder: &Path) -> io::Result<PathBuf> {
    let mut name = [0; 8];
    getrandom::fill(&mut name).map_err(io::Error::other)?;
    Ok(folder.join(format!(".longshore-{:016x}.tmp", u64::from_le_bytes(name))))
}
