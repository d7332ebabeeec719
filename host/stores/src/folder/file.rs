//! The files of a folder of objects: what stands at their head, how they are written, and how they are read.

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use cap_std::fs::{Dir, DirBuilder, File, OpenOptions};
use sha2::{Digest as _, Sha256};

/// What every object's file begins with.
const MARK: &[u8; 8] = b"LSBLOB1\n";
/// The mark, the time and the length of the name.
const FIXED: u64 = 8 + 8 + 4;
/// What was staged so long ago was left by a process that ended.
const STALE_SECONDS: u64 = 24 * 60 * 60;

/// The file of an object: the digest of its name, and how long that name is.
pub(super) fn file_name(object: &str) -> String {
    let mut name: String =
        Sha256::digest(object.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    name.push('-');
    name.push_str(&object.len().to_string());
    name
}

/// A name that nobody else has.
pub(super) fn unique() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// The folder of all, for its owner only.
pub(super) fn make_root(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A folder for its owner only.
pub(super) fn make_private(dir: &Dir, name: &str) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there are no modes"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    cap_std::fs::DirBuilderExt::mode(&mut builder, 0o700);
    dir.create_dir_with(name, &builder)
}

fn create(dir: &Dir, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, 0o600);
    dir.open_with(name, &options)
}

/// A small file for its owner only, synced.
pub(super) fn write_private(dir: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(dir, name)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the names in a folder durable.
pub(super) fn sync(dir: &Dir) -> io::Result<()> {
    // What a folder is looked up through is not what can be synced.
    if cfg!(unix) { dir.open(".")?.sync_all() } else { Ok(()) }
}

/// What stands at the head of an object's file.
pub(super) struct Head {
    name: String,
    created: u64,
}

impl Head {
    /// The bytes of an object, by the name and the length of its file; none for a file that is not one.
    pub(super) fn size(file: &OsStr, length: u64) -> Option<u64> {
        let name: u64 = file.to_str()?.split_once('-')?.1.parse().ok()?;
        length.checked_sub(FIXED.checked_add(name)?)
    }

    fn length(&self) -> u64 {
        FIXED + self.name.len() as u64
    }

    fn read(file: &mut File) -> io::Result<Self> {
        let bad = |_| io::Error::new(io::ErrorKind::InvalidData, "not the file of an object");
        let mut fixed = [0; FIXED as usize];
        file.read_exact(&mut fixed)?;
        let (mark, rest) = fixed.split_at(8);
        let (created, length) = rest.split_at(8);
        if mark != MARK {
            return Err(bad(()));
        }
        let created = u64::from_be_bytes(created.try_into().map_err(|_| bad(()))?);
        let length = u32::from_be_bytes(length.try_into().map_err(|_| bad(()))?);
        let mut name = Vec::new();
        file.take(length.into()).read_to_end(&mut name)?;
        if name.len() != length as usize {
            return Err(bad(()));
        }
        let name = String::from_utf8(name).map_err(|_| bad(()))?;
        Ok(Self { name, created })
    }

    fn write(&self, file: &mut File) -> io::Result<()> {
        let length = u32::try_from(self.name.len()).map_err(io::Error::other)?;
        let mut bytes = MARK.to_vec();
        bytes.extend(self.created.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(self.name.as_bytes());
        file.write_all(&bytes)
    }
}

/// An object's file, open for reading.
pub(super) struct Opened {
    file: std::fs::File,
    head: Head,
    size: u64,
}

impl Opened {
    /// The object of that name; none where there is none.
    pub(super) fn open(objects: &Dir, object: &str) -> io::Result<Option<Self>> {
        let opened = Self::of(objects, &file_name(object))?;
        match opened {
            Some(opened) if opened.head.name != object => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "the file of another object"))
            }
            opened => Ok(opened),
        }
    }

    /// The object in that file; none where there is none.
    pub(super) fn of(objects: &Dir, file: &str) -> io::Result<Option<Self>> {
        let mut opened = match objects.open(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let head = Head::read(&mut opened)?;
        let size = opened.metadata()?.len().saturating_sub(head.length());
        Ok(Some(Self { file: opened.into_std(), head, size }))
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    pub(super) const fn created(&self) -> u64 {
        self.head.created
    }

    pub(super) fn into_name(self) -> String {
        self.head.name
    }

    /// At most `most` bytes from `at` on.
    pub(super) fn read(&self, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; most.min(left)];
        let at = self.head.length().saturating_add(at);
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(&self.file, &mut bytes, at)?;
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(&self.file, &mut bytes, at)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

/// What is not yet an object. Whoever has it removes it, if it does not become one.
pub(super) struct Staged {
    name: String,
    file: File,
    size: u64,
    kept: bool,
}

impl Staged {
    pub(super) fn new(dir: &Dir, object: &str, now: u64) -> io::Result<Self> {
        sweep(dir, now)?;
        let name = unique()?;
        let file = create(dir, &name)?;
        let mut staged = Self { name, file, size: 0, kept: false };
        Head { name: object.to_owned(), created: now }.write(&mut staged.file)?;
        Ok(staged)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    pub(super) const fn is_kept(&self) -> bool {
        self.kept
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Makes it an object, in place of the one before.
    pub(super) fn rename(&mut self, from: &Dir, objects: &Dir, name: &str) -> io::Result<()> {
        from.rename(&self.name, objects, name)?;
        self.kept = true;
        sync(objects)
    }
}

/// Removes what processes that ended left behind; `now` is in seconds since 1970.
fn sweep(staged: &Dir, now: u64) -> io::Result<()> {
    for entry in staged.entries()? {
        let entry = entry?;
        let Ok(data) = entry.metadata() else { continue };
        let Ok(modified) = data.modified() else { continue };
        let since = modified.into_std().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        if since.as_secs().saturating_add(STALE_SECONDS) < now {
            match staged.remove_file(entry.file_name()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}
