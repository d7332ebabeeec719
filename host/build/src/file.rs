//! Files: bounded reads, and writes that happen as a whole or not at all.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use crate::{Error, Result};

/// The content of `path`, at most `limit` bytes; nothing if there is no such file.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let fail = |source| Error::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        let name = path.display().to_string();
        let size = fs::metadata(path).map_or(limit + 1, |data| data.len());
        return Err(Error::TooLarge { name, size, limit });
    }
    Ok(Some(bytes))
}

/// The same as text.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<Option<String>> {
    let text = read(path, limit)?.map(String::from_utf8).transpose();
    text.map_err(|error| Error::Read {
        path: path.to_owned(),
        source: std::io::Error::new(ErrorKind::InvalidData, error.utf8_error()),
    })
}

/// Puts `bytes` at `path`, in a folder that is made if need be: other readers see the old content or
/// the new, and so does the disk after a crash.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    put(path, bytes, true)
}

/// The same where nothing may be there yet.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    put(path, bytes, false)
}

fn put(path: &Path, bytes: &[u8], replace: bool) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let put = || {
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().prefix(".longshore-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        share(file.as_file())?;
        file.as_file().sync_all()?;
        let kept = if replace { file.persist(path) } else { file.persist_noclobber(path) };
        kept.map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    };
    put().map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Temporary files are for their owner alone; what an author keeps is not.
#[cfg(unix)]
fn share(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn share(_: &File) -> std::io::Result<()> {
    Ok(())
}
