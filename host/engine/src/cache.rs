//! The private cache of compiled code: keyed by component digest and engine fingerprint, authenticated before it is mapped.
//!
//! An entry is the compiled artifact followed by a keyed BLAKE3 tag over digest, fingerprint and artifact. The key is made
//! on first use, readable by the owner only. Whatever does not authenticate (truncated, tampered with, written under
//! another key) is treated as absent: recompiled, never trusted. Writers use a temporary file and a rename, so that two
//! processes that race leave one whole entry.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use longshore_reference::Digest;
use wasmtime::component::Component;

use crate::Error;

/// The length of the tag behind the artifact, in bytes.
const TAG: u64 = 32;
/// The length of the key, in bytes.
const KEY: usize = 32;

/// A directory of compiled components.
#[derive(Debug)]
pub(crate) struct CodeCache {
    dir: PathBuf,
    key: [u8; KEY],
}

/// What a lookup found.
pub(crate) enum Lookup {
    /// The compiled component.
    Hit(Component),
    /// Nothing that can be used.
    Miss,
}

impl CodeCache {
    /// Opens the cache in `dir`, making it and its key where they do not exist.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let fail = |source| Error::Cache { path: dir.display().to_string(), source };
        private_dir(dir).map_err(fail)?;
        let key = read_or_make_key(dir).map_err(fail)?;
        Ok(Self { dir: dir.to_owned(), key })
    }

    fn path(&self, digest: Digest, fingerprint: &str) -> PathBuf {
        self.dir.join(format!("{}-{fingerprint}.cwasm", digest.hex()))
    }

    fn tag(&self, digest: Digest, fingerprint: &str) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(b"longshore compiled component 1\0");
        hasher.update(digest.as_bytes());
        hasher.update(&(fingerprint.len() as u64).to_le_bytes());
        hasher.update(fingerprint.as_bytes());
        hasher
    }

    /// The compiled code of the component `digest`, if an authentic entry is there.
    pub(crate) fn load(&self, engine: &wasmtime::Engine, digest: Digest, fp: &str) -> Lookup {
        let path = self.path(digest, fp);
        match self.authentic(&path, digest, fp) {
            Ok(Some(file)) => match map(engine, &file, &path) {
                Ok(component) => Lookup::Hit(component),
                Err(error) => {
                    tracing::warn!(%digest, %error, "compiled code does not load; compiling again");
                    Lookup::Miss
                }
            },
            Ok(None) => {
                tracing::warn!(%digest, "compiled code is not authentic; compiling again");
                let _ = std::fs::remove_file(&path);
                Lookup::Miss
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Lookup::Miss,
            Err(error) => {
                tracing::warn!(%digest, %error, "compiled code cannot be read; compiling again");
                Lookup::Miss
            }
        }
    }

    /// The open file, positioned anywhere, if its tag is right.
    fn authentic(&self, path: &Path, digest: Digest, fp: &str) -> io::Result<Option<File>> {
        let mut file = File::open(path)?;
        let Some(length) = file.metadata()?.len().checked_sub(TAG) else { return Ok(None) };
        let mut hasher = self.tag(digest, fp);
        let read = {
            let mut artifact = (&mut file).take(length);
            // Enough for all lanes of the hash, and small enough to come from memory that is there.
            let mut buffer = vec![0; 1 << 16];
            let mut read = 0;
            loop {
                let count = artifact.read(&mut buffer)?;
                if count == 0 {
                    break read;
                }
                hasher.update(&buffer[..count]);
                read += count as u64;
            }
        };
        let mut found = [0; TAG as usize];
        if read != length || file.read_exact(&mut found).is_err() {
            return Ok(None);
        }
        // blake3's comparison takes the same time wherever the difference is.
        Ok((hasher.finalize() == blake3::Hash::from_bytes(found)).then_some(file))
    }

    /// Keeps `artifact`. A failure to do so costs time, not correctness, so it is only logged by the caller.
    pub(crate) fn store(&self, digest: Digest, fp: &str, artifact: &[u8]) -> io::Result<()> {
        let mut hasher = self.tag(digest, fp);
        hasher.update(artifact);
        let mut entropy = [0; 8];
        getrandom::fill(&mut entropy).map_err(io::Error::other)?;
        let temporary = self.dir.join(format!(".{:016x}.tmp", u64::from_le_bytes(entropy)));
        let written = (|| {
            let mut file = private_file(&temporary)?;
            file.write_all(artifact)?;
            file.write_all(hasher.finalize().as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&temporary, self.path(digest, fp))
        })();
        if written.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        written
    }
}

/// Maps the artifact of an authenticated file.
fn map(engine: &wasmtime::Engine, file: &File, path: &Path) -> wasmtime::Result<Component> {
    // The very file that was authenticated, not whatever has its name by now.
    #[cfg(target_os = "linux")]
    let path = {
        use std::os::fd::AsRawFd as _;
        let _ = path;
        PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
    };
    #[cfg(not(target_os = "linux"))]
    let _ = file;
    // SAFETY: the bytes were written by `Engine::precompile_component` of an engine with the same fingerprint: the tag,
    // made with a key that only this user can read, covers them, the component's digest and that fingerprint. The file lies
    // in a directory of mode 0700 and is never written after its rename.
    unsafe { Component::deserialize_file(engine, path) }
}

fn private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The key of this cache. Two processes that start at once agree on one: the first link wins. A key that was damaged is
/// replaced, and what it authenticated is compiled again.
fn read_or_make_key(dir: &Path) -> io::Result<[u8; KEY]> {
    let path = dir.join("key");
    let found = match File::open(&path) {
        Ok(file) => Some(read_key(file)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if let Some(Some(key)) = found {
        return Ok(key);
    }
    let mut key = [0; KEY];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let mut name = [0; 8];
    getrandom::fill(&mut name).map_err(io::Error::other)?;
    let temporary = dir.join(format!(".{:016x}.key", u64::from_le_bytes(name)));
    let placed = (|| {
        let mut file = private_file(&temporary)?;
        file.write_all(&key)?;
        file.sync_all()?;
        match found {
            None => std::fs::hard_link(&temporary, &path),
            Some(_) => {
                tracing::warn!(
                    "the key of the compiled code is damaged; everything is compiled again"
                );
                std::fs::rename(&temporary, &path)
            }
        }
    })();
    let _ = std::fs::remove_file(&temporary);
    match placed {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    // Whoever came last has placed it: all use that one.
    read_key(File::open(&path)?)?.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The key in `file`; none where it is not as long as a key.
fn read_key(mut file: File) -> io::Result<Option<[u8; KEY]>> {
    let mut key = [0; KEY];
    if file.metadata()?.len() != KEY as u64 {
        return Ok(None);
    }
    file.read_exact(&mut key)?;
    Ok(Some(key))
}
