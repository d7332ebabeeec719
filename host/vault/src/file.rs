//! Files that only their owner may read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use longshore_ports::Secret;
use zeroize::Zeroize as _;

use crate::{Error, without_newline};

/// The text of a private file, without the newline at its end. Read on a thread that may block: the file may lie on a share.
pub(crate) async fn read_private(path: PathBuf) -> Result<Vec<u8>, Error> {
    let shown = path.display().to_string();
    let reading = tokio::task::spawn_blocking(move || read(&path));
    reading.await.unwrap_or_else(|_| {
        let source = io::Error::other("the reader stopped");
        Err(Error::File { path: shown, source })
    })
}

/// The bytes of a file that anybody may read, of which there are at most `most`.
pub(crate) async fn read_any(path: PathBuf, most: usize) -> Result<Vec<u8>, Error> {
    let shown = path.display().to_string();
    let reading = tokio::task::spawn_blocking(move || {
        let file = open(&path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(most as u64 + 1).read_to_end(&mut bytes)?;
        match bytes.len() > most {
            true => Err(io::Error::other(format!("it is longer than {most} bytes"))),
            false => Ok(bytes),
        }
    });
    let read = reading.await.unwrap_or_else(|_| Err(io::Error::other("the reader stopped")));
    read.map_err(|source| Error::File { path: shown, source })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let shown = || path.display().to_string();
    let fail = |source| Error::File { path: shown(), source };
    let file = open(path).map_err(fail)?;
    // What was opened is judged, not what the path leads to by now.
    let about = file.metadata().map_err(fail)?;
    if !about.is_file() {
        return Err(fail(io::Error::other("it is not a regular file")));
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&about) & 0o7777;
        if mode & 0o077 != 0 {
            return Err(Error::Open { path: shown(), mode });
        }
    }
    // Of the full size at once: a buffer that grows leaves copies behind.
    let mut bytes = Vec::with_capacity(Secret::MAX_BYTES + 4);
    let read = file.take(Secret::MAX_BYTES as u64 + 3).read_to_end(&mut bytes);
    if let Err(source) = read {
        bytes.zeroize();
        return Err(fail(source));
    }
    without_newline(&mut bytes);
    Ok(bytes)
}

/// Opens without waiting for the other end of a pipe.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(target_os = "linux")]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, 0o4000); // O_NONBLOCK
    options.open(path)
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_private_file_is_read_without_its_newline_and_an_open_one_is_not_read() {
        let (_folder, path) = file("hunter2\r\n", 0o600);
        assert_eq!(read(&path).unwrap(), b"hunter2");
        for mode in [0o640, 0o604, 0o620, 0o666] {
            let (_folder, path) = file("hunter2", mode);
            assert_eq!(read(&path).unwrap_err().code(), "LS-SEC-003");
        }
        let (folder, _) = file("", 0o600);
        assert_eq!(read(folder.path()).unwrap_err().code(), "LS-SEC-002", "a folder");
        assert_eq!(read(&folder.path().join("none")).unwrap_err().code(), "LS-SEC-002");
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        assert_eq!(read(&path).unwrap_err().code(), "LS-SEC-002");
    }
}
