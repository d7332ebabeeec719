//! `wasi:filesystem`: the granted folders and nothing else, for both generations of WASI.
//!
//! wasmtime-wasi resolves paths below an opened folder, so that neither `..` nor a link leads out of it. What it does not know
//! is decided here, in [`Mounts`], before it is asked: who may create but not change, how much a call and a run may write, how
//! many files may be open, and that only files and folders are opened at all. `p2` and `p3` are the two doors; both ask.
//!
//! Folders are opened once, when the component is linked: the handle counts, whatever becomes of the path.

mod consumer;
mod p2;
mod p3;
mod stream;

use std::fs::File;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use longshore_model::{Access, CapabilityKind, Denied, Effect, LimitName, Scope};
use longshore_policy::Grant;
use wasmtime::component::Linker;
use wasmtime_wasi::filesystem::{Descriptor, Dir};
use wasmtime_wasi::{FsPerms, OpenMode};

use crate::Error;
use crate::call::Scene;
use crate::host::Host;
use crate::limiter::LimitHit;

/// A granted folder, opened.
#[derive(Clone)]
pub(crate) struct Opened {
    guest: String,
    host: String,
    access: Access,
    dir: Dir,
}

/// Opens the granted folders, so that a misspelt one is told before anything runs.
pub(crate) fn open(grant: &Grant) -> Result<Vec<Opened>, Error> {
    let open = |dir: longshore_policy::DirGrant<'_>| {
        let fail = |source| Error::Directory {
            host: dir.host.display().to_string(),
            guest: dir.guest.to_owned(),
            source,
        };
        // A fifo or a device is not opened to see what it is.
        if !std::fs::metadata(dir.host).map_err(fail)?.is_dir() {
            return Err(fail(std::io::ErrorKind::NotADirectory.into()));
        }
        let handle = File::open(dir.host).map_err(fail)?;
        if !handle.metadata().map_err(fail)?.is_dir() {
            return Err(fail(std::io::ErrorKind::NotADirectory.into()));
        }
        Ok(Opened {
            guest: dir.guest.to_owned(),
            host: dir.host.display().to_string(),
            access: dir.access,
            dir: as_dir(handle, dir.access),
        })
    };
    grant.dirs().try_for_each(|inner| straight(grant, &inner))?;
    grant.dirs().map(open).collect()
}

/// A granted folder within another that the component may write to must not be reached through a link there: the component may
/// have put it in the folder's place in an earlier run.
fn straight(grant: &Grant, inner: &longshore_policy::DirGrant<'_>) -> Result<(), Error> {
    for outer in grant.dirs().filter(|outer| outer.access > Access::ReadOnly) {
        let (Ok(from), Ok(to)) = (std::path::absolute(outer.host), std::path::absolute(inner.host))
        else {
            continue;
        };
        let Ok(rest) = to.strip_prefix(&from) else { continue };
        let mut at = from.clone();
        for part in rest.components() {
            at.push(part);
            if at.symlink_metadata().is_ok_and(|found| found.file_type().is_symlink()) {
                let why = format!("`{}` may replace it, and it is a link", outer.guest);
                return Err(Error::Directory {
                    host: inner.host.display().to_string(),
                    guest: inner.guest.to_owned(),
                    source: std::io::Error::other(why),
                });
            }
        }
    }
    Ok(())
}

fn as_dir(handle: File, access: Access) -> Dir {
    let (perms, mode) = match access {
        Access::ReadOnly => (FsPerms::ReadOnly, OpenMode::READ),
        Access::Create | Access::ReadWrite => {
            (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE)
        }
    };
    Dir::new(handle, perms, mode, false)
}

impl Opened {
    /// A folder of the run's own.
    pub(crate) fn scratch(guest: &str, handle: File) -> Self {
        let access = Access::ReadWrite;
        Self { guest: guest.to_owned(), host: String::new(), access, dir: as_dir(handle, access) }
    }

    /// Whether the path still leads to the folder that was opened.
    #[cfg(unix)]
    fn check(&self) -> Result<(), Error> {
        use std::os::unix::fs::MetadataExt as _;
        if self.host.is_empty() {
            return Ok(());
        }
        let same = std::fs::metadata(&self.host).and_then(|now| {
            let then = self.dir.dir.metadata()?;
            Ok((now.dev(), now.ino()) == (then.dev(), then.ino()))
        });
        match same {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => {
                Err(Error::DirectoryGone { host: self.host.clone(), guest: self.guest.clone() })
            }
        }
    }

    #[cfg(not(unix))]
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Puts this file's doors in the place of wasmtime-wasi's own.
pub(crate) fn link(linker: &mut Linker<Host>, concurrency: bool) -> wasmtime::Result<()> {
    p2::link(linker)?;
    if concurrency {
        p3::link(linker)?;
    }
    Ok(())
}

/// What a guest asks of `open-at`.
#[derive(Debug, Clone, Copy)]
struct Asked {
    create: bool,
    exclusive: bool,
    truncate: bool,
    write: bool,
    /// Whether something is there already.
    exists: bool,
}

/// What is opened instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Opening {
    exclusive: bool,
    truncate: bool,
    perms: FsPerms,
}

/// Why something is not done.
#[derive(Debug)]
enum Stop {
    /// The grant does not have it, or it is no file and no folder.
    NotPermitted,
    /// It is there already, and the grant lets nothing be changed.
    Exists,
    /// A budget is used up.
    Limit(LimitHit),
}

/// The folders of one call: the one place where it is decided what may be done in them.
pub(crate) struct Mounts {
    scene: Arc<Scene>,
    list: Vec<Mount>,
    open: Mutex<Vec<Weak<File>>>,
    /// How many are being opened just now.
    opening: AtomicU64,
}

/// The place of something that is being opened.
struct Slot<'m>(&'m Mounts);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.opening.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Mount {
    opened: Opened,
    effect: OnceLock<u32>,
    denied: OnceLock<()>,
    /// A bit for each access that was noted as used.
    used: AtomicU8,
    created: AtomicU64,
    changed: AtomicU64,
    removed: AtomicU64,
    written: AtomicU64,
}

/// A descriptor's mode has two bits of wasmtime-wasi's; above them stands the number of its folder, which so travels with every
/// copy of it.
const FOLDER_SHIFT: u32 = 8;

fn marked(mode: OpenMode, mount: usize) -> OpenMode {
    OpenMode::from_bits_retain((mode.bits() & 0xff) | (mount << FOLDER_SHIFT))
}

fn mount_of(descriptor: &Descriptor) -> usize {
    let mode = match descriptor {
        Descriptor::File(file) => file.open_mode,
        Descriptor::Dir(dir) => dir.open_mode,
    };
    mode.bits() >> FOLDER_SHIFT
}

/// Marks what was opened in `mount`, with no more than `perms`.
fn mark(descriptor: &mut Descriptor, mount: usize, perms: FsPerms) {
    match descriptor {
        Descriptor::File(file) => {
            file.open_mode = marked(file.open_mode, mount);
            file.perms = perms;
        }
        Descriptor::Dir(dir) => dir.open_mode = marked(dir.open_mode, mount),
    }
}

impl Mounts {
    pub(crate) fn new(scene: &Arc<Scene>, folders: Vec<Opened>) -> Result<Arc<Self>, Error> {
        folders.iter().try_for_each(Opened::check)?;
        let mount = |opened| Mount {
            opened,
            effect: OnceLock::new(),
            denied: OnceLock::new(),
            used: AtomicU8::new(0),
            created: AtomicU64::new(0),
            changed: AtomicU64::new(0),
            removed: AtomicU64::new(0),
            written: AtomicU64::new(0),
        };
        let list = folders.into_iter().map(mount).collect();
        let (scene, open, opening) = (Arc::clone(scene), Mutex::default(), AtomicU64::new(0));
        Ok(Arc::new(Self { scene, list, open, opening }))
    }

    /// A descriptor for each folder, with the guest's path.
    fn preopens(&self) -> Vec<(Descriptor, String)> {
        let descriptor = |(number, mount): (usize, &Mount)| {
            let mut dir = mount.opened.dir.clone();
            dir.open_mode = marked(dir.open_mode, number);
            (Descriptor::Dir(dir), mount.opened.guest.clone())
        };
        self.list.iter().enumerate().map(descriptor).collect()
    }

    fn mount(&self, number: usize) -> Result<&Mount, Stop> {
        self.list.get(number).ok_or(Stop::NotPermitted)
    }

    /// Whether the folder may be used so; what may not is journaled, once for each folder.
    fn may(&self, number: usize, wanted: Access) -> Result<&Mount, Stop> {
        let mount = self.mount(number)?;
        if mount.opened.access >= wanted {
            self.note(mount, wanted);
            return Ok(mount);
        }
        if mount.denied.set(()).is_ok() {
            let (guest, granted) = (&mount.opened.guest, mount.opened.access.as_str());
            self.scene.denied(Denied {
                call: Some(self.scene.id),
                capability: CapabilityKind::Dir,
                asked: format!("dir={guest}:{}", wanted.as_str()),
                rule: format!("it is granted as `{granted}`"),
                hint: format!("--allow dir={guest}=FOLDER:{}", wanted.as_str()),
            });
        }
        Err(Stop::NotPermitted)
    }

    /// Notes a use, each kind of it once.
    fn note(&self, mount: &Mount, access: Access) {
        let bit = 1 << (access as u8);
        if mount.used.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return;
        }
        let path = mount.opened.guest.clone();
        self.scene.used(match mount.opened.host.is_empty() {
            true => Scope::Scratch(path),
            false => Scope::Dir { path, access },
        });
    }

    /// Something in the folder is looked at.
    fn look(&self, descriptor: &Descriptor) {
        if let Some(mount) = self.list.get(mount_of(descriptor)) {
            self.note(mount, Access::ReadOnly);
        }
    }

    fn count(&self, names: [LimitName; 2], n: u64) -> Result<(), Stop> {
        for name in names {
            if !self.scene.count(name, n) {
                let limit = self.scene.grant.limits().get(name);
                return Err(Stop::Limit(LimitHit { name, limit }));
            }
        }
        Ok(())
    }

    /// Journals, before the first change in a folder of the host, that there are any.
    fn begin(&self, mount: &Mount) {
        if mount.opened.host.is_empty() {
            return;
        }
        mount.effect.get_or_init(|| {
            let folder = mount.opened.guest.clone();
            self.scene.effect_started(Effect::Files { folder })
        });
    }

    /// Something new is made: a file, a folder or a link.
    fn create(&self, number: usize, wanted: Access) -> Result<(), Stop> {
        let mount = self.may(number, wanted)?;
        self.count([LimitName::FilesCreated, LimitName::RunFilesCreated], 1)?;
        self.begin(mount);
        mount.created.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// A link is made. It may lead to what lies below its own folder and nowhere else: a link that climbs could be moved to
    /// where it leads out, and be followed by whoever is granted its path later.
    fn symlink(&self, number: usize, target: &str) -> Result<(), Stop> {
        self.may(number, Access::ReadWrite)?;
        if !leads_down(target) {
            return Err(Stop::NotPermitted);
        }
        self.create(number, Access::ReadWrite)
    }

    /// Something that is there is changed.
    fn change(&self, number: usize) -> Result<(), Stop> {
        let mount = self.may(number, Access::ReadWrite)?;
        self.begin(mount);
        mount.changed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Something that is there is deleted.
    fn remove(&self, number: usize) -> Result<(), Stop> {
        let mount = self.may(number, Access::ReadWrite)?;
        self.begin(mount);
        mount.removed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Something that is open is changed other than by writing to it.
    fn change_open(&self, descriptor: &Descriptor) -> Result<(), Stop> {
        let number = mount_of(descriptor);
        match descriptor {
            // What this call made may be changed by it, even where nothing else may.
            Descriptor::File(file) if !file.perms.write_not_permitted() => {
                self.begin(self.mount(number)?);
                Ok(())
            }
            _ => self.change(number),
        }
    }

    /// A hard link from a file in one folder to a new name in another, which may change it.
    fn link(&self, from: usize, to: usize) -> Result<(), Stop> {
        self.may(from, Access::ReadWrite)?;
        self.create(to, Access::ReadWrite)
    }

    /// Something moves; `link` is where it leads, if it is a link.
    fn rename(&self, from: usize, to: usize, link: Option<&str>) -> Result<(), Stop> {
        self.may(from, Access::ReadWrite)?;
        // A link of the host's that climbs stays where the host put it.
        if link.is_some_and(|target| !leads_down(target)) {
            return Err(Stop::NotPermitted);
        }
        self.change(to)?;
        if from == to { Ok(()) } else { self.remove(from) }
    }

    /// A file gets another size: what it grows by counts as written.
    fn resize(&self, number: usize, descriptor: &Descriptor, size: u64) -> Result<(), Stop> {
        let now = match descriptor {
            Descriptor::File(file) => file.file.metadata().map_or(0, |found| found.len()),
            Descriptor::Dir(_) => 0,
        };
        self.write(number, size.saturating_sub(now))
    }

    /// `n` bytes are written to an open file.
    fn write(&self, number: usize, n: u64) -> Result<(), Stop> {
        let mount = self.mount(number)?;
        let n = n.min(1 << 60);
        self.count([LimitName::FileWriteBytes, LimitName::RunFileWriteBytes], n)?;
        self.begin(mount);
        mount.written.fetch_add(n, Ordering::Relaxed);
        Ok(())
    }

    /// How something is opened: as asked, narrower, or not at all.
    fn opening(&self, number: usize, asked: Asked) -> Result<Opening, Stop> {
        let mount = self.mount(number)?;
        let access = mount.opened.access;
        let Asked { create, exclusive, truncate, write, exists } = asked;
        if !create && !truncate && !write {
            self.note(mount, Access::ReadOnly);
            let perms = match access {
                Access::ReadWrite => FsPerms::ReadWrite,
                Access::ReadOnly | Access::Create => FsPerms::ReadOnly,
            };
            return Ok(Opening { exclusive: false, truncate: false, perms });
        }
        if access == Access::Create && create {
            if exists {
                return Err(Stop::Exists);
            }
            self.create(number, Access::Create)?;
            return Ok(Opening { exclusive: true, truncate: false, perms: FsPerms::ReadWrite });
        }
        if create && !exists {
            self.create(number, Access::Create)?;
        } else {
            self.change(number)?;
        }
        Ok(Opening { exclusive, truncate, perms: FsPerms::ReadWrite })
    }

    /// Room for one more open file or folder, kept until it is there or is not.
    fn room(&self) -> Result<Slot<'_>, Stop> {
        let limit = self.scene.grant.limits().open_files;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let taken =
            |open: &Vec<Weak<File>>| open.len() as u64 + self.opening.load(Ordering::Relaxed);
        if taken(&open) >= limit {
            open.retain(|file| file.strong_count() > 0);
        }
        if taken(&open) >= limit {
            self.scene.hit(LimitName::OpenFiles);
            return Err(Stop::Limit(LimitHit { name: LimitName::OpenFiles, limit }));
        }
        self.opening.fetch_add(1, Ordering::Relaxed);
        Ok(Slot(self))
    }

    /// Remembers what was opened, for as long as a descriptor or a stream has it. It may have taken the place of what was looked
    /// at before.
    fn opened(&self, descriptor: &Descriptor) -> Result<(), Stop> {
        let file = match descriptor {
            Descriptor::File(file) => &file.file,
            Descriptor::Dir(dir) => &dir.dir,
        };
        let plain = file.metadata().is_ok_and(|found| found.is_file() || found.is_dir());
        if !plain {
            return Err(Stop::NotPermitted);
        }
        self.open.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(file));
        Ok(())
    }
}

/// Whether a link with this target leads below its own folder, wherever that is moved to.
fn leads_down(target: &str) -> bool {
    use std::path::Component;
    let mut parts = std::path::Path::new(target).components();
    parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for mount in &self.list {
            let Some(&effect) = mount.effect.get() else { continue };
            let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let result = format!(
                "{} created, {} changed, {} removed, {} bytes written",
                read(&mount.created),
                read(&mount.changed),
                read(&mount.removed),
                read(&mount.written)
            );
            self.scene.effect_ended(effect, result);
        }
    }
}

#[cfg(test)]
mod tests;
