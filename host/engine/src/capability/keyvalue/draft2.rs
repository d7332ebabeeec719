//! `wasi:keyvalue@0.2.0-draft2`: its shapes, over the operations next door. Its cursors are the last key that was told.

use wasmtime::component::Resource;

use super::{Bucket, Cas, Refused};
use crate::contract::keyvalue2::{atomics, batch, store};
use crate::host::Host;

impl From<Refused> for store::Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoSuchStore => Self::NoSuchStore,
            Refused::AccessDenied => Self::AccessDenied,
            Refused::Other(why) => Self::Other(why),
        }
    }
}

impl store::Host for Host {
    async fn open(
        &mut self,
        identifier: String,
    ) -> wasmtime::Result<Result<Resource<Bucket>, store::Error>> {
        Ok(self.open_bucket(&identifier)?.map_err(Into::into))
    }
}

impl store::HostBucket for Host {
    async fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, store::Error>> {
        let bucket = self.bucket(&bucket)?;
        Ok(self.shelf().get(&bucket, &key).await?.map_err(Into::into))
    }

    async fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), store::Error>> {
        let bucket = self.bucket(&bucket)?;
        Ok(self.shelf().set(&bucket, &key, &value).await?.map_err(Into::into))
    }

    async fn delete(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<(), store::Error>> {
        let bucket = self.bucket(&bucket)?;
        Ok(self.shelf().delete(&bucket, &key).await?.map_err(Into::into))
    }

    async fn exists(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<bool, store::Error>> {
        let bucket = self.bucket(&bucket)?;
        let found = self.shelf().get(&bucket, &key).await?;
        Ok(found.map(|value| value.is_some()).map_err(Into::into))
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> wasmtime::Result<Result<store::KeyResponse, store::Error>> {
        let bucket = self.bucket(&bucket)?;
        let page = self.shelf().list(&bucket, cursor.as_deref()).await?;
        Ok(page.map_err(store::Error::from).map(|(keys, more)| {
            let cursor = keys.last().filter(|_| more).cloned();
            store::KeyResponse { keys, cursor }
        }))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl batch::Host for Host {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Option<(String, Vec<u8>)>>, store::Error>> {
        let bucket = self.bucket(&bucket)?;
        Ok(self.shelf().get_many(&bucket, keys).await?.map_err(Into::into))
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        key_values: Vec<(String, Vec<u8>)>,
    ) -> wasmtime::Result<Result<(), store::Error>> {
        let bucket = self.bucket(&bucket)?;
        Ok(self.shelf().set_many(&bucket, key_values).await?.map_err(Into::into))
    }

    async fn delete_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<(), store::Error>> {
        let bucket = self.bucket(&bucket)?;
        Ok(self.shelf().delete_many(&bucket, keys).await?.map_err(Into::into))
    }
}

impl atomics::Host for Host {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> wasmtime::Result<Result<i64, store::Error>> {
        let bucket = self.bucket(&bucket)?;
        Ok(self.shelf().increment(&bucket, &key, delta).await?.map_err(Into::into))
    }

    async fn swap(
        &mut self,
        cas: Resource<Cas>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let mut cas = self.table.delete(cas)?;
        let shelf = self.shelf();
        match shelf.swap(&cas, &value).await? {
            Ok(true) => Ok(Ok(())),
            Err(refused) => Ok(Err(atomics::CasError::StoreError(refused.into()))),
            Ok(false) => match shelf.get(&cas.bucket, &cas.key).await? {
                Ok(now) => {
                    cas.held = shelf.hold(&self.holdings, now.as_deref())?;
                    cas.seen = now;
                    Ok(Err(atomics::CasError::CasFailed(self.table.push(cas)?)))
                }
                Err(refused) => Ok(Err(atomics::CasError::StoreError(refused.into()))),
            },
        }
    }
}

impl atomics::HostCas for Host {
    async fn new(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Resource<Cas>, store::Error>> {
        let bucket = self.bucket(&bucket)?;
        let shelf = self.shelf();
        match shelf.get(&bucket, &key).await? {
            Ok(seen) => {
                let held = shelf.hold(&self.holdings, seen.as_deref())?;
                Ok(Ok(self.table.push(Cas { bucket, key, seen, held })?))
            }
            Err(refused) => Ok(Err(refused.into())),
        }
    }

    async fn current(
        &mut self,
        cas: Resource<Cas>,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, store::Error>> {
        Ok(Ok(self.table.get(&cas)?.seen.clone()))
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}
