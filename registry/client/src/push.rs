//! Pushing components and attaching signatures. Decides nothing about what may be pushed or who
//! signs.

use bytes::Bytes;
use longshore_reference::{Descriptor, Digest, Reference, Repository, canonical, media};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use url::Url;

use crate::error::{Error, Result};
use crate::manifest::{self, Artifact};
use crate::progress::Direction;
use crate::referrers::fallback_tag;
use crate::registry::Registry;
use crate::resolve::check_stated;
use crate::transport::{Call, Endpoint, Permission};

const BYTES: &str = "application/octet-stream";

/// Attempts at writing the fallback tag when others write it too.
const TURNS: usize = 4;

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Where it is, pinned.
    pub reference: Reference,
    /// Its manifest: what a signature is about.
    pub manifest: Descriptor,
}

impl Registry {
    /// Pushes a component in the standard wasm layout to the tag of `reference`, or, without a tag,
    /// by digest alone. Blobs that are there already are not sent again.
    ///
    /// # Errors
    ///
    /// When the reference names no registry or is pinned to another digest, and everything that can
    /// go wrong on the way to a registry.
    pub async fn push(
        &self,
        reference: &Reference,
        component: Bytes,
        artifact: &Artifact,
    ) -> Result<Pushed> {
        if reference.registry().is_none() {
            return Err(Error::NoRegistry { reference: reference.to_string() });
        }
        let endpoint = self.transport.endpoint(reference.repository())?;
        let layer = manifest::describe(media::WASM_LAYER, &component);
        let (config, bytes) = manifest::write_component(artifact, &layer).map_err(unwritable)?;
        let manifest = manifest::describe(media::OCI_MANIFEST, &bytes);
        if reference.digest().is_some_and(|pinned| pinned != manifest.digest) {
            let (reference, actual) = (reference.to_string(), manifest.digest);
            return Err(Error::PinnedOtherwise { reference, actual });
        }
        self.push_blob(&endpoint, component).await?;
        self.push_blob(&endpoint, config.into()).await?;
        let name = reference.tag().map_or_else(|| manifest.digest.to_string(), str::to_owned);
        self.put_manifest(&endpoint, &name, media::OCI_MANIFEST, bytes).await?;
        Ok(Pushed { reference: reference.clone().pinned(manifest.digest), manifest })
    }

    /// Attaches a Sigstore bundle to `subject` as cosign 3 does, and returns the digest of the
    /// signature's manifest. Where the registry does not keep referrers itself, the fallback tag is
    /// brought up to date; what others put there stays. `created` is RFC 3339.
    ///
    /// # Errors
    ///
    /// When the bundle is larger than the client's bound, and everything that can go wrong on the
    /// way to a registry.
    pub async fn attach(
        &self,
        repository: &Repository,
        subject: &Descriptor,
        bundle: Bytes,
        created: &str,
    ) -> Result<Digest> {
        let endpoint = self.transport.endpoint(repository)?;
        let limit = self.sizes().bundle;
        if bundle.len() as u64 > limit {
            let (host, what) = (endpoint.host, "the signature bundle".to_owned());
            return Err(Error::TooLarge { host, what, limit });
        }
        let layer = manifest::describe(media::SIGSTORE_BUNDLE, &bundle);
        let bytes = manifest::write_signature(subject, &layer, created).map_err(unwritable)?;
        let mut entry = manifest::describe(media::OCI_MANIFEST, &bytes);
        self.push_blob(&endpoint, bundle).await?;
        self.push_blob(&endpoint, Bytes::from_static(media::OCI_EMPTY_BYTES)).await?;
        let name = entry.digest.to_string();
        let headers = self.put_manifest(&endpoint, &name, media::OCI_MANIFEST, bytes).await?;
        if !headers.contains_key("oci-subject") {
            entry.artifact_type = Some(media::SIGSTORE_BUNDLE.to_owned());
            entry.annotations = manifest::signature_annotations(created);
            self.list(&endpoint, repository, &subject.digest, &entry).await?;
        }
        self.forget_candidates(&repository.clone().with_digest(subject.digest)).await?;
        Ok(entry.digest)
    }

    /// Adds `entry` to the fallback tag of `subject`. Tags cannot be written conditionally, so what
    /// was written is read back, and written again if someone else was faster.
    async fn list(
        &self,
        endpoint: &Endpoint,
        repository: &Repository,
        subject: &Digest,
        entry: &Descriptor,
    ) -> Result<()> {
        for _ in 0..TURNS {
            let mut index = self.fallback(endpoint, subject).await?;
            if is_listed(&index, &entry.digest) {
                return Ok(());
            }
            let added = serde_json::to_value(entry).map_err(unwritable)?;
            if let Some(manifests) = index["manifests"].as_array_mut() {
                manifests.push(added);
            }
            let bytes = canonical::to_vec(&index).map_err(unwritable)?;
            let tag = fallback_tag(subject);
            self.put_manifest(endpoint, &tag, media::OCI_INDEX, bytes).await?;
        }
        if is_listed(&self.fallback(endpoint, subject).await?, &entry.digest) {
            return Ok(());
        }
        Err(Error::Contended { repository: repository.to_string(), digest: *subject })
    }

    /// The index under the fallback tag, with every field that others wrote; a new one where there
    /// is none.
    async fn fallback(&self, endpoint: &Endpoint, subject: &Digest) -> Result<Value> {
        let what = format!("the referrers tag of `{subject}`");
        match self.manifest_bytes(endpoint, &fallback_tag(subject), &what).await {
            Err(error) if error.is_not_found() => Ok(json!({
                "schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": [],
            })),
            Err(error) => Err(error),
            Ok((_, bytes)) => {
                let index = serde_json::from_slice::<Value>(&bytes).ok();
                index.filter(|index| index["manifests"].is_array()).ok_or_else(|| {
                    Error::BrokenAnswer {
                        host: endpoint.host.clone(),
                        what,
                        reason: "it is not an index".into(),
                    }
                })
            }
        }
    }

    async fn put_manifest(
        &self,
        endpoint: &Endpoint,
        name: &str,
        media_type: &'static str,
        bytes: Vec<u8>,
    ) -> Result<HeaderMap> {
        let what = format!("the manifest `{name}`");
        let digest = Digest::of(&bytes);
        let url = endpoint.url(&format!("manifests/{name}"));
        let call = Call::new(Method::PUT, url, &what, Permission::Push);
        let call = call.body(media_type, bytes.into());
        let limit = self.transport.config.timeouts.request;
        let sent = self.transport.send(endpoint, &call);
        let response = self.transport.within(&endpoint.host, limit, sent).await?;
        check_stated(endpoint, &what, response.headers(), digest)?;
        Ok(response.headers().clone())
    }

    async fn push_blob(&self, endpoint: &Endpoint, bytes: Bytes) -> Result<()> {
        let digest = Digest::of(&bytes);
        let total = bytes.len() as u64;
        let what = format!("the blob `{digest}`");
        self.report(Direction::Push, digest, 0, total);
        let url = endpoint.url(&format!("blobs/{digest}"));
        let head = Call::new(Method::HEAD, url, &what, Permission::Push);
        match self.transport.read(endpoint, &head, 0).await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => {
                let limit = self.transport.config.timeouts.blob;
                let upload = self.upload(endpoint, &what, digest, bytes);
                self.transport.within(&endpoint.host, limit, upload).await?;
            }
            Err(error) => return Err(error),
        }
        self.report(Direction::Push, digest, total, total);
        Ok(())
    }

    /// Sends a blob: in one piece if it is small, in several if the registry takes them, and else
    /// in one after all.
    async fn upload(
        &self,
        endpoint: &Endpoint,
        what: &str,
        digest: Digest,
        bytes: Bytes,
    ) -> Result<()> {
        let (session, least) = self.session(endpoint, what).await?;
        let chunk = self.sizes().chunk.max(least).max(1);
        if bytes.len() > chunk {
            match self.upload_pieces(endpoint, what, digest, &bytes, chunk, session).await {
                Err(Error::Status { status: 400 | 405 | 406 | 411 | 415 | 416, .. })
                | Err(Error::ServerFault { status: 501, .. })
                | Err(Error::NotFound { .. }) => {
                    tracing::debug!("{what} is sent in one piece: the registry takes no others");
                }
                other => return other,
            }
            let (session, _) = self.session(endpoint, what).await?;
            return self.finish(endpoint, what, digest, session, bytes).await;
        }
        self.finish(endpoint, what, digest, session, bytes).await
    }

    /// A new upload: where it goes on, and the smallest piece that the registry takes.
    async fn session(&self, endpoint: &Endpoint, what: &str) -> Result<(Url, usize)> {
        let url = endpoint.url("blobs/uploads/");
        let call = Call::new(Method::POST, url, what, Permission::Push);
        let response = self.transport.send(endpoint, &call).await?;
        let least = response.headers().get("oci-chunk-min-length");
        let least = least.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
        Ok((self.onward(endpoint, what, &response)?, least))
    }

    fn onward(&self, endpoint: &Endpoint, what: &str, response: &Response) -> Result<Url> {
        self.transport.location(endpoint, response.url(), response, what)
    }

    async fn upload_pieces(
        &self,
        endpoint: &Endpoint,
        what: &str,
        digest: Digest,
        bytes: &Bytes,
        chunk: usize,
        mut session: Url,
    ) -> Result<()> {
        let mut start = 0;
        while start < bytes.len() {
            let end = bytes.len().min(start + chunk);
            let call = Call::new(Method::PATCH, session, what, Permission::Push);
            let mut call = call.body(BYTES, bytes.slice(start..end));
            // Both ends count, and there is no unit (distribution spec 1.1, "Pushing a blob in
            // chunks").
            let range = HeaderValue::from_str(&format!("{start}-{}", end - 1));
            range.into_iter().for_each(|range| {
                call.headers.insert(header::CONTENT_RANGE, range);
            });
            let response = self.transport.send(endpoint, &call).await?;
            session = self.onward(endpoint, what, &response)?;
            start = end;
            self.report(Direction::Push, digest, start as u64, bytes.len() as u64);
        }
        self.finish(endpoint, what, digest, session, Bytes::new()).await
    }

    async fn finish(
        &self,
        endpoint: &Endpoint,
        what: &str,
        digest: Digest,
        mut session: Url,
        rest: Bytes,
    ) -> Result<()> {
        session.query_pairs_mut().append_pair("digest", &digest.to_string());
        let call = Call::new(Method::PUT, session, what, Permission::Push).body(BYTES, rest);
        let response = self.transport.send(endpoint, &call).await?;
        check_stated(endpoint, what, response.headers(), digest)
    }
}

fn is_listed(index: &Value, digest: &Digest) -> bool {
    let digest = digest.to_string();
    let manifests = index["manifests"].as_array();
    manifests.is_some_and(|listed| listed.iter().any(|entry| entry["digest"] == digest.as_str()))
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::Config { what: "what is to be pushed".into(), source: Some(error.into()) }
}
