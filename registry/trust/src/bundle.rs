//! Sigstore bundles of version 0.3, signed with a key, byte for byte of the shape that cosign 3
//! writes and reads. Certificates are recognised and refused; transparency-log entries and
//! timestamps are let pass and not relied on.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longshore_reference::{Digest, Reference, media};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::dsse::{self, Envelope};
use crate::{Error, PrivateKey, PublicKey};

/// The most bytes of JSON that are read as a bundle.
pub const MAX_BYTES: usize = 1 << 20;

/// A bundle that was read. Nothing about it has been checked until [`Bundle::verify`].
#[derive(Clone, Debug)]
pub struct Bundle {
    hint: String,
    envelope: Envelope,
}

/// An in-toto statement, as far as a signature needs it (in-toto attestation framework 1.0,
/// "Statement").
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Statement {
    /// `https://in-toto.io/Statement/v1` in what cosign signs.
    #[serde(rename = "_type")]
    pub kind: String,
    /// What it is about.
    pub subject: Vec<Subject>,
    /// What the predicate says.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// Empty in a signature; not interpreted.
    #[serde(default)]
    predicate: serde_json::Value,
}

/// What a statement is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subject {
    /// Digests by algorithm, in hex.
    pub digest: BTreeMap<String, String>,
    /// Signed annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    media_type: String,
    verification_material: Material,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dsse_envelope: Option<dsse::Wire>,
    #[serde(default, skip_serializing)]
    message_signature: Option<IgnoredAny>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Material {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<Hint>,
    #[serde(default, skip_serializing)]
    certificate: Option<IgnoredAny>,
    #[serde(default, skip_serializing)]
    x509_certificate_chain: Option<IgnoredAny>,
    #[serde(default, skip_serializing, rename = "tlogEntries")]
    _log: Option<IgnoredAny>,
    #[serde(default, skip_serializing, rename = "timestampVerificationData")]
    _timestamps: Option<IgnoredAny>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hint {
    #[serde(default)]
    hint: String,
}

/// The annotations that bind a signature to where the artifact is published: `repository` (the
/// path, without the registry, so that a mirror of the registry verifies) and, where a tag is
/// named, `version`.
#[must_use]
pub fn annotations_for(reference: &Reference) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    annotations.insert("repository".to_owned(), reference.repository().path().to_owned());
    if let Some(tag) = reference.tag() {
        annotations.insert("version".to_owned(), tag.to_owned());
    }
    annotations
}

/// Signs a component: the JSON of a bundle about the OCI manifest with that digest, with signed
/// annotations (see [`annotations_for`]).
///
/// # Errors
///
/// [`Error::Signing`].
pub fn sign_component(
    key: &PrivateKey,
    manifest: Digest,
    annotations: &BTreeMap<String, String>,
) -> Result<Vec<u8>, Error> {
    let statement = Statement {
        kind: media::IN_TOTO_STATEMENT.to_owned(),
        subject: vec![Subject {
            digest: BTreeMap::from([("sha256".to_owned(), manifest.hex())]),
            annotations: annotations.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect(),
        }],
        predicate_type: media::COSIGN_SIGN_PREDICATE.to_owned(),
        predicate: serde_json::json!({}),
    };
    let payload = serde_json::to_vec(&statement).map_err(|_| Error::Signing)?;
    let envelope = Envelope::sign(key, media::IN_TOTO, payload, false)?;
    let wire = Wire {
        media_type: media::SIGSTORE_BUNDLE.to_owned(),
        verification_material: Material {
            public_key: Some(Hint { hint: STANDARD.encode(key.public_key().key_id().as_bytes()) }),
            certificate: None,
            x509_certificate_chain: None,
            _log: None,
            _timestamps: None,
        },
        dsse_envelope: Some(envelope.to_wire()),
        message_signature: None,
    };
    serde_json::to_vec(&wire).map_err(|_| Error::Signing)
}

impl Bundle {
    /// Reads the JSON of a bundle, at most [`MAX_BYTES`]; unknown fields are refused.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`]; [`Error::Keyless`] for a bundle with a certificate.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_BYTES {
            return Err(Error::malformed("the bundle is larger than 1 MiB"));
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(|source| Error::Malformed {
            reason: "it is not a Sigstore bundle",
            source: Some(source),
        })?;
        if wire.media_type != media::SIGSTORE_BUNDLE {
            return Err(Error::malformed("the bundle's media type is not that of version 0.3"));
        }
        let material = wire.verification_material;
        if material.certificate.is_some() || material.x509_certificate_chain.is_some() {
            return Err(Error::Keyless);
        }
        let hint = material.public_key.ok_or(Error::malformed("the bundle names no key"))?.hint;
        if wire.message_signature.is_some() {
            return Err(Error::malformed("the bundle signs a raw message, not a statement"));
        }
        let envelope = wire.dsse_envelope.ok_or(Error::malformed("the bundle has no envelope"))?;
        Ok(Self { hint, envelope: Envelope::from_wire(envelope)? })
    }

    /// The id of the key that the bundle claims, unchecked; none when the hint is not in cosign's
    /// form.
    #[must_use]
    pub fn claimed_key(&self) -> Option<Digest> {
        let raw = STANDARD.decode(&self.hint).ok()?;
        raw.try_into().ok().map(Digest::from_bytes)
    }

    /// The statement, once `key` is shown to have signed it.
    ///
    /// # Errors
    ///
    /// [`Error::BadSignature`]; [`Error::Malformed`] when what was signed is not a statement.
    pub fn verify(&self, key: &PublicKey) -> Result<Statement, Error> {
        Statement::parse(self.envelope.verify(media::IN_TOTO, key)?)
    }

    /// The statement, unchecked: for showing, never for deciding.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`].
    pub fn statement_unverified(&self) -> Result<Statement, Error> {
        Statement::parse(self.envelope.payload_unverified())
    }
}

impl Statement {
    fn parse(payload: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(payload).map_err(|source| Error::Malformed {
            reason: "what was signed is not an in-toto statement",
            source: Some(source),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> (PrivateKey, String) {
        let key = PrivateKey::generate(&[1; 32]).unwrap();
        let annotations = annotations_for(&"r.example/a/b:1.0.0".parse().unwrap());
        let bytes = sign_component(&key, Digest::of(b"manifest"), &annotations).unwrap();
        (key, String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_bundle_binds_digest_repository_and_version() {
        let (key, text) = signed();
        let bundle = Bundle::parse(text.as_bytes()).unwrap();
        assert_eq!(bundle.claimed_key(), Some(key.public_key().key_id()));
        let payload = String::from_utf8(bundle.envelope.payload_unverified().to_vec()).unwrap();
        assert_eq!(
            payload,
            format!(
                "{{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{{\"digest\":{{\"sha256\":\"{}\"}},\
                 \"annotations\":{{\"repository\":\"a/b\",\"version\":\"1.0.0\"}}}}],\
                 \"predicateType\":\"https://sigstore.dev/cosign/sign/v1\",\"predicate\":{{}}}}",
                Digest::of(b"manifest").hex()
            )
        );
        bundle.verify(key.public_key()).unwrap();
    }

    #[test]
    fn what_is_not_a_key_signed_bundle_of_version_0_3_is_refused() {
        let (_, text) = signed();
        let code = |text: &str| Bundle::parse(text.as_bytes()).unwrap_err().code();
        assert_eq!(code(&text.replace("v0.3", "v0.2")), "LS-TRU-007");
        assert_eq!(code(&text.replace("\"publicKey\"", "\"publicKeys\"")), "LS-TRU-007");
        assert_eq!(code(&text.replace("dsseEnvelope", "envelope")), "LS-TRU-007");
        assert_eq!(
            code(
                &text.replace(
                    "\"publicKey\":",
                    "\"certificate\":{\"rawBytes\":\"\"},\"publicKey\":"
                )
            ),
            "LS-TRU-010"
        );
        assert_eq!(
            code(&text.replace("\"publicKey\":{\"hint\"", "\"x509CertificateChain\":{\"hint\"")),
            "LS-TRU-010"
        );
        assert_eq!(code(&" ".repeat(MAX_BYTES + 1)), "LS-TRU-007");
    }
}
