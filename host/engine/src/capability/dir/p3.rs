//! `wasi:filesystem@0.3.*`: asks [`Mounts`], then lets wasmtime-wasi do it. Decides nothing itself.

use std::sync::Arc;

use tokio::sync::oneshot;
use wasmtime::AsContextMut as _;
use wasmtime::component::{
    Access, Accessor, FutureReader, HasSelf, Linker, Resource, StreamReader,
};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p3::bindings::filesystem::preopens;
use wasmtime_wasi::p3::bindings::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode,
    Filesize, HostDescriptorWithStore, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p3::filesystem::{FilesystemError, FilesystemResult};

use super::consumer::Consumer;
use super::{Asked, Mounts, Stop, mark, mount_of};
use crate::host::Host;

type Fd = Resource<Descriptor>;
type Door = HasSelf<Host>;
type Store = Accessor<Host, Door>;
type Inner = WasiFilesystem;
type Done = FutureReader<Result<(), ErrorCode>>;

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, Door>(linker, |host| host)?;
    preopens::add_to_linker::<_, Door>(linker, |host| host)
}

impl From<Stop> for FilesystemError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::NotPermitted => ErrorCode::NotPermitted.into(),
            Stop::Exists => ErrorCode::Exist.into(),
            Stop::Limit(hit) => Self::trap(wasmtime::Error::new(hit)),
        }
    }
}

fn inner(store: &Store) -> Accessor<Host, Inner> {
    store.with_getter::<Inner>(<Host as WasiFilesystemView>::filesystem)
}

fn direct<'a>(store: &'a mut Access<'_, Host, Door>) -> Access<'a, Host, Inner> {
    Access::<Host, Inner>::new(store.as_context_mut(), <Host as WasiFilesystemView>::filesystem)
}

/// The folders, and the number of the one that `fd` is in.
fn mounted(store: &Store, fd: &Fd) -> FilesystemResult<(Arc<Mounts>, usize)> {
    store.with(|mut store| {
        let host = store.get();
        Ok((Arc::clone(&host.mounts), mount_of(host.table.get(fd)?)))
    })
}

/// Lets the folders judge what is open.
fn judge<R>(
    store: &Store,
    fd: &Fd,
    judge: impl FnOnce(&Mounts, &Descriptor) -> Result<R, Stop>,
) -> FilesystemResult<R> {
    store.with(|mut store| {
        let host = store.get();
        Ok(judge(&host.mounts, host.table.get(fd)?)?)
    })
}

fn look_at(mounts: &Mounts, descriptor: &Descriptor) -> Result<(), Stop> {
    mounts.look(descriptor);
    Ok(())
}

/// What is at the path, if it is something that may be opened.
async fn look(store: &Store, fd: &Fd, follow: PathFlags, path: &str) -> FilesystemResult<bool> {
    let fd = Resource::new_borrow(fd.rep());
    let found = Inner::stat_at(&inner(store), fd, follow, path.to_owned()).await;
    match found.map(|stat| stat.type_) {
        Ok(
            DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink,
        ) => Ok(true),
        // A fifo would hold the host up, and a device is not a file of anyone's folder.
        Ok(_) => Err(Stop::NotPermitted.into()),
        // What else is wrong, opening tells.
        Err(_) => Ok(false),
    }
}

/// Ends a stream of the guest in a file.
fn consume(
    mut store: Access<'_, Host, Door>,
    fd: &Fd,
    mut data: StreamReader<u8>,
    offset: Option<u64>,
) -> wasmtime::Result<Done> {
    let (sender, receiver) = oneshot::channel();
    let host = store.get();
    let mounts = Arc::clone(&host.mounts);
    let descriptor = host.table.get(fd)?;
    let mount = mount_of(descriptor);
    let file = match descriptor {
        Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor),
        Descriptor::File(file) if file.perms.write_not_permitted() => {
            // Journals it where the folder is why.
            let _ = mounts.change(mount);
            Err(ErrorCode::NotPermitted)
        }
        Descriptor::File(file) => Ok(Arc::clone(&file.file)),
    };
    match file {
        Ok(file) => {
            let done = Some(sender);
            data.pipe(&mut store, Consumer { file, offset, mounts, mount, done, task: None })?;
        }
        Err(code) => {
            data.close(&mut store)?;
            let _ = sender.send(Err(code));
        }
    }
    FutureReader::new(&mut store, receiver)
}

impl preopens::Host for Host {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        wasmtime_wasi::p2::bindings::filesystem::preopens::Host::get_directories(self)
    }
}

impl types::Host for Host {
    fn convert_error_code(&mut self, error: FilesystemError) -> wasmtime::Result<ErrorCode> {
        types::Host::convert_error_code(&mut self.filesystem(), error)
    }
}

impl types::HostDescriptor for Host {
    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        types::HostDescriptor::drop(&mut self.filesystem(), fd)
    }
}

impl HostDescriptorWithStore<Host> for Door {
    fn read_via_stream(
        mut store: Access<'_, Host, Self>,
        fd: Fd,
        offset: Filesize,
    ) -> wasmtime::Result<(StreamReader<u8>, Done)> {
        Inner::read_via_stream(direct(&mut store), fd, offset)
    }

    fn write_via_stream(
        store: Access<'_, Host, Self>,
        fd: Fd,
        data: StreamReader<u8>,
        offset: Filesize,
    ) -> wasmtime::Result<Done> {
        consume(store, &fd, data, Some(offset))
    }

    fn append_via_stream(
        store: Access<'_, Host, Self>,
        fd: Fd,
        data: StreamReader<u8>,
    ) -> wasmtime::Result<Done> {
        consume(store, &fd, data, None)
    }

    async fn advise(
        store: &Store,
        fd: Fd,
        offset: Filesize,
        length: Filesize,
        advice: Advice,
    ) -> FilesystemResult<()> {
        Inner::advise(&inner(store), fd, offset, length, advice).await
    }

    async fn sync_data(store: &Store, fd: Fd) -> FilesystemResult<()> {
        Inner::sync_data(&inner(store), fd).await
    }

    async fn get_flags(store: &Store, fd: Fd) -> FilesystemResult<DescriptorFlags> {
        Inner::get_flags(&inner(store), fd).await
    }

    async fn get_type(store: &Store, fd: Fd) -> FilesystemResult<DescriptorType> {
        Inner::get_type(&inner(store), fd).await
    }

    async fn set_size(store: &Store, fd: Fd, size: Filesize) -> FilesystemResult<()> {
        judge(store, &fd, |mounts, descriptor| {
            mounts.change_open(descriptor)?;
            mounts.resize(mount_of(descriptor), descriptor, size)
        })?;
        Inner::set_size(&inner(store), fd, size).await
    }

    async fn set_times(
        store: &Store,
        fd: Fd,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FilesystemResult<()> {
        judge(store, &fd, Mounts::change_open)?;
        Inner::set_times(&inner(store), fd, accessed, modified).await
    }

    fn read_directory(
        mut store: Access<'_, Host, Self>,
        fd: Fd,
    ) -> wasmtime::Result<(StreamReader<DirectoryEntry>, Done)> {
        let host = store.get();
        host.mounts.look(host.table.get(&fd)?);
        Inner::read_directory(direct(&mut store), fd)
    }

    async fn sync(store: &Store, fd: Fd) -> FilesystemResult<()> {
        Inner::sync(&inner(store), fd).await
    }

    async fn create_directory_at(store: &Store, fd: Fd, path: String) -> FilesystemResult<()> {
        let (mounts, mount) = mounted(store, &fd)?;
        mounts.create(mount, longshore_model::Access::Create)?;
        Inner::create_directory_at(&inner(store), fd, path).await
    }

    async fn stat(store: &Store, fd: Fd) -> FilesystemResult<DescriptorStat> {
        Inner::stat(&inner(store), fd).await
    }

    async fn stat_at(
        store: &Store,
        fd: Fd,
        follow: PathFlags,
        path: String,
    ) -> FilesystemResult<DescriptorStat> {
        judge(store, &fd, look_at)?;
        Inner::stat_at(&inner(store), fd, follow, path).await
    }

    async fn set_times_at(
        store: &Store,
        fd: Fd,
        follow: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FilesystemResult<()> {
        let (mounts, mount) = mounted(store, &fd)?;
        mounts.change(mount)?;
        Inner::set_times_at(&inner(store), fd, follow, path, accessed, modified).await
    }

    async fn link_at(
        store: &Store,
        fd: Fd,
        follow: PathFlags,
        path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FilesystemResult<()> {
        let ((mounts, from), (_, to)) = (mounted(store, &fd)?, mounted(store, &new_fd)?);
        mounts.link(from, to)?;
        Inner::link_at(&inner(store), fd, follow, path, new_fd, new_path).await
    }

    async fn open_at(
        store: &Store,
        fd: Fd,
        follow: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FilesystemResult<Fd> {
        let (mounts, mount) = mounted(store, &fd)?;
        let _slot = mounts.room()?;
        let asked = Asked {
            create: open.contains(OpenFlags::CREATE),
            exclusive: open.contains(OpenFlags::EXCLUSIVE),
            truncate: open.contains(OpenFlags::TRUNCATE),
            write: flags.contains(DescriptorFlags::WRITE),
            exists: look(store, &fd, follow, &path).await?,
        };
        let opening = mounts.opening(mount, asked)?;
        let mut open = open & !(OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE);
        if opening.exclusive {
            open |= OpenFlags::EXCLUSIVE;
        }
        if opening.truncate {
            open |= OpenFlags::TRUNCATE;
        }
        let opened = Inner::open_at(&inner(store), fd, follow, path, open, flags).await?;
        store.with(|mut store| {
            let host = store.get();
            let descriptor = host.table.get_mut(&opened)?;
            if let Err(stop) = mounts.opened(descriptor) {
                host.table.delete(opened)?;
                return Err(stop.into());
            }
            mark(descriptor, mount, opening.perms);
            Ok(opened)
        })
    }

    async fn readlink_at(store: &Store, fd: Fd, path: String) -> FilesystemResult<String> {
        judge(store, &fd, look_at)?;
        Inner::readlink_at(&inner(store), fd, path).await
    }

    async fn remove_directory_at(store: &Store, fd: Fd, path: String) -> FilesystemResult<()> {
        let (mounts, mount) = mounted(store, &fd)?;
        mounts.remove(mount)?;
        Inner::remove_directory_at(&inner(store), fd, path).await
    }

    async fn rename_at(
        store: &Store,
        fd: Fd,
        path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FilesystemResult<()> {
        let ((mounts, from), (_, to)) = (mounted(store, &fd)?, mounted(store, &new_fd)?);
        let borrowed = Resource::new_borrow(fd.rep());
        let link = Inner::readlink_at(&inner(store), borrowed, path.clone()).await;
        let link = link.or_else(|error| match error.downcast_ref() {
            // One that leads out; where, is not told.
            Some(ErrorCode::NotPermitted) => Ok("/".to_owned()),
            _ => Err(error),
        });
        mounts.rename(from, to, link.ok().as_deref())?;
        Inner::rename_at(&inner(store), fd, path, new_fd, new_path).await
    }

    async fn symlink_at(
        store: &Store,
        fd: Fd,
        target: String,
        path: String,
    ) -> FilesystemResult<()> {
        let (mounts, mount) = mounted(store, &fd)?;
        mounts.symlink(mount, &target)?;
        Inner::symlink_at(&inner(store), fd, target, path).await
    }

    async fn unlink_file_at(store: &Store, fd: Fd, path: String) -> FilesystemResult<()> {
        let (mounts, mount) = mounted(store, &fd)?;
        mounts.remove(mount)?;
        Inner::unlink_file_at(&inner(store), fd, path).await
    }

    async fn is_same_object(store: &Store, fd: Fd, other: Fd) -> wasmtime::Result<bool> {
        Inner::is_same_object(&inner(store), fd, other).await
    }

    async fn metadata_hash(store: &Store, fd: Fd) -> FilesystemResult<MetadataHashValue> {
        Inner::metadata_hash(&inner(store), fd).await
    }

    async fn metadata_hash_at(
        store: &Store,
        fd: Fd,
        follow: PathFlags,
        path: String,
    ) -> FilesystemResult<MetadataHashValue> {
        judge(store, &fd, look_at)?;
        Inner::metadata_hash_at(&inner(store), fd, follow, path).await
    }
}
