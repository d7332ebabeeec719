//! Finding what claims to be a signature: the referrers API (distribution spec 1.1), its fallback
//! tag, and cosign's legacy tag. Judges nothing but shape; that a registry fails or refuses is an
//! error, never "no signatures".

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use longshore_reference::{Candidate, Descriptor, Digest, Reference, Resolved, media};
use serde::Deserialize;

use crate::cache::Kind;
use crate::error::{Error, Result};
use crate::manifest;
use crate::registry::Registry;
use crate::tags;
use crate::transport::{Call, Endpoint};

/// Referrers that are read at the same time.
const AT_ONCE: usize = 8;

/// The tag under which referrers of `digest` are listed where the registry has no API for them.
pub(crate) fn fallback_tag(digest: &Digest) -> String {
    format!("sha256-{}", digest.hex())
}

#[derive(Deserialize)]
struct Listing {
    manifests: Vec<serde_json::Value>,
}

impl Registry {
    /// Looks for signatures again, keeps what is found, and says how many there are.
    ///
    /// # Errors
    ///
    /// Everything that can go wrong on the way to a registry; what was kept before stays then.
    pub async fn refresh_signatures(&self, resolved: &Resolved) -> Result<usize> {
        let of = subject_of(resolved);
        Ok(self.ask_candidates(&of, resolved.manifest.digest).await?.len())
    }

    pub(crate) async fn candidates(
        &self,
        resolved: &Resolved,
        offline: bool,
    ) -> Result<Vec<Candidate>> {
        let of = subject_of(resolved);
        if let Some(cache) = &self.cache {
            let sizes = self.sizes();
            let limit = sizes.bundle.saturating_mul(2 * sizes.referrers as u64);
            // That there were none is not kept for long: the next fetch may look again.
            match cache.candidates(&of, limit).await? {
                Some(known) if !known.is_empty() || offline => return Ok(known),
                _ => {}
            }
        }
        if offline {
            return Ok(Vec::new());
        }
        self.ask_candidates(&of, resolved.manifest.digest).await
    }

    /// Forgets the signatures of `of`, so that the next fetch looks for them.
    pub(crate) async fn forget_candidates(&self, of: &Reference) -> Result<()> {
        if let Some(cache) = &self.cache {
            cache.remove(Kind::Signatures, &Digest::of(of.to_string().as_bytes())).await?;
        }
        Ok(())
    }

    async fn ask_candidates(&self, of: &Reference, subject: Digest) -> Result<Vec<Candidate>> {
        let endpoint = &self.transport.endpoint(of.repository())?;
        let listed = self.referrers(endpoint, &subject).await?;
        let bundles = stream::iter(listed)
            .map(|entry| self.bundle(endpoint, subject, entry))
            .buffered(AT_ONCE)
            .try_collect::<Vec<_>>();
        let mut found: Vec<_> = bundles.await?.into_iter().flatten().collect();
        found.extend(self.legacy(endpoint, &subject).await?);
        if let Some(cache) = &self.cache {
            cache.write_candidates(of, &found).await?;
        }
        Ok(found)
    }

    /// All that refers to `subject`, of any type: what cosign writes into the fallback tag has the
    /// wrong one.
    async fn referrers(&self, endpoint: &Endpoint, subject: &Digest) -> Result<Vec<Descriptor>> {
        let what = format!("the referrers of `{subject}`");
        let limit = self.sizes().referrers;
        let mut url = endpoint.url(&format!("referrers/{subject}"));
        let mut found = Vec::new();
        loop {
            let call = Call::get(url.clone(), &what).accept(media::OCI_INDEX);
            let (headers, bytes) =
                match self.transport.read(endpoint, &call, self.sizes().manifest).await {
                    Err(error) if error.is_not_found() && found.is_empty() => break,
                    other => other?,
                };
            found.extend(entries(endpoint, &what, &bytes)?);
            match tags::next_page(&self.transport, endpoint, &url, &headers)? {
                Some(next) if found.len() < limit && next != url => url = next,
                _ => return Ok(bounded(found, limit, subject)),
            }
        }
        let what = format!("the referrers tag of `{subject}`");
        match self.manifest_bytes(endpoint, &fallback_tag(subject), &what).await {
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
            Ok((_, bytes)) => Ok(bounded(entries(endpoint, &what, &bytes)?, limit, subject)),
        }
    }

    /// The bundle in a referrer. A referrer that is no signature, or is broken, is none: anyone who
    /// may push can add one, and must not be able to hide the others.
    async fn bundle(
        &self,
        endpoint: &Endpoint,
        subject: Digest,
        entry: Descriptor,
    ) -> Result<Option<Candidate>> {
        let skip = |reason: &str| tracing::debug!(digest = %entry.digest, "no signature: {reason}");
        if entry.size > self.sizes().manifest {
            skip("its manifest is too large");
            return Ok(None);
        }
        let bytes = match self.small(endpoint, "manifests", &entry).await {
            Err(error) if error.is_not_found() => {
                skip("it is listed and not there");
                return Ok(None);
            }
            other => other?,
        };
        let Ok(image) = manifest::image(&bytes) else {
            skip("it is no image manifest");
            return Ok(None);
        };
        let refers = image.subject.as_ref().is_some_and(|s| s.digest == subject.to_string());
        let [layer] = image.layers.as_slice() else {
            skip("it has not one layer");
            return Ok(None);
        };
        if !refers || layer.media_type != media::SIGSTORE_BUNDLE {
            skip("it is of another kind");
            return Ok(None);
        }
        match manifest::descriptor(layer) {
            Ok(layer) if layer.size <= self.sizes().bundle => {
                self.small(endpoint, "blobs", &layer).await.map(|b| Some(Candidate::Bundle(b)))
            }
            _ => {
                tracing::warn!(digest = %entry.digest, "a signature was left out: it is too large");
                Ok(None)
            }
        }
    }

    /// The signatures under cosign's legacy tag.
    async fn legacy(&self, endpoint: &Endpoint, subject: &Digest) -> Result<Vec<Candidate>> {
        let what = format!("the legacy signatures of `{subject}`");
        let tag = format!("{}.sig", fallback_tag(subject));
        let bytes = match self.manifest_bytes(endpoint, &tag, &what).await {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            other => other?.1,
        };
        let Ok(image) = manifest::image(&bytes) else {
            tracing::warn!(tag, "legacy signatures were left out: that is no image manifest");
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for layer in image.layers.iter().take(self.sizes().referrers) {
            let Ok(layer) = manifest::descriptor(layer) else { continue };
            let signature = layer.annotations.get(media::COSIGN_SIGNATURE);
            if layer.media_type != media::COSIGN_SIMPLE_SIGNING || layer.size > self.sizes().bundle
            {
                continue;
            }
            if let Some(signature) = signature.cloned() {
                let payload = self.small(endpoint, "blobs", &layer).await?;
                found.push(Candidate::Legacy { payload, signature });
            }
        }
        Ok(found)
    }
}

/// What signatures are about: the manifest by digest, in its repository, whatever tag led there.
fn subject_of(resolved: &Resolved) -> Reference {
    resolved.reference.repository().clone().with_digest(resolved.manifest.digest)
}

fn entries(endpoint: &Endpoint, what: &str, bytes: &[u8]) -> Result<Vec<Descriptor>> {
    let listing: Listing = serde_json::from_slice(bytes).map_err(|error| Error::BrokenAnswer {
        host: endpoint.host.clone(),
        what: what.to_owned(),
        reason: error.to_string(),
    })?;
    // One entry that cannot be read, for example with a SHA-512 digest, must not hide the others.
    Ok(listing.manifests.into_iter().filter_map(|v| serde_json::from_value(v).ok()).collect())
}

fn bounded(mut found: Vec<Descriptor>, limit: usize, subject: &Digest) -> Vec<Descriptor> {
    if found.len() > limit {
        tracing::warn!(%subject, "only the first {limit} of {} referrers are read", found.len());
        found.truncate(limit);
    }
    found
}
