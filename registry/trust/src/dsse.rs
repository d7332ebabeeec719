//! DSSE envelopes (secure-systems-lab/dsse, protocol 1.0): what is signed is the payload's type and
//! bytes, never JSON. Says nothing about what a payload means.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

use crate::{Error, PrivateKey, PublicKey};

/// The most bytes of JSON that are read as an envelope.
pub const MAX_BYTES: usize = 4 << 20;
/// The most signatures in one envelope.
pub const MAX_SIGNATURES: usize = 16;

/// An envelope whose base64 was read. Nothing about it has been checked until [`Envelope::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// What the signer calls the key: an unchecked hint.
    pub keyid: Option<String>,
    /// The raw signature.
    pub sig: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Wire {
    payload: String,
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    keyid: String,
    sig: String,
}

/// The bytes that are signed: `DSSEv1`, then the type and the payload, each behind its length.
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

impl Envelope {
    /// Signs a payload. `name_key` writes the key's id into the envelope; cosign's bundles leave it
    /// out.
    ///
    /// # Errors
    ///
    /// [`Error::Signing`].
    pub fn sign(
        key: &PrivateKey,
        payload_type: &str,
        payload: Vec<u8>,
        name_key: bool,
    ) -> Result<Self, Error> {
        let sig = key.sign(&pae(payload_type, &payload))?;
        let keyid = name_key.then(|| key.public_key().key_id().to_string());
        let signatures = vec![Signature { keyid, sig }];
        Ok(Self { payload_type: payload_type.to_owned(), payload, signatures })
    }

    /// Reads the JSON of an envelope, at most [`MAX_BYTES`]; unknown fields are refused.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_BYTES {
            return Err(Error::malformed("the envelope is larger than 4 MiB"));
        }
        let wire = serde_json::from_slice(bytes).map_err(|source| Error::Malformed {
            reason: "it is not a DSSE envelope",
            source: Some(source),
        })?;
        Self::from_wire(wire)
    }

    pub(crate) fn from_wire(wire: Wire) -> Result<Self, Error> {
        if wire.signatures.is_empty() {
            return Err(Error::malformed("the envelope carries no signature"));
        }
        if wire.signatures.len() > MAX_SIGNATURES {
            return Err(Error::malformed("the envelope carries more than 16 signatures"));
        }
        let signatures = wire
            .signatures
            .into_iter()
            .map(|each| {
                let keyid = (!each.keyid.is_empty()).then_some(each.keyid);
                Ok(Signature { keyid, sig: decode(&each.sig)? })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self { payload: decode(&wire.payload)?, payload_type: wire.payload_type, signatures })
    }

    pub(crate) fn to_wire(&self) -> Wire {
        Wire {
            payload: STANDARD.encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: self
                .signatures
                .iter()
                .map(|each| WireSignature {
                    keyid: each.keyid.clone().unwrap_or_default(),
                    sig: STANDARD.encode(&each.sig),
                })
                .collect(),
        }
    }

    /// The envelope as JSON, always the same bytes for the same envelope.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`]; a parsed or signed envelope always serialises.
    pub fn to_vec(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(&self.to_wire()).map_err(|source| Error::Malformed {
            reason: "the envelope does not serialise",
            source: Some(source),
        })
    }

    /// The payload, once `key` is shown to have signed it as `payload_type`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] when the payload is of another type, [`Error::BadSignature`] when no
    /// signature is by `key`.
    pub fn verify(&self, payload_type: &str, key: &PublicKey) -> Result<&[u8], Error> {
        if self.payload_type != payload_type {
            return Err(Error::malformed("the payload is not of the type that is expected"));
        }
        let message = pae(&self.payload_type, &self.payload);
        if self.signatures.iter().any(|each| key.verify(&message, &each.sig).is_ok()) {
            return Ok(&self.payload);
        }
        Err(Error::BadSignature { key: key.key_id() })
    }

    /// The payload, unchecked: for showing, never for deciding.
    #[must_use]
    pub fn payload_unverified(&self) -> &[u8] {
        &self.payload
    }

    /// The signatures, unchecked.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }
}

/// The specification lets base64 be in either alphabet.
fn decode(text: &str) -> Result<Vec<u8>, Error> {
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .map_err(|_| Error::malformed("a field is not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_bytes_are_those_of_the_specification() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn an_envelope_verifies_only_as_it_was_signed() {
        let key = PrivateKey::generate(&[7; 32]).unwrap();
        let other = PrivateKey::generate(&[8; 32]).unwrap();
        let envelope = Envelope::sign(&key, "text/a", b"payload".to_vec(), true).unwrap();
        let json = envelope.to_vec().unwrap();
        let read = Envelope::parse(&json).unwrap();
        assert_eq!(read, envelope);
        assert_eq!(read.verify("text/a", key.public_key()).unwrap(), b"payload");
        assert!(read.verify("text/b", key.public_key()).is_err());
        assert_eq!(read.verify("text/a", other.public_key()).unwrap_err().code(), "LS-TRU-012");
        let text = String::from_utf8(json).unwrap();
        for wrong in [
            text.replace("payloadType", "payloadtype"),
            text.replace("\"sig\"", "\"extra\":1,\"sig\""),
            text.replace("\"payload\":", "\"payload\":\"\",\"payload\":"),
            "{\"payload\":\"\",\"payloadType\":\"text/a\",\"signatures\":[]}".to_owned(),
            format!("{text}x"),
            String::new(),
        ] {
            assert_eq!(Envelope::parse(wrong.as_bytes()).unwrap_err().code(), "LS-TRU-007");
        }
    }
}
