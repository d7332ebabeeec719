//! Scratch directories: empty ones below the host's state folder, private to its user, that go when their run goes. They hold
//! nothing that outlives a run, so nothing here is synced.
//!
//! A run's area is a folder and a lock file beside it, held locked while the run lives. Whoever opens a root later removes the
//! areas whose locks nobody holds: what a crash left behind.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use longshore_reference::Digest;

use super::dir::Opened;

/// A lock file younger than this may belong to a run that is about to lock it.
const SETTLED: Duration = Duration::from_secs(60);

/// The area of one run.
#[derive(Debug)]
pub(crate) struct Area {
    path: PathBuf,
    lock_path: PathBuf,
    lock: File,
    next: AtomicU32,
    folders: Mutex<BTreeMap<(Digest, String), Folder>>,
}

#[derive(Clone)]
struct Folder {
    path: PathBuf,
    opened: Opened,
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Folder").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Fleeting(pub(crate) PathBuf);

impl Drop for Fleeting {
    fn drop(&mut self) {
        clear(&self.0);
    }
}

impl Area {
    /// Makes the area called `name` below `root`, which is made where it is not there.
    pub(crate) fn open(root: &Path, name: &str) -> io::Result<Self> {
        private().recursive(true).create(root)?;
        let lock_path = root.join(format!("{name}.lock"));
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&lock_path)?;
        lock.try_lock().map_err(io::Error::from)?;
        let path = root.join(name);
        // A run that is taken up again begins with an empty area.
        clear(&path);
        private().create(&path)?;
        let (next, folders) = (AtomicU32::new(0), Mutex::default());
        Ok(Self { path, lock_path, lock, next, folders })
    }

    /// The folder of `component` at the guest's path: empty at first, then as the component's earlier calls left it.
    pub(crate) fn folder(&self, component: Digest, guest: &str) -> io::Result<Opened> {
        Ok(self.kept(component, guest)?.opened)
    }

    /// Where that folder is on the host.
    pub(crate) fn path(&self, component: Digest, guest: &str) -> io::Result<PathBuf> {
        Ok(self.kept(component, guest)?.path)
    }

    fn kept(&self, component: Digest, guest: &str) -> io::Result<Folder> {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (component, guest.to_owned());
        if let Some(folder) = folders.get(&key) {
            return Ok(folder.clone());
        }
        let path = self.make()?;
        let opened = Opened::scratch(guest, File::open(&path)?);
        Ok(folders.entry(key).or_insert(Folder { path, opened }).clone())
    }

    /// An empty folder that goes when the value goes.
    pub(crate) fn fleeting(&self) -> io::Result<Fleeting> {
        self.make().map(Fleeting)
    }

    fn make(&self) -> io::Result<PathBuf> {
        let path = self.path.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        private().create(&path)?;
        Ok(path)
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        clear(&self.path);
        // The name goes while the lock is held: whoever finds it next makes another.
        if let Err(error) = fs::remove_file(&self.lock_path) {
            tracing::warn!(path = %self.lock_path.display(), %error, "a scratch lock stays behind");
        }
        let _ = self.lock.unlock();
    }
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Removes the areas below `root` that no run holds any more.
pub(crate) fn sweep(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let lock_path = entry.path();
        if lock_path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        let Ok(lock) = OpenOptions::new().write(true).open(&lock_path) else { continue };
        let settled = lock
            .metadata()
            .and_then(|found| found.modified())
            .is_ok_and(|made| made.elapsed().is_ok_and(|age| age > SETTLED));
        if settled && lock.try_lock().is_ok() {
            clear(&lock_path.with_extension(""));
            let _ = fs::remove_file(&lock_path);
        }
    }
}

/// Removes `path` and all below it, without following links. A program may have taken its own folders' permissions away.
fn clear(path: &Path) {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match fs::remove_dir_all(path) {
        Ok(()) => return,
        Err(error) if gone(&error) => return,
        Err(_) => unlock(path),
    }
    match fs::remove_dir_all(path) {
        Ok(()) => {}
        Err(error) if gone(&error) => {}
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a scratch directory stays behind");
        }
    }
}

#[cfg(unix)]
fn unlock(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let _ = fs::set_permissions(&folder, fs::Permissions::from_mode(0o700));
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let below = |entry: fs::DirEntry| {
            entry.file_type().is_ok_and(|found| found.is_dir()).then(|| entry.path())
        };
        folders.extend(entries.flatten().filter_map(below));
    }
}

#[cfg(not(unix))]
fn unlock(_: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("longshore-{}-{name}", std::process::id()));
        clear(&root);
        root
    }

    fn names(root: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_area_is_private_and_goes_with_its_run() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = root("goes");
        let area = Area::open(&root, "run").unwrap();
        let component = Digest::of(b"a");
        let path = area.path(component, "/tmp").unwrap();
        assert_eq!(area.path(component, "/tmp").unwrap(), path, "the same for each call");
        assert_ne!(area.path(Digest::of(b"b"), "/tmp").unwrap(), path);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let fleeting = area.fleeting().unwrap();
        let once = fleeting.0.clone();
        fs::create_dir_all(once.join("closed/inner")).unwrap();
        fs::set_permissions(once.join("closed"), fs::Permissions::from_mode(0o0)).unwrap();
        drop(fleeting);
        assert!(!once.exists() && path.exists());
        drop(area);
        assert!(names(&root).is_empty());
        clear(&root);
    }

    #[test]
    fn what_a_crash_left_behind_is_swept_and_what_lives_is_not() {
        let root = root("swept");
        let alive = Area::open(&root, "alive").unwrap();
        for name in ["dead", "young"] {
            fs::create_dir_all(root.join(name).join("0")).unwrap();
            File::create(root.join(format!("{name}.lock"))).unwrap();
        }
        for name in ["dead.lock", "alive.lock"] {
            let old = fs::metadata(&root).unwrap().modified().unwrap() - 2 * SETTLED;
            let lock = OpenOptions::new().write(true).open(root.join(name)).unwrap();
            lock.set_modified(old).unwrap();
        }
        sweep(&root);
        assert_eq!(names(&root), ["alive", "alive.lock", "young", "young.lock"]);
        drop(alive);
        clear(&root);
    }
}
