//! Legacy cosign signatures: a simple-signing payload (containers/image, "container signature
//! format") with the signature beside it. Read only; used only where a requirement of the policy
//! says so.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longshore_reference::Reference;
use serde::Deserialize;
use serde_json::Value;

use crate::{Error, PublicKey};

const MAX_PAYLOAD: usize = 1 << 20;
const KIND: &str = "cosign container image signature";

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
    #[serde(default)]
    optional: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// What a legacy signature by `key` says: the digest and the annotations.
///
/// Where the payload has no `repository` annotation, the signed `docker-reference` stands in for
/// it, without its registry; where both are there and disagree, it is malformed.
pub(crate) fn verify(
    payload: &[u8],
    signature: &str,
    key: &PublicKey,
) -> Result<(String, BTreeMap<String, Value>), Error> {
    if payload.len() > MAX_PAYLOAD {
        return Err(Error::malformed("the payload is larger than 1 MiB"));
    }
    let signature =
        STANDARD.decode(signature).map_err(|_| Error::malformed("a field is not base64"))?;
    key.verify(payload, &signature)?;
    let payload: Payload = serde_json::from_slice(payload).map_err(|source| Error::Malformed {
        reason: "what was signed is not a simple-signing payload",
        source: Some(source),
    })?;
    if payload.critical.kind != KIND {
        return Err(Error::malformed("what was signed is not a cosign signature"));
    }
    let mut annotations = payload.optional.unwrap_or_default();
    let identity = payload.critical.identity.reference;
    if !identity.is_empty() {
        let reference: Reference = identity
            .parse()
            .map_err(|_| Error::malformed("its `docker-reference` is not a reference"))?;
        let path = Value::from(reference.repository().path());
        let said = annotations.entry("repository".to_owned()).or_insert_with(|| path.clone());
        if *said != path {
            return Err(Error::malformed("its annotation and `docker-reference` disagree"));
        }
    }
    Ok((payload.critical.image.digest, annotations))
}
