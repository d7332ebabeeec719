//! The disk: shared blobs by digest, and repositories as small files that point at them. Blocking;
//! it knows no HTTP.
//!
//! ```text
//! format                                        which layout this is
//! lock                                          held by the one server that uses the folder
//! uploads/<id>                                  bytes that nobody may see yet; emptied at start
//! blobs/sha256/<2 hex>/<64 hex>                 content, shared by all repositories
//! repositories/<name>/_layers/<64 hex>          the repository has this blob
//! repositories/<name>/_manifests/<64 hex>       … this manifest; holds its media type
//! repositories/<name>/_tags/<tag>               holds a digest
//! repositories/<name>/_referrers/<64 hex>/<64 hex>   subject / referrer; holds the referrer's descriptor
//! ```
//!
//! A component of a name never starts with `_`, so names and the folders of ours cannot meet. Every
//! file appears by rename after its bytes are on disk. A manifest exists when its file in
//! `_manifests` does: what is written before it (blob, referrer) is invisible without it, what is
//! written after it (tag) is all that a crash can lose. Content that no repository has is removed
//! at the next start.

mod disk;
mod manifest;
mod open;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use longshore_reference::Digest;

use crate::route::Name;

pub(crate) use disk::Temporary;
pub(crate) use manifest::{Need, PutError, Stored, Write};

/// The folder of a registry.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    /// Taken by everything that changes a repository, so that a check and the change it allows are
    /// one step.
    links: Mutex<()>,
    /// Held open: the lock goes with it.
    _lock: File,
}

impl Store {
    fn change(&self) -> MutexGuard<'_, ()> {
        // The mutex guards no data: what a panicking thread left on disk is whole files.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn repository(&self, name: &Name) -> PathBuf {
        self.root.join("repositories").join(name.as_str())
    }

    fn blob(&self, digest: Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("blobs/sha256").join(&hex[..2]).join(hex)
    }

    fn layer(&self, name: &Name, digest: Digest) -> PathBuf {
        self.repository(name).join("_layers").join(digest.hex())
    }

    fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// A new empty file for bytes that arrive.
    pub(crate) fn temporary(&self) -> io::Result<(Temporary, File)> {
        Temporary::create(&self.uploads())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        disk::write(&self.uploads(), path, bytes)
    }

    /// Makes the bytes in `file`, which are synced and have this digest, a blob of the repository.
    pub(crate) fn add_blob(&self, name: &Name, digest: Digest, file: Temporary) -> io::Result<()> {
        // Over a blob that is there already too: same digest, same bytes, and a damaged file gets
        // healed.
        file.become_file(&self.blob(digest))?;
        let _change = self.change();
        self.write(&self.layer(name, digest), b"")
    }

    /// Gives `to` a blob that `from` has; says whether it has it.
    pub(crate) fn mount(&self, from: &Name, to: &Name, digest: Digest) -> io::Result<bool> {
        let _change = self.change();
        if self.blob_size(from, digest)?.is_none() {
            return Ok(false);
        }
        self.write(&self.layer(to, digest), b"")?;
        Ok(true)
    }

    /// The size of a blob of the repository, if it has it.
    pub(crate) fn blob_size(&self, name: &Name, digest: Digest) -> io::Result<Option<u64>> {
        if !self.layer(name, digest).try_exists()? {
            return Ok(None);
        }
        Ok(disk::found(fs::metadata(self.blob(digest)))?.map(|metadata| metadata.len()))
    }

    /// A blob of the repository with its size, if it has it.
    pub(crate) fn open_blob(&self, name: &Name, digest: Digest) -> io::Result<Option<(File, u64)>> {
        if !self.layer(name, digest).try_exists()? {
            return Ok(None);
        }
        let Some(file) = disk::found(File::open(self.blob(digest)))? else { return Ok(None) };
        let size = file.metadata()?.len();
        Ok(Some((file, size)))
    }

    /// Takes a blob from the repository; says whether it had it.
    pub(crate) fn remove_blob(&self, name: &Name, digest: Digest) -> io::Result<bool> {
        let _change = self.change();
        disk::remove(&self.layer(name, digest))
    }

    /// The tags of the repository in order; `None` when there is no such repository.
    pub(crate) fn tags(&self, name: &Name) -> io::Result<Option<Vec<String>>> {
        let repository = self.repository(name);
        let tags = disk::names(&repository.join("_tags"))?;
        if tags.is_none()
            && !repository.join("_manifests").try_exists()?
            && !repository.join("_layers").try_exists()?
        {
            return Ok(None);
        }
        Ok(Some(tags.unwrap_or_default()))
    }

    /// The names of all repositories in order.
    pub(crate) fn repositories(&self) -> io::Result<Vec<String>> {
        let top = self.root.join("repositories");
        let mut found = Vec::new();
        let mut pending = vec![String::new()];
        while let Some(name) = pending.pop() {
            let mut ours = false;
            for child in disk::names(&top.join(&name))?.unwrap_or_default() {
                if child.starts_with('_') {
                    ours = true;
                } else if name.is_empty() {
                    pending.push(child);
                } else {
                    pending.push(format!("{name}/{child}"));
                }
            }
            if ours {
                found.push(name);
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}
