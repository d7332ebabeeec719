//! From a reference to a digest: the lockfile's or the reference's own, or what the registry says
//! of a tag.

use std::sync::Arc;

use longshore_reference::{Digest, Reference, Resolved};
use reqwest::header::{self, HeaderMap};

use crate::cache::Kind;
use crate::error::{Error, Result};
use crate::manifest;
use crate::registry::Registry;
use crate::transport::{Call, Endpoint};

const STATED_DIGEST: &str = "docker-content-digest";

/// A manifest's bytes, which have that digest.
struct Found {
    digest: Digest,
    /// What the registry called it.
    content_type: Option<String>,
    bytes: Vec<u8>,
    /// Whether it came from a registry, not from the cache.
    fresh: bool,
}

impl Registry {
    /// What `reference` is: its manifest, whose digest was checked, and the one wasm layer in it.
    ///
    /// A digest is answered from the cache where it can be. A tag is always asked for, unless the
    /// client is offline: then it is what it was when last seen.
    ///
    /// # Errors
    ///
    /// When the reference names no registry, neither tag nor digest, or no component, and
    /// everything that can go wrong on the way to a registry.
    pub async fn resolve(&self, reference: &Reference) -> Result<Resolved> {
        if reference.registry().is_none() {
            return Err(Error::NoRegistry { reference: reference.to_string() });
        }
        let endpoint = self.transport.endpoint(reference.repository())?;
        let found = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => self.pinned(&endpoint, digest).await?,
            (None, Some(tag)) => self.tagged(&endpoint, reference, tag).await?,
            (None, None) => return Err(Error::NoVersion { reference: reference.to_string() }),
        };
        let Found { digest, content_type, bytes, fresh } = found;
        let pinned = reference.clone().pinned(digest);
        let component =
            manifest::component(&reference.to_string(), content_type.as_deref(), &bytes)?;
        if let Some(cache) = self.cache.as_ref().filter(|_| fresh) {
            cache.write(Kind::Manifest, &digest, &bytes).await?;
            if reference.digest().is_none() {
                cache.remember_tag(reference, digest).await?;
            }
        }
        Ok(Resolved {
            manifest: manifest::describe(&component.media_type, &bytes),
            reference: pinned,
            manifest_bytes: Arc::from(bytes),
            layer: component.layer,
        })
    }

    async fn pinned(&self, endpoint: &Endpoint, digest: Digest) -> Result<Found> {
        let offline = self.is_offline();
        if let Some(cache) = &self.cache {
            let limit = self.sizes().manifest;
            if let Some(bytes) = cache.read_checked(Kind::Manifest, &digest, limit, offline).await?
            {
                return Ok(Found { digest, content_type: None, bytes, fresh: false });
            }
        }
        let what = format!("the manifest `{digest}`");
        let (headers, bytes) = self.manifest_bytes(endpoint, &digest.to_string(), &what).await?;
        let actual = Digest::of(&bytes);
        if actual != digest {
            let host = endpoint.host.clone();
            return Err(Error::WrongDigest { host, what, promised: digest, actual });
        }
        Ok(Found { digest, content_type: content_type(&headers), bytes, fresh: true })
    }

    async fn tagged(&self, endpoint: &Endpoint, reference: &Reference, tag: &str) -> Result<Found> {
        if self.is_offline() {
            let known = match &self.cache {
                Some(cache) => cache.recall_tag(reference).await?,
                None => None,
            };
            let what = format!("`{reference}`");
            return self.pinned(endpoint, known.ok_or(Error::Offline { what })?).await;
        }
        let what = format!("the manifest `{tag}`");
        let (headers, bytes) = self.manifest_bytes(endpoint, tag, &what).await?;
        let digest = Digest::of(&bytes);
        Ok(Found { digest, content_type: content_type(&headers), bytes, fresh: true })
    }

    /// A manifest's bytes; the digest that the registry states for them, if any, is theirs.
    pub(crate) async fn manifest_bytes(
        &self,
        endpoint: &Endpoint,
        name: &str,
        what: &str,
    ) -> Result<(HeaderMap, Vec<u8>)> {
        let url = endpoint.url(&format!("manifests/{name}"));
        let call = Call::get(url, what).accept(manifest::ACCEPT);
        let (headers, bytes) = self.transport.read(endpoint, &call, self.sizes().manifest).await?;
        check_stated(endpoint, what, &headers, Digest::of(&bytes))?;
        Ok((headers, bytes))
    }
}

/// That `Docker-Content-Digest`, where it is a SHA-256, is `actual`.
pub(crate) fn check_stated(
    endpoint: &Endpoint,
    what: &str,
    headers: &HeaderMap,
    actual: Digest,
) -> Result<()> {
    let stated = headers.get(STATED_DIGEST).and_then(|value| value.to_str().ok());
    match stated.filter(|text| text.starts_with("sha256:")) {
        Some(text) if text != actual.to_string() => Err(Error::StatedDigest {
            host: endpoint.host.clone(),
            what: what.to_owned(),
            stated: text.chars().take(96).collect(),
            actual,
        }),
        _ => Ok(()),
    }
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok().map(str::to_owned)
}
