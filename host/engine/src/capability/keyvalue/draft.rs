//! `wasi:keyvalue@0.2.0-draft`: its shapes, over the operations next door. Its cursors are numbers: how many keys were told.

use wasmtime::component::Resource;

use super::{Bucket, PAGE, Refused};
use crate::contract::keyvalue1::{atomics, batch, store};
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
        cursor: Option<u64>,
    ) -> wasmtime::Result<Result<store::KeyResponse, store::Error>> {
        let (bucket, shelf) = (self.bucket(&bucket)?, self.shelf());
        // A number cannot say after which key to go on, so the pages before are gone through again.
        let (told, mut passed) = (cursor.unwrap_or(0), 0);
        let mut after: Option<String> = None;
        loop {
            let (keys, more) = match shelf.list(&bucket, after.as_deref()).await? {
                Ok(page) => page,
                Err(refused) => return Ok(Err(refused.into())),
            };
            if passed >= told {
                let cursor = more.then_some(told + PAGE as u64);
                return Ok(Ok(store::KeyResponse { keys, cursor }));
            }
            passed += PAGE as u64;
            match keys.into_iter().next_back() {
                Some(last) if more => after = Some(last),
                _ => return Ok(Ok(store::KeyResponse { keys: Vec::new(), cursor: None })),
            }
        }
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
        delta: u64,
    ) -> wasmtime::Result<Result<u64, store::Error>> {
        let bucket = self.bucket(&bucket)?;
        let Ok(delta) = i64::try_from(delta) else {
            return Ok(Err(store::Error::Other("the step is larger than 63 bits".to_owned())));
        };
        let sum = self.shelf().increment(&bucket, &key, delta).await?;
        Ok(sum.map_err(store::Error::from).and_then(|sum| {
            u64::try_from(sum).map_err(|_| store::Error::Other("the sum is negative".to_owned()))
        }))
    }
}
