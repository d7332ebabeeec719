//! Opening the folder: whose it is, what a crash left, what nobody needs any more.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::{Store, disk};
use crate::Error;

const FORMAT: &[u8] = b"longshore registry 1\n";

fn storage(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |cause| Error::Storage { operation, path, cause }
}

impl Store {
    /// Opens the folder `root`, makes it when it is absent or empty, and removes what no repository
    /// has.
    pub(crate) fn open(root: PathBuf) -> Result<Self, Error> {
        disk::make_folder(&root).map_err(storage("make the folder", &root))?;
        let format = root.join("format");
        let known = disk::found(fs::read(&format)).map_err(storage("read", &format))?;
        match known.as_deref() {
            Some(FORMAT) => {}
            Some(_) => return Err(Error::Foreign { root }),
            None => {
                let names = disk::names(&root).map_err(storage("list", &root))?;
                // `lock` and `uploads` alone are what a crash in the first start leaves.
                let ours = |name: &String| matches!(name.as_str(), "lock" | "uploads");
                if !names.unwrap_or_default().iter().all(ours) {
                    return Err(Error::Foreign { root });
                }
            }
        }
        let lock = Self::lock(&root)?;
        let store = Self { root, links: Mutex::new(()), _lock: lock };
        let uploads = store.uploads();
        store.empty_uploads().map_err(storage("empty", &uploads))?;
        if known.is_none() {
            store.write(&format, FORMAT).map_err(storage("write", &format))?;
        }
        for folder in ["blobs/sha256", "repositories"] {
            let folder = store.root.join(folder);
            disk::make_folder(&folder).map_err(storage("make the folder", &folder))?;
        }
        let removed = store.collect().map_err(storage("sweep", &store.root))?;
        if removed > 0 {
            tracing::info!(removed, "removed blobs that no repository has");
        }
        Ok(store)
    }

    fn lock(root: &Path) -> Result<File, Error> {
        let path = root.join("lock");
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(storage("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { root: root.to_owned() }),
            Err(TryLockError::Error(cause)) => Err(storage("lock", &path)(cause)),
        }
    }

    fn empty_uploads(&self) -> io::Result<()> {
        let uploads = self.uploads();
        disk::make_folder(&uploads)?;
        for name in disk::names(&uploads)?.unwrap_or_default() {
            disk::remove(&uploads.join(name))?;
        }
        Ok(())
    }

    /// Removes the blobs that no repository has. Only while nobody else uses the folder.
    fn collect(&self) -> io::Result<u64> {
        let mut used = HashSet::new();
        for name in self.repositories()? {
            let repository = self.root.join("repositories").join(name);
            for folder in ["_layers", "_manifests"] {
                used.extend(disk::names(&repository.join(folder))?.unwrap_or_default());
            }
        }
        let mut removed = 0;
        let blobs = self.root.join("blobs/sha256");
        for prefix in disk::names(&blobs)?.unwrap_or_default() {
            for hex in disk::names(&blobs.join(&prefix))?.unwrap_or_default() {
                if !used.contains(&hex) {
                    removed += u64::from(disk::remove(&blobs.join(&prefix).join(hex))?);
                }
            }
        }
        Ok(removed)
    }
}
