//! `wasi:blobstore@0.2.0-draft`: its shapes, over the operations next door.

use std::sync::Arc;

use longshore_model::Access;
use longshore_ports::BlobStore;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::draft::Draft;
use super::reading::Body;
use super::{Answer, Container, Incoming, Names, Outgoing};
use crate::contract::blobs::{blobstore, container, types};
use crate::host::Host;

/// What a guest is told, or its error.
macro_rules! told {
    ($answer:expr) => {
        match $answer {
            Ok(value) => value,
            Err(refused) => return Ok(Err(refused)),
        }
    };
}

impl types::Host for Host {}

impl types::HostOutgoingValue for Host {
    async fn new_outgoing_value(&mut self) -> wasmtime::Result<Resource<Outgoing>> {
        let draft = Draft::new(self.blobs())?;
        Ok(self.table.push(Outgoing(draft))?)
    }

    async fn outgoing_value_write_body(
        &mut self,
        value: Resource<Outgoing>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        let Some(body) = self.table.get(&value)?.0.stream() else { return Ok(Err(())) };
        // Its child: the value cannot be finished while it lives.
        Ok(Ok(self.table.push_child(Box::new(body) as DynOutputStream, &value)?))
    }

    async fn finish(&mut self, value: Resource<Outgoing>) -> Answer<()> {
        let Outgoing(draft) = self.table.delete(value)?;
        draft.finish().await
    }

    async fn drop(&mut self, value: Resource<Outgoing>) -> wasmtime::Result<()> {
        self.table.delete(value)?;
        Ok(())
    }
}

impl types::HostIncomingValue for Host {
    async fn incoming_value_consume_sync(&mut self, value: Resource<Incoming>) -> Answer<Vec<u8>> {
        let value = self.table.delete(value)?;
        let shelf = self.blobs();
        value.all(&shelf).await
    }

    async fn incoming_value_consume_async(
        &mut self,
        value: Resource<Incoming>,
    ) -> Answer<Resource<DynInputStream>> {
        let value = self.table.delete(value)?;
        Ok(Ok(self.table.push(Box::new(Body::new(value)) as DynInputStream)?))
    }

    async fn size(&mut self, value: Resource<Incoming>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&value)?.len())
    }

    async fn drop(&mut self, value: Resource<Incoming>) -> wasmtime::Result<()> {
        self.table.delete(value)?;
        Ok(())
    }
}

impl container::Host for Host {}

impl container::HostContainer for Host {
    async fn name(&mut self, this: Resource<Container>) -> Answer<String> {
        Ok(Ok(self.container(&this)?.name.to_string()))
    }

    async fn info(&mut self, this: Resource<Container>) -> Answer<types::ContainerMetadata> {
        let (this, shelf) = (self.container(&this)?, self.blobs());
        let name = this.name.to_string();
        let created = |store: Arc<dyn BlobStore>| async move { store.created(&name).await };
        let created = told!(shelf.look(&this, created).await?);
        let created_at = match created {
            Some(created) => shelf.told(created),
            None => return Ok(Err("no such container".to_owned())),
        };
        Ok(Ok(types::ContainerMetadata { name: this.name.to_string(), created_at }))
    }

    async fn get_data(
        &mut self,
        this: Resource<Container>,
        name: String,
        start: u64,
        end: u64,
    ) -> Answer<Resource<Incoming>> {
        let (this, shelf) = (self.container(&this)?, self.blobs());
        shelf.named(&name)?;
        let place = shelf.place()?;
        let read = |store: Arc<dyn BlobStore>| {
            let (this, name) = (&this, &name);
            async move { store.read(&this.name, name).await }
        };
        let Some(reader) = told!(shelf.look(&this, read).await?) else {
            return Ok(Err("no such object".to_owned()));
        };
        match Incoming::of(reader, (start, end), place) {
            Some(value) => Ok(Ok(self.table.push(value)?)),
            None => Ok(Err("the object has no such bytes".to_owned())),
        }
    }

    async fn write_data(
        &mut self,
        this: Resource<Container>,
        name: String,
        data: Resource<Outgoing>,
    ) -> Answer<()> {
        let (this, shelf) = (self.container(&this)?, self.blobs());
        let this = told!(shelf.granted(&this.name, Access::ReadWrite));
        let draft = Arc::clone(&self.table.get(&data)?.0);
        draft.name(this, &name).await
    }

    async fn list_objects(&mut self, this: Resource<Container>) -> Answer<Resource<Names>> {
        let container = self.container(&this)?;
        Ok(Ok(self.table.push(Names { container, after: None, ended: false })?))
    }

    async fn delete_object(&mut self, this: Resource<Container>, name: String) -> Answer<()> {
        let this = self.container(&this)?;
        self.blobs().delete(&this, &[name]).await
    }

    async fn delete_objects(
        &mut self,
        this: Resource<Container>,
        names: Vec<String>,
    ) -> Answer<()> {
        let this = self.container(&this)?;
        self.blobs().delete(&this, &names).await
    }

    async fn has_object(&mut self, this: Resource<Container>, name: String) -> Answer<bool> {
        let (this, shelf) = (self.container(&this)?, self.blobs());
        shelf.named(&name)?;
        let info = |store: Arc<dyn BlobStore>| {
            let (this, name) = (&this, &name);
            async move { store.info(&this.name, name).await }
        };
        Ok(shelf.look(&this, info).await?.map(|info| info.is_some()))
    }

    async fn object_info(
        &mut self,
        this: Resource<Container>,
        name: String,
    ) -> Answer<types::ObjectMetadata> {
        let (this, shelf) = (self.container(&this)?, self.blobs());
        shelf.named(&name)?;
        let info = |store: Arc<dyn BlobStore>| {
            let (this, name) = (&this, &name);
            async move { store.info(&this.name, name).await }
        };
        let Some(info) = told!(shelf.look(&this, info).await?) else {
            return Ok(Err("no such object".to_owned()));
        };
        Ok(Ok(types::ObjectMetadata {
            container: this.name.to_string(),
            created_at: shelf.told(info.created),
            size: info.size,
            name,
        }))
    }

    async fn clear(&mut self, this: Resource<Container>) -> Answer<()> {
        let this = self.container(&this)?;
        let clear = |store: Arc<dyn BlobStore>| {
            let this = &this;
            async move { store.clear(&this.name).await }
        };
        self.blobs().change(&this, ("clear", "", 0, 0), clear).await
    }

    async fn drop(&mut self, this: Resource<Container>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl container::HostStreamObjectNames for Host {
    async fn read_stream_object_names(
        &mut self,
        this: Resource<Names>,
        len: u64,
    ) -> Answer<(Vec<String>, bool)> {
        let shelf = self.blobs();
        let names = self.table.get_mut(&this)?;
        let page = told!(shelf.page(names, len).await?);
        Ok(Ok((page, names.ended)))
    }

    async fn skip_stream_object_names(
        &mut self,
        this: Resource<Names>,
        num: u64,
    ) -> Answer<(u64, bool)> {
        let shelf = self.blobs();
        let names = self.table.get_mut(&this)?;
        let mut skipped = 0;
        while skipped < num && !names.ended {
            skipped += told!(shelf.page(names, num - skipped).await?).len() as u64;
        }
        Ok(Ok((skipped, names.ended)))
    }

    async fn drop(&mut self, this: Resource<Names>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl blobstore::Host for Host {
    async fn create_container(&mut self, name: String) -> Answer<Resource<Container>> {
        let shelf = self.blobs();
        let this = told!(shelf.granted(&name, Access::ReadWrite));
        let now = shelf.now();
        let create = |store: Arc<dyn BlobStore>| {
            let this = &this;
            async move { store.create(&this.name, now).await }
        };
        told!(shelf.change(&this, ("create", "", 0, 0), create).await?);
        Ok(Ok(self.table.push(this)?))
    }

    async fn get_container(&mut self, name: String) -> Answer<Resource<Container>> {
        let shelf = self.blobs();
        let this = told!(shelf.granted(&name, Access::ReadOnly));
        let created = |store: Arc<dyn BlobStore>| {
            let this = &this;
            async move { store.created(&this.name).await }
        };
        match told!(shelf.look(&this, created).await?) {
            Some(_) => Ok(Ok(self.table.push(this)?)),
            None => Ok(Err("no such container".to_owned())),
        }
    }

    async fn delete_container(&mut self, name: String) -> Answer<()> {
        let shelf = self.blobs();
        let this = told!(shelf.granted(&name, Access::ReadWrite));
        let remove = |store: Arc<dyn BlobStore>| {
            let this = &this;
            async move { store.remove(&this.name).await }
        };
        shelf.change(&this, ("remove", "", 0, 0), remove).await
    }

    async fn container_exists(&mut self, name: String) -> Answer<bool> {
        let shelf = self.blobs();
        let this = told!(shelf.granted(&name, Access::ReadOnly));
        let created = |store: Arc<dyn BlobStore>| {
            let this = &this;
            async move { store.created(&this.name).await }
        };
        Ok(shelf.look(&this, created).await?.map(|created| created.is_some()))
    }

    async fn copy_object(
        &mut self,
        from: blobstore::ObjectId,
        to: blobstore::ObjectId,
    ) -> Answer<()> {
        let shelf = self.blobs();
        let source = told!(shelf.granted(&from.container, Access::ReadOnly));
        let target = told!(shelf.granted(&to.container, Access::ReadWrite));
        shelf.copy((&source, &from.object), (&target, &to.object)).await
    }

    async fn move_object(
        &mut self,
        from: blobstore::ObjectId,
        to: blobstore::ObjectId,
    ) -> Answer<()> {
        let shelf = self.blobs();
        let source = told!(shelf.granted(&from.container, Access::ReadWrite));
        let target = told!(shelf.granted(&to.container, Access::ReadWrite));
        if (&from.container, &from.object) == (&to.container, &to.object) {
            let (this, name) = (&source, &from.object);
            shelf.named(name)?;
            let info =
                |store: Arc<dyn BlobStore>| async move { store.info(&this.name, name).await };
            let found = told!(shelf.look(this, info).await?);
            return Ok(found.map(drop).ok_or_else(|| "no such object".to_owned()));
        }
        told!(shelf.copy((&source, &from.object), (&target, &to.object)).await?);
        shelf.delete(&source, &[from.object]).await
    }
}
