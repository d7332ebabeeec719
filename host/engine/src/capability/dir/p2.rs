//! `wasi:filesystem@0.2.*`: asks [`Mounts`], then lets wasmtime-wasi do it. Decides nothing itself.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
    DirectoryEntryStream, ErrorCode, Filesize, HostDescriptor, HostDirectoryEntryStream,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::stream::Counted;
use super::{Asked, Mounts, Stop, mark, mount_of};
use crate::host::Host;

type Fd = Resource<Descriptor>;

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)?;
    preopens::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)
}

impl From<Stop> for FsError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::NotPermitted => ErrorCode::NotPermitted.into(),
            Stop::Exists => ErrorCode::Exist.into(),
            Stop::Limit(hit) => Self::trap(wasmtime::Error::new(hit)),
        }
    }
}

impl Host {
    fn inner(&mut self) -> WasiFilesystemCtxView<'_> {
        self.filesystem()
    }

    /// The folders, and the number of the one that `fd` is in.
    fn mounted(&self, fd: &Fd) -> FsResult<(Arc<Mounts>, usize)> {
        Ok((Arc::clone(&self.mounts), mount_of(self.table.get(fd)?)))
    }

    /// As [`Host::mounted`], for what writes to an open file: refused where it was not opened for that.
    fn written(&self, fd: &Fd) -> FsResult<(Arc<Mounts>, usize)> {
        match self.table.get(fd)? {
            Descriptor::File(file) if file.perms.write_not_permitted() => {
                self.mounts.change(mount_of(self.table.get(fd)?))?;
                Err(ErrorCode::NotPermitted.into())
            }
            _ => self.mounted(fd),
        }
    }

    /// What is at the path, if it is something that may be opened.
    async fn look(&mut self, fd: &Fd, follow: PathFlags, path: &str) -> FsResult<bool> {
        let fd = Resource::new_borrow(fd.rep());
        let found = HostDescriptor::stat_at(&mut self.inner(), fd, follow, path.to_owned()).await;
        match found.map(|stat| stat.type_) {
            Ok(
                DescriptorType::RegularFile
                | DescriptorType::Directory
                | DescriptorType::SymbolicLink,
            ) => Ok(true),
            // A fifo would hold the host up, and a device is not a file of anyone's folder.
            Ok(_) => Err(Stop::NotPermitted.into()),
            // What else is wrong, opening tells.
            Err(_) => Ok(false),
        }
    }
}

impl preopens::Host for Host {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        let mut directories = Vec::new();
        for (descriptor, path) in self.mounts.preopens() {
            directories.push((self.table.push(descriptor)?, path));
        }
        Ok(directories)
    }
}

impl types::Host for Host {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        types::Host::convert_error_code(&mut self.inner(), error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        types::Host::filesystem_error_code(&mut self.inner(), error)
    }
}

impl HostDescriptor for Host {
    async fn advise(
        &mut self,
        fd: Fd,
        offset: Filesize,
        length: Filesize,
        advice: Advice,
    ) -> FsResult<()> {
        HostDescriptor::advise(&mut self.inner(), fd, offset, length, advice).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        HostDescriptor::sync_data(&mut self.inner(), fd).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        HostDescriptor::get_flags(&mut self.inner(), fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        HostDescriptor::get_type(&mut self.inner(), fd).await
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        let descriptor = self.table.get(&fd)?;
        self.mounts.change_open(descriptor)?;
        self.mounts.resize(mount_of(descriptor), descriptor, size)?;
        HostDescriptor::set_size(&mut self.inner(), fd, size).await
    }

    async fn set_times(
        &mut self,
        fd: Fd,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.mounts.change_open(self.table.get(&fd)?)?;
        HostDescriptor::set_times(&mut self.inner(), fd, accessed, modified).await
    }

    async fn read(
        &mut self,
        fd: Fd,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        HostDescriptor::read(&mut self.inner(), fd, length, offset).await
    }

    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let (mounts, mount) = self.written(&fd)?;
        mounts.write(mount, bytes.len() as u64)?;
        HostDescriptor::write(&mut self.inner(), fd, bytes, offset).await
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        self.mounts.look(self.table.get(&fd)?);
        HostDescriptor::read_directory(&mut self.inner(), fd).await
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        HostDescriptor::sync(&mut self.inner(), fd).await
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (mounts, mount) = self.mounted(&fd)?;
        mounts.create(mount, longshore_model::Access::Create)?;
        HostDescriptor::create_directory_at(&mut self.inner(), fd, path).await
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        HostDescriptor::stat(&mut self.inner(), fd).await
    }

    async fn stat_at(
        &mut self,
        fd: Fd,
        follow: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        self.mounts.look(self.table.get(&fd)?);
        HostDescriptor::stat_at(&mut self.inner(), fd, follow, path).await
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        follow: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let (mounts, mount) = self.mounted(&fd)?;
        mounts.change(mount)?;
        let mut inner = self.inner();
        HostDescriptor::set_times_at(&mut inner, fd, follow, path, accessed, modified).await
    }

    async fn link_at(
        &mut self,
        fd: Fd,
        follow: PathFlags,
        path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FsResult<()> {
        let (mounts, from) = self.mounted(&fd)?;
        mounts.link(from, mount_of(self.table.get(&new_fd)?))?;
        HostDescriptor::link_at(&mut self.inner(), fd, follow, path, new_fd, new_path).await
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        follow: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        let (mounts, mount) = self.mounted(&fd)?;
        let _slot = mounts.room()?;
        let asked = Asked {
            create: open.contains(OpenFlags::CREATE),
            exclusive: open.contains(OpenFlags::EXCLUSIVE),
            truncate: open.contains(OpenFlags::TRUNCATE),
            write: flags.contains(DescriptorFlags::WRITE),
            exists: self.look(&fd, follow, &path).await?,
        };
        let opening = mounts.opening(mount, asked)?;
        let mut open = open & !(OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE);
        if opening.exclusive {
            open |= OpenFlags::EXCLUSIVE;
        }
        if opening.truncate {
            open |= OpenFlags::TRUNCATE;
        }
        let opened =
            HostDescriptor::open_at(&mut self.inner(), fd, follow, path, open, flags).await?;
        let descriptor = self.table.get_mut(&opened)?;
        if let Err(stop) = mounts.opened(descriptor) {
            self.table.delete(opened)?;
            return Err(stop.into());
        }
        mark(descriptor, mount, opening.perms);
        Ok(opened)
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.mounts.look(self.table.get(&fd)?);
        HostDescriptor::readlink_at(&mut self.inner(), fd, path).await
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (mounts, mount) = self.mounted(&fd)?;
        mounts.remove(mount)?;
        HostDescriptor::remove_directory_at(&mut self.inner(), fd, path).await
    }

    async fn rename_at(
        &mut self,
        fd: Fd,
        path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FsResult<()> {
        let (mounts, from) = self.mounted(&fd)?;
        let borrowed = Resource::new_borrow(fd.rep());
        let link = HostDescriptor::readlink_at(&mut self.inner(), borrowed, path.clone()).await;
        let link = link.or_else(|error| match error.downcast_ref() {
            // One that leads out; where, is not told.
            Some(ErrorCode::NotPermitted) => Ok("/".to_owned()),
            _ => Err(error),
        });
        mounts.rename(from, mount_of(self.table.get(&new_fd)?), link.ok().as_deref())?;
        HostDescriptor::rename_at(&mut self.inner(), fd, path, new_fd, new_path).await
    }

    async fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> FsResult<()> {
        let (mounts, mount) = self.mounted(&fd)?;
        mounts.symlink(mount, &target)?;
        HostDescriptor::symlink_at(&mut self.inner(), fd, target, path).await
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (mounts, mount) = self.mounted(&fd)?;
        mounts.remove(mount)?;
        HostDescriptor::unlink_file_at(&mut self.inner(), fd, path).await
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        HostDescriptor::read_via_stream(&mut self.inner(), fd, offset)
    }

    fn write_via_stream(
        &mut self,
        fd: Fd,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        let (mounts, mount) = self.written(&fd)?;
        let stream = HostDescriptor::write_via_stream(&mut self.inner(), fd, offset)?;
        let inner = self.table.delete(stream)?;
        let counted: DynOutputStream = Box::new(Counted::new(inner, mounts, mount));
        Ok(self.table.push(counted)?)
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        let (mounts, mount) = self.written(&fd)?;
        let stream = HostDescriptor::append_via_stream(&mut self.inner(), fd)?;
        let inner = self.table.delete(stream)?;
        let counted: DynOutputStream = Box::new(Counted::new(inner, mounts, mount));
        Ok(self.table.push(counted)?)
    }

    async fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        HostDescriptor::is_same_object(&mut self.inner(), a, b).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        HostDescriptor::metadata_hash(&mut self.inner(), fd).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Fd,
        follow: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.mounts.look(self.table.get(&fd)?);
        HostDescriptor::metadata_hash_at(&mut self.inner(), fd, follow, path).await
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        HostDescriptor::drop(&mut self.inner(), fd)
    }
}

impl HostDirectoryEntryStream for Host {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        HostDirectoryEntryStream::read_directory_entry(&mut self.inner(), stream).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.inner(), stream)
    }
}
