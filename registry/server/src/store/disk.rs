//! Files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// `None` for what is not there.
pub(super) fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        // A folder where a file was looked for in a deeper name, or the other way round, is absence
        // as well.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder and its parents, each of them on disk before the next.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(Path::new("."));
    if !parent.as_os_str().is_empty() {
        make_folder(parent)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_folder(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

/// The names in a folder in order; `None` when there is no such folder. Names that are not UTF-8
/// are not ours.
pub(super) fn names(folder: &Path) -> io::Result<Option<Vec<String>>> {
    let Some(entries) = found(fs::read_dir(folder))? else { return Ok(None) };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(Some(names))
}

/// Removes a file; says whether it was there.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    let removed = found(fs::remove_file(path))?.is_some();
    if let (true, Some(folder)) = (removed, path.parent()) {
        sync_folder(folder)?;
    }
    Ok(removed)
}

/// Writes a file by way of `uploads`, which must be on the same file system.
pub(super) fn write(uploads: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (temporary, mut file) = Temporary::create(uploads)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    temporary.become_file(path)
}

/// A file that vanishes when it is dropped, unless it became another.
#[derive(Debug)]
pub(crate) struct Temporary(Option<PathBuf>);

impl Temporary {
    pub(super) fn create(folder: &Path) -> io::Result<(Self, File)> {
        let mut raw = [0; 16];
        getrandom::fill(&mut raw).map_err(|error| io::Error::other(error.to_string()))?;
        let path = folder.join(format!("{:032x}", u128::from_le_bytes(raw)));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok((Self(Some(path)), file))
    }

    /// Renames the file, whose bytes are synced, to `path`.
    pub(super) fn become_file(mut self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        make_folder(folder)?;
        if let Some(own) = self.0.as_deref() {
            fs::rename(own, path)?;
        }
        self.0 = None;
        sync_folder(folder)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // What cannot be removed now goes at the next start.
            let _ = fs::remove_file(path);
        }
    }
}
