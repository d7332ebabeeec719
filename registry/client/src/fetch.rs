//! From a digest to a component's bytes: out of the cache, or streamed from the registry into it.

use longshore_reference::{Descriptor, Fetched, Hasher, Mismatch, Resolved};
use reqwest::Response;
use tokio::io::AsyncWriteExt as _;

use crate::cache::Kind;
use crate::error::{Error, Result};
use crate::progress::Direction;
use crate::registry::Registry;
use crate::transport::{Call, Endpoint};

impl Registry {
    /// The component that `resolved` names, with everything that claims to be a signature of it.
    ///
    /// Cached bytes are hashed again; damaged ones are removed and fetched anew. Signatures that
    /// were seen are kept beside the component, so that a second fetch needs no network;
    /// [`Registry::refresh_signatures`] looks again.
    ///
    /// # Errors
    ///
    /// When the bytes are not those that the manifest promises, when the disk is full, and
    /// everything that can go wrong on the way to a registry. Nothing is left behind then.
    pub async fn fetch(&self, resolved: &Resolved) -> Result<Fetched> {
        self.fetch_as(resolved, self.is_offline()).await
    }

    /// The same from the cache alone, whatever the client's settings are.
    ///
    /// # Errors
    ///
    /// When the component is not in the cache, or damaged there.
    pub async fn fetch_offline(&self, resolved: &Resolved) -> Result<Fetched> {
        self.fetch_as(resolved, true).await
    }

    async fn fetch_as(&self, resolved: &Resolved, offline: bool) -> Result<Fetched> {
        let layer = &resolved.layer;
        let limit = self.sizes().component;
        if layer.size > limit {
            let (reference, size) = (resolved.reference.to_string(), layer.size);
            return Err(Error::BlobLimit { reference, size, limit });
        }
        if let Some(cache) = &self.cache
            && let Some(bytes) = cache.read(Kind::Blob, &layer.digest, layer.size).await?
        {
            // Hashed once, where `Fetched` is made.
            match Fetched::from_registry(resolved, bytes, Vec::new()) {
                Ok(found) => {
                    let candidates = self.candidates(resolved, offline).await?;
                    return Fetched::from_registry(resolved, found.bytes().clone(), candidates)
                        .map_err(|mismatch| changed(&resolved.reference.to_string(), &mismatch));
                }
                Err(_) => cache.discard(Kind::Blob, &layer.digest, offline).await?,
            }
        }
        if offline {
            return Err(Error::Offline {
                what: format!("the component of `{}`", resolved.reference),
            });
        }
        let endpoint = self.transport.endpoint(resolved.reference.repository())?;
        let limit = self.transport.config.timeouts.blob;
        let bytes = self.transport.retry(&endpoint.host, limit, || self.download(&endpoint, layer));
        let bytes = bytes.await?;
        let candidates = self.candidates(resolved, offline).await?;
        Fetched::from_registry(resolved, bytes, candidates)
            .map_err(|mismatch| changed(&endpoint.host, &mismatch))
    }

    /// One attempt. The file in the making goes away with any error, and when the caller gives up.
    async fn download(&self, endpoint: &Endpoint, layer: &Descriptor) -> Result<Vec<u8>> {
        let what = format!("the blob `{}`", layer.digest);
        let url = endpoint.url(&format!("blobs/{}", layer.digest));
        let mut response = self.transport.send(endpoint, &Call::get(url, &what)).await?;
        let Some(cache) = &self.cache else {
            return self.receive(endpoint, layer, &what, &mut response, None).await;
        };
        let mut partial = cache.partial(Kind::Blob).await?;
        let sink = Some(&mut partial.file);
        let bytes = self.receive(endpoint, layer, &what, &mut response, sink).await?;
        cache.keep(partial, &layer.digest).await?;
        Ok(bytes)
    }

    /// The answer's body, which has exactly the descriptor's size and digest, also written to
    /// `sink`.
    async fn receive(
        &self,
        endpoint: &Endpoint,
        layer: &Descriptor,
        what: &str,
        response: &mut Response,
        mut sink: Option<&mut tokio::fs::File>,
    ) -> Result<Vec<u8>> {
        let (host, what) = (|| endpoint.host.clone(), || what.to_owned());
        let promised = layer.size;
        let long = || Error::TooLong { host: host(), what: what(), promised };
        let short = |actual| Error::TooShort { host: host(), what: what(), promised, actual };
        let disk = |error| match &self.cache {
            Some(cache) => cache.failed(error),
            None => Error::Cache { path: String::new(), source: error },
        };
        match response.content_length() {
            Some(length) if length > promised => return Err(long()),
            Some(length) if length < promised => return Err(short(length)),
            _ => {}
        }
        let mut bytes = Vec::new();
        let mut hasher = Hasher::new();
        self.report(Direction::Pull, layer.digest, 0, promised);
        while let Some(chunk) = self.transport.chunk(response, &what()).await? {
            if bytes.len() as u64 + chunk.len() as u64 > promised {
                return Err(long());
            }
            hasher.update(&chunk);
            bytes.extend_from_slice(&chunk);
            if let Some(sink) = sink.as_deref_mut() {
                sink.write_all(&chunk).await.map_err(&disk)?;
            }
            self.report(Direction::Pull, layer.digest, bytes.len() as u64, promised);
        }
        if (bytes.len() as u64) < promised {
            return Err(short(bytes.len() as u64));
        }
        let actual = hasher.finish();
        if actual != layer.digest {
            let promised = layer.digest;
            return Err(Error::WrongDigest { host: host(), what: what(), promised, actual });
        }
        if let Some(sink) = sink {
            sink.flush().await.map_err(&disk)?;
        }
        Ok(bytes)
    }

    /// The bytes of a small blob or manifest that a descriptor names, checked against it.
    pub(crate) async fn small(
        &self,
        endpoint: &Endpoint,
        folder: &str,
        descriptor: &Descriptor,
    ) -> Result<Vec<u8>> {
        let Descriptor { digest: promised, size, .. } = *descriptor;
        let what = format!("`{promised}`");
        let call = Call::get(endpoint.url(&format!("{folder}/{promised}")), &what);
        let call = call.accept("application/vnd.oci.image.manifest.v1+json, */*");
        let host = || endpoint.host.clone();
        let (_, bytes) = match self.transport.read(endpoint, &call, size).await {
            Err(Error::TooLarge { host, what, .. }) => {
                return Err(Error::TooLong { host, what, promised: size });
            }
            other => other?,
        };
        let actual = bytes.len() as u64;
        if actual < size {
            return Err(Error::TooShort { host: host(), what, promised: size, actual });
        }
        let actual = longshore_reference::Digest::of(&bytes);
        if actual != promised {
            return Err(Error::WrongDigest { host: host(), what, promised, actual });
        }
        Ok(bytes)
    }
}

fn changed(host: &str, mismatch: &Mismatch) -> Error {
    Error::WrongDigest {
        host: host.to_owned(),
        what: "the component".into(),
        promised: mismatch.promised,
        actual: mismatch.actual,
    }
}

#[cfg(test)]
mod tests {
    use longshore_reference::media;

    use super::*;
    use crate::config::ClientConfig;
    use crate::manifest::describe;

    #[tokio::test]
    async fn a_disk_that_fills_up_while_a_component_comes_in_has_its_own_error() {
        let config = ClientConfig { cache: Some("/cache".into()), ..ClientConfig::default() };
        let registry = Registry::new(config);
        let repository = "localhost/x".parse().unwrap();
        let endpoint = registry.transport.endpoint(&repository).unwrap();
        let layer = describe(media::WASM_LAYER, b"bytes");
        for path in ["/dev/full", "/dev/null"] {
            let mut response = Response::from(http::Response::new("bytes"));
            let file = std::fs::File::options().write(true).open(path).unwrap();
            let mut file = tokio::fs::File::from_std(file);
            let result =
                registry.receive(&endpoint, &layer, "it", &mut response, Some(&mut file)).await;
            match path {
                "/dev/null" => assert_eq!(result.unwrap(), b"bytes"),
                _ => assert_eq!(result.unwrap_err().code(), "LS-REG-028"),
            }
        }
    }
}
