//! The first two stages of the path, as plain data: what a reference resolved to, and what was fetched for it.
//!
//! They live here because the client makes them and trust judges them, and neither may import the other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Digest, Reference};

/// An OCI descriptor, as far as we use it (image spec 1.1, "Descriptor"). `urls` are never followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type.
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The length of the content in bytes.
    pub size: u64,
    /// The artifact type, where an index states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A reference that was resolved: from here on only digests are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// What was asked for, pinned to the manifest's digest; its registry is always named.
    pub reference: Reference,
    /// The manifest: media type, digest, size.
    pub manifest: Descriptor,
    /// The manifest's bytes, which have that digest.
    pub manifest_bytes: Arc<[u8]>,
    /// The one wasm layer that the manifest lists.
    pub layer: Descriptor,
}

/// Where fetched bytes came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A registry; the reference is pinned to the manifest's digest and names its registry.
    Registry(Reference),
    /// A file or folder that the operator named; only its last path component is kept.
    File(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::File(name) => f.write_str(name),
        }
    }
}

/// Something that claims to be a signature of the artifact. Nothing about it has been checked.
#[derive(Clone, PartialEq, Eq)]
pub enum Candidate {
    /// The JSON of a Sigstore bundle.
    Bundle(Vec<u8>),
    /// A legacy cosign signature: the signed payload and the annotation's text.
    Legacy {
        /// The simple-signing payload.
        payload: Vec<u8>,
        /// Base64 of the ASN.1 ECDSA signature.
        signature: String,
    },
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundle(bytes) => write!(f, "Bundle({} bytes)", bytes.len()),
            Self::Legacy { payload, .. } => write!(f, "Legacy({} bytes)", payload.len()),
        }
    }
}

/// Who vouched for a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Signer {
    /// The name of the requirement in the trust policy that was satisfied, or `local` for a file that the operator named.
    pub name: String,
    /// SHA-256 of the public key's SPKI DER; none for a local file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Digest>,
}

/// Bytes that do not have the digest that was promised for them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the bytes have the digest `{actual}`, not `{promised}`")]
pub struct Mismatch {
    /// What was promised.
    pub promised: Digest,
    /// What came.
    pub actual: Digest,
}

/// A component's bytes with their digest, and whatever claims to vouch for them. Cannot be made with bytes that do not
/// have the digest.
#[derive(Clone, Debug)]
pub struct Fetched {
    source: Source,
    manifest: Option<Digest>,
    digest: Digest,
    bytes: Arc<[u8]>,
    candidates: Vec<Candidate>,
}

impl Fetched {
    /// Bytes from a registry, checked against the layer's digest in `resolved`.
    ///
    /// # Errors
    ///
    /// [`Mismatch`] when the bytes have another digest.
    pub fn from_registry(
        resolved: &Resolved,
        bytes: impl Into<Arc<[u8]>>,
        candidates: Vec<Candidate>,
    ) -> Result<Self, Mismatch> {
        let bytes = bytes.into();
        let (promised, actual) = (resolved.layer.digest, Digest::of(&bytes));
        if promised != actual {
            return Err(Mismatch { promised, actual });
        }
        Ok(Self {
            source: Source::Registry(resolved.reference.clone()),
            manifest: Some(resolved.manifest.digest),
            digest: actual,
            bytes,
            candidates,
        })
    }

    /// Bytes of a file that the operator named as `name`.
    #[must_use]
    pub fn from_file(name: &str, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned();
        Self {
            source: Source::File(name),
            manifest: None,
            digest: Digest::of(&bytes),
            bytes,
            candidates: Vec::new(),
        }
    }

    /// Where the bytes came from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The digest of the OCI manifest: what signatures are about.
    #[must_use]
    pub fn manifest(&self) -> Option<Digest> {
        self.manifest
    }

    /// The digest of the component's bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The component's bytes.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// What claims to vouch for it, unchecked.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }
}
