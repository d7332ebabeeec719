//! Objects in a folder: a folder for each container, a file for each object. A file is named by the digest of the object's name,
//! so that no name of a guest's is ever a path; the name itself stands at the head of the file. An object is written beside the
//! others, synced, and renamed into its place; who does that holds the container's lock, so that quotas are exact among processes.

mod file;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use longshore_ports::{
    Blob, BlobError, BlobInfo, BlobQuota, BlobReader, BlobStore, BlobTotal, BlobWriter,
};

use crate::Error;
use crate::folder::file::{Head, Opened, Staged, file_name};

/// Where the objects of a container are, within its folder.
const OBJECTS: &str = "objects";
/// What is not yet an object.
const STAGED: &str = "staged";
/// The file that whoever changes the container holds locked; in it, when the container was made.
const LOCK: &str = "container";

/// Containers in a folder, which is made when the first one is.
#[derive(Clone, Debug)]
pub struct FolderBlobs {
    path: Arc<PathBuf>,
}

/// What went wrong, or what the port says.
enum Fault {
    Told(BlobError),
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<BlobError> for Fault {
    fn from(error: BlobError) -> Self {
        Self::Told(error)
    }
}

impl From<Fault> for BlobError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Told(error) => error,
            Fault::Io(error) => {
                let error = class(error);
                let cause = std::error::Error::source(&error);
                tracing::warn!(code = error.code(), cause, "{error}");
                Self::Unavailable(error.into())
            }
        }
    }
}

fn class(error: io::Error) -> Error {
    use io::ErrorKind as K;
    match error.kind() {
        K::StorageFull | K::QuotaExceeded | K::ReadOnlyFilesystem => Error::Full(error.into()),
        K::PermissionDenied => Error::TurnedAway(error.into()),
        K::InvalidData | K::UnexpectedEof => Error::Foreign(error.into()),
        _ => Error::Failed(error.into()),
    }
}

/// The container that is not there is no error where it is asked whether it is.
fn optional<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// A container's folder.
struct Folder {
    objects: Dir,
    staged: Dir,
    dir: Dir,
}

/// The lock on a container, let go of when it is dropped.
struct Held {
    _file: std::fs::File,
}

impl Folder {
    /// Waits for the lock. Whoever has it may change what is in the folder.
    fn hold(&self) -> Result<Held, Fault> {
        let file = optional(self.dir.open(LOCK))?.ok_or(BlobError::NoSuchContainer)?.into_std();
        file.lock()?;
        // While it was waited for, the container may have been removed.
        optional(self.dir.metadata(LOCK))?.ok_or(BlobError::NoSuchContainer)?;
        Ok(Held { _file: file })
    }

    /// What all objects hold together.
    fn total(&self) -> Result<BlobTotal, Fault> {
        let mut total = BlobTotal::default();
        for entry in self.objects.entries()? {
            let entry = entry?;
            let length = entry.metadata()?.len();
            if let Some(size) = Head::size(&entry.file_name(), length) {
                total.bytes = total.bytes.saturating_add(size);
                total.objects += 1;
            }
        }
        Ok(total)
    }

    fn info(&self, object: &str) -> Result<Option<BlobInfo>, Fault> {
        let Some(opened) = Opened::open(&self.objects, object)? else { return Ok(None) };
        Ok(Some(BlobInfo { size: opened.size(), created: opened.created() }))
    }
}

impl FolderBlobs {
    /// Containers in the folder at `path`. It is made, for its owner only, where it does not exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: Arc::new(path.into()) }
    }

    fn root(&self) -> io::Result<Dir> {
        Dir::open_ambient_dir(&*self.path, ambient_authority())
    }

    /// The container's folder. Its name is checked where grants are read: lower-case letters, digits and `-_.`.
    fn folder(&self, container: &str) -> Result<Folder, Fault> {
        let missing = || Fault::Told(BlobError::NoSuchContainer);
        let root = optional(self.root())?.ok_or_else(missing)?;
        let dir = optional(root.open_dir(place(container)))?.ok_or_else(missing)?;
        let objects = optional(dir.open_dir(OBJECTS))?.ok_or_else(missing)?;
        let staged = optional(dir.open_dir(STAGED))?.ok_or_else(missing)?;
        Ok(Folder { objects, staged, dir })
    }

    /// Does `work` on a thread that may wait.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Fault> + Send + 'static,
    ) -> Blob<T> {
        let store = self.clone();
        blocking(move || work(&store)).await
    }

    /// Removes what was staged and is not an object.
    fn forget(&self, container: &str, staged: &Staged) {
        if staged.is_kept() {
            return;
        }
        // A container that is gone took it along.
        if let Ok(folder) = self.folder(container)
            && let Err(error) = optional(folder.staged.remove_file(staged.name()))
        {
            tracing::warn!(%error, "what was not to be an object stays behind");
        }
    }

    fn make(&self, container: &str, now: u64) -> Result<(), Fault> {
        file::make_root(&self.path)?;
        let root = self.root()?;
        // Made under another name and renamed: it is there as a whole or not at all.
        let fresh = format!(".{}", file::unique()?);
        file::make_private(&root, &fresh)?;
        let dir = root.open_dir(&fresh)?;
        for part in [OBJECTS, STAGED] {
            file::make_private(&dir, part)?;
        }
        file::write_private(&dir, LOCK, now.to_string().as_bytes())?;
        file::sync(&dir)?;
        match root.rename(&fresh, &root, place(container)) {
            // A folder takes the place of an empty one only.
            Err(_) if root.exists(place(container)) => {
                root.remove_dir_all(&fresh)?;
                Err(BlobError::ContainerExists.into())
            }
            renamed => Ok(renamed.and_then(|()| file::sync(&root))?),
        }
    }

    fn unmake(&self, container: &str) -> Result<(), Fault> {
        let folder = match self.folder(container) {
            Err(Fault::Told(BlobError::NoSuchContainer)) => return Ok(()),
            folder => folder?,
        };
        let _held = folder.hold()?;
        let root = self.root()?;
        let gone = format!(".{}", file::unique()?);
        root.rename(place(container), &root, &gone)?;
        // Those who wait for the lock learn that there is nothing to change.
        folder.dir.remove_file(LOCK)?;
        root.remove_dir_all(&gone)?;
        Ok(file::sync(&root)?)
    }
}

/// The name of a container's folder: never `.` or `..`, and apart from what is half made.
fn place(container: &str) -> String {
    format!("c-{container}")
}

/// Does `work` on a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Blob<T> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| Fault::Io(io::Error::other(error)));
    Ok(done.and_then(|done| done)?)
}

#[async_trait::async_trait]
impl BlobStore for FolderBlobs {
    async fn create(&self, container: &str, now: u64) -> Blob<()> {
        let container = container.to_owned();
        self.with(move |store| store.make(&container, now)).await
    }

    async fn created(&self, container: &str) -> Blob<Option<u64>> {
        let container = container.to_owned();
        self.with(move |store| match store.folder(&container) {
            Err(Fault::Told(BlobError::NoSuchContainer)) => Ok(None),
            folder => {
                let text = optional(folder?.dir.read_to_string(LOCK))?;
                Ok(text.map(|text| text.parse().unwrap_or(0)))
            }
        })
        .await
    }

    async fn remove(&self, container: &str) -> Blob<()> {
        let container = container.to_owned();
        self.with(move |store| store.unmake(&container)).await
    }

    async fn list(&self, container: &str, after: Option<&str>, limit: usize) -> Blob<Vec<String>> {
        let (container, after) = (container.to_owned(), after.map(file_name));
        self.with(move |store| {
            let folder = store.folder(&container)?;
            let mut files = Vec::new();
            for entry in folder.objects.entries()? {
                let name = entry?.file_name();
                let name = name.to_string_lossy();
                if after.as_ref().is_none_or(|after| **after < *name) {
                    files.push(name.into_owned());
                }
            }
            files.sort_unstable();
            let mut names = Vec::new();
            for name in &files {
                if names.len() == limit {
                    break;
                }
                // One that went meanwhile is not there.
                if let Some(opened) = Opened::of(&folder.objects, name)? {
                    names.push(opened.into_name());
                }
            }
            Ok(names)
        })
        .await
    }

    async fn info(&self, container: &str, object: &str) -> Blob<Option<BlobInfo>> {
        let (container, object) = (container.to_owned(), object.to_owned());
        self.with(move |store| store.folder(&container)?.info(&object)).await
    }

    async fn read(&self, container: &str, object: &str) -> Blob<Option<Box<dyn BlobReader>>> {
        let (container, object) = (container.to_owned(), object.to_owned());
        self.with(move |store| {
            let opened = Opened::open(&store.folder(&container)?.objects, &object)?;
            Ok(opened.map(|opened| Box::new(Reader(Arc::new(opened))) as Box<dyn BlobReader>))
        })
        .await
    }

    async fn write(&self, container: &str, object: &str, now: u64) -> Blob<Box<dyn BlobWriter>> {
        let (container, object) = (container.to_owned(), object.to_owned());
        self.with(move |store| {
            let file = Staged::new(&store.folder(&container)?.staged, &object, now)?;
            let staged = Some(Watched { store: store.clone(), container, file });
            Ok(Box::new(Writer { object, staged }) as Box<dyn BlobWriter>)
        })
        .await
    }

    async fn delete(&self, container: &str, objects: &[&str]) -> Blob<()> {
        let files: Vec<_> = objects.iter().map(|object| file_name(object)).collect();
        let container = container.to_owned();
        self.with(move |store| {
            let folder = store.folder(&container)?;
            let _held = folder.hold()?;
            for file in files {
                optional(folder.objects.remove_file(file))?;
            }
            Ok(file::sync(&folder.objects)?)
        })
        .await
    }

    async fn clear(&self, container: &str) -> Blob<()> {
        let container = container.to_owned();
        self.with(move |store| {
            let folder = store.folder(&container)?;
            let _held = folder.hold()?;
            for entry in folder.objects.entries()? {
                optional(folder.objects.remove_file(entry?.file_name()))?;
            }
            Ok(file::sync(&folder.objects)?)
        })
        .await
    }
}

/// An object that is read. The file stays, whatever takes its place.
struct Reader(Arc<Opened>);

#[async_trait::async_trait]
impl BlobReader for Reader {
    fn size(&self) -> u64 {
        self.0.size()
    }

    async fn read(&mut self, at: u64, most: usize) -> Blob<Vec<u8>> {
        let opened = Arc::clone(&self.0);
        blocking(move || Ok(opened.read(at, most)?)).await
    }
}

/// What is staged in a container. Dropped, it goes, unless it became an object.
struct Watched {
    store: FolderBlobs,
    container: String,
    file: Staged,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.store.forget(&self.container, &self.file);
    }
}

/// An object that is written: of all the folders, only its file is held open.
struct Writer {
    object: String,
    /// None while a write is under way.
    staged: Option<Watched>,
}

impl Writer {
    fn take(&mut self) -> Blob<Watched> {
        let lost = || Fault::Io(io::Error::other("a write that was given up"));
        self.staged.take().ok_or_else(|| lost().into())
    }
}

#[async_trait::async_trait]
impl BlobWriter for Writer {
    async fn write(&mut self, bytes: &[u8]) -> Blob<()> {
        let (mut staged, bytes) = (self.take()?, bytes.to_vec());
        // Should nobody wait for it any more, it clears up after itself.
        let written = blocking(move || {
            staged.file.write(&bytes)?;
            Ok(staged)
        });
        self.staged = Some(written.await?);
        Ok(())
    }

    async fn keep(mut self: Box<Self>, quota: BlobQuota) -> Blob<()> {
        let mut staged = self.take()?;
        let object = self.object.clone();
        blocking(move || {
            staged.file.sync()?;
            let folder = staged.store.folder(&staged.container)?;
            let _held = folder.hold()?;
            let old = folder.info(&object)?.map(|info| info.size);
            folder.total()?.check(old, staged.file.size(), quota)?;
            let renamed = staged.file.rename(&folder.staged, &folder.objects, &file_name(&object));
            // It went with the container that it was begun in.
            Ok(optional(renamed)?.ok_or(BlobError::NoSuchContainer)?)
        })
        .await
    }
}
