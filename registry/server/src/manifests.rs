//! Manifests: what a registry may check about one, and pulling, pushing, deleting it.

use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;
use longshore_reference::{Digest, media};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::reply::{self, Code, Fault};
use crate::route::{Name, Route, Which};
use crate::server::{App, method_not_allowed};
use crate::store::{Need, PutError, Stored, Write};
use crate::upload;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const KNOWN: [&str; 4] = [media::OCI_MANIFEST, media::OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];

/// The parts of a manifest or an index that a registry looks at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: u32,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Part>,
    layers: Option<Vec<Part>>,
    manifests: Option<Vec<Part>>,
    subject: Option<Part>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    media_type: String,
    digest: Digest,
    size: u64,
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(StatusCode::BAD_REQUEST, Code::ManifestInvalid, message)
}

fn unknown(which: &Which) -> Fault {
    let name = match which {
        Which::Tag(tag) => tag.as_str().to_owned(),
        Which::Digest(digest) => digest.to_string(),
    };
    let message = "the repository has no such manifest";
    Fault::new(StatusCode::NOT_FOUND, Code::ManifestUnknown, message).detail(name)
}

/// `GET`, `HEAD`, `PUT` and `DELETE` of a manifest.
pub(crate) async fn serve(
    app: &App,
    name: Name,
    which: Which,
    request: Request<Incoming>,
) -> reply::Result {
    match *request.method() {
        Method::GET | Method::HEAD => pull(app, name, which, &request).await,
        Method::PUT => push(app, name, which, request).await,
        Method::DELETE => {
            let asked = which.clone();
            let work =
                move |store: &crate::store::Store| store.remove_manifest(&name, &asked, subject_of);
            if !app.disk("delete a manifest", work).await? {
                return Err(unknown(&which));
            }
            Ok(reply::status(StatusCode::ACCEPTED))
        }
        _ => Err(method_not_allowed(&Route::Manifest(name, which))),
    }
}

async fn pull(app: &App, name: Name, which: Which, request: &Request<Incoming>) -> reply::Result {
    let asked = which.clone();
    let found = app.disk("read a manifest", move |store| store.manifest(&name, &asked)).await?;
    let stored = found.ok_or_else(|| unknown(&which))?;
    if !accepts(request.headers(), &stored.media_type) {
        let fault = unknown(&which);
        return Err(fault.detail(format!("there is one of type {}", stored.media_type)));
    }
    let etag = format!("\"{}\"", stored.digest);
    let cached = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut reply = if cached.is_some_and(|text| text.split(',').any(|one| one.trim() == etag)) {
        reply::status(StatusCode::NOT_MODIFIED)
    } else {
        let mut reply = reply::document("application/json", stored.bytes);
        reply::set(&mut reply, "content-type", &stored.media_type);
        if *request.method() == Method::HEAD {
            *reply.body_mut() = reply::empty();
        }
        reply
    };
    reply::set(&mut reply, "docker-content-digest", stored.digest.to_string());
    reply::set(&mut reply, "etag", etag);
    Ok(reply)
}

/// Whether the `Accept` headers take `media_type`; none at all takes everything. Weights do not
/// matter: there is one manifest to choose from.
fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let mut asked = false;
    for header in headers.get_all(ACCEPT) {
        for range in header.to_str().unwrap_or_default().split(',') {
            let range = range.split(';').next().unwrap_or_default().trim();
            if range.is_empty() {
                continue;
            }
            asked = true;
            let wild = matches!(range, "*/*" | "application/*");
            if wild || range.eq_ignore_ascii_case(media_type) {
                return true;
            }
        }
    }
    !asked
}

async fn read(app: &App, request: Request<Incoming>) -> reply::Result<Vec<u8>> {
    let limit = app.limits.manifest_bytes;
    let too_large = || {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        let message = format!("a manifest may have {limit} bytes at most");
        Fault::new(status, Code::ManifestInvalid, message).header("connection", "close")
    };
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|text| text.parse::<u64>().ok()).is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = request.into_body();
    let mut bytes = Vec::new();
    let until = Instant::now() + app.limits.body;
    while let Some(piece) = upload::piece(&mut body, &app.limits, until).await? {
        if (bytes.len() + piece.len()) as u64 > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn push(app: &App, name: Name, which: Which, request: Request<Incoming>) -> reply::Result {
    let header = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let header = header.map(|text| text.split(';').next().unwrap_or(text).trim().to_owned());
    let bytes = read(app, request).await?;
    let digest = Digest::of(&bytes);
    if let Which::Digest(promised) = which
        && promised != digest
    {
        let message = "the manifest has another digest";
        return Err(Fault::new(StatusCode::BAD_REQUEST, Code::DigestInvalid, message)
            .detail(digest.to_string()));
    }
    let checked = check(&bytes, header, digest, app.limits.descriptors)?;
    let subject = checked.referrer.as_ref().map(|(subject, _)| *subject);
    let (to, tag) = match which {
        Which::Tag(tag) => (name.clone(), Some(tag)),
        Which::Digest(_) => (name.clone(), None),
    };
    let manifest = Stored { digest, media_type: checked.media_type, bytes };
    let put = app.disk("keep a manifest", move |store| {
        let write = Write {
            manifest: &manifest,
            tag: tag.as_ref(),
            needs: &checked.needs,
            referrer: checked.referrer,
        };
        match store.put_manifest(&to, &write) {
            Err(PutError::Io(error)) => Err(error),
            Err(PutError::Missing(digest)) => Ok(Some((Code::ManifestBlobUnknown, digest))),
            Err(PutError::Size(digest)) => Ok(Some((Code::ManifestInvalid, digest))),
            Ok(()) => Ok(None),
        }
    });
    if let Some((code, digest)) = put.await? {
        let message = if code == Code::ManifestInvalid {
            "what the manifest points at has another size"
        } else {
            "the repository does not have what the manifest points at"
        };
        let fault = Fault::new(StatusCode::BAD_REQUEST, code, message);
        return Err(fault.detail(digest.to_string()));
    }
    let mut reply = reply::status(StatusCode::CREATED);
    reply::set(&mut reply, "location", format!("/v2/{}/manifests/{digest}", name.as_str()));
    reply::set(&mut reply, "docker-content-digest", digest.to_string());
    if let Some(subject) = subject {
        reply::set(&mut reply, "oci-subject", subject.to_string());
    }
    Ok(reply)
}

#[derive(Debug)]
struct Checked {
    media_type: String,
    needs: Vec<Need>,
    referrer: Option<(Digest, Vec<u8>)>,
}

/// Checks all of a manifest that does not need the disk.
fn check(
    bytes: &[u8],
    header: Option<String>,
    digest: Digest,
    most: usize,
) -> Result<Checked, Fault> {
    let document: Document<'_> = serde_json::from_slice(bytes)
        .map_err(|error| invalid(format!("not a manifest: {error}")))?;
    if document.schema_version != 2 {
        return Err(invalid("the schemaVersion is not 2"));
    }
    let media_type = match (&document.media_type, header) {
        (Some(inside), Some(header)) if *inside != header => {
            return Err(invalid("the mediaType is not what the Content-Type says"));
        }
        (Some(inside), _) => inside.clone(),
        (None, Some(header)) => header,
        (None, None) => return Err(invalid("neither a mediaType nor a Content-Type")),
    };
    if !KNOWN.contains(&media_type.as_str()) {
        let shown: String = media_type.chars().take(128).collect();
        return Err(invalid("not a type of manifest that the registry keeps").detail(shown));
    }
    let is_index = matches!(media_type.as_str(), media::OCI_INDEX | DOCKER_LIST);
    // A document that is both could be read as one thing by one client and as another by the next.
    let needs: Vec<Need> = match &document {
        Document { manifests: Some(children), config: None, layers: None, .. } if is_index => {
            children.iter().map(|c| Need::Manifest { digest: c.digest, size: c.size }).collect()
        }
        Document { manifests: None, config: Some(config), layers: Some(layers), .. }
            if !is_index =>
        {
            let parts = std::iter::once(config).chain(layers);
            parts.map(|part| Need::Blob { digest: part.digest, size: part.size }).collect()
        }
        _ => return Err(invalid("its fields are not those of its type")),
    };
    if needs.len() > most {
        return Err(invalid(format!("it points at more than {most} things")));
    }
    let referrer = match &document.subject {
        Some(subject) => {
            let size = bytes.len() as u64;
            Some((subject.digest, descriptor(&document, &media_type, digest, size)?))
        }
        None => None,
    };
    Ok(Checked { media_type, needs, referrer })
}

/// How a manifest is listed among the referrers of its subject (distribution spec 1.1, "Listing
/// Referrers").
fn descriptor(
    document: &Document<'_>,
    media_type: &str,
    digest: Digest,
    size: u64,
) -> Result<Vec<u8>, Fault> {
    let of_config = document.config.as_ref().map(|config| config.media_type.as_str());
    let artifact_type = document.artifact_type.as_deref().filter(|text| !text.is_empty());
    let mut entry = serde_json::json!({
        "mediaType": media_type,
        "digest": digest,
        "size": size,
    });
    if let Some(artifact_type) = artifact_type.or(of_config) {
        entry["artifactType"] = artifact_type.into();
    }
    if let Some(annotations) = document.annotations {
        let map: std::collections::BTreeMap<String, String> =
            serde_json::from_str(annotations.get())
                .map_err(|_| invalid("its annotations are not a map of texts"))?;
        entry["annotations"] = serde_json::json!(map);
    }
    Ok(entry.to_string().into_bytes())
}

fn subject_of(bytes: &[u8]) -> Option<Digest> {
    let document: Document<'_> = serde_json::from_slice(bytes).ok()?;
    document.subject.map(|subject| subject.digest)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn an_accept_header_is_honoured_and_none_takes_everything() {
        let accepts = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            super::accepts(&headers, media::OCI_MANIFEST)
        };
        assert!(accepts(&[]) && accepts(&["*/*"]) && accepts(&["text/html, application/*;q=0.1"]));
        assert!(accepts(&[DOCKER_LIST, media::OCI_MANIFEST]));
        assert!(!accepts(&[DOCKER_LIST]) && !accepts(&["text/*"]));
    }

    #[test]
    fn a_document_that_could_be_two_things_is_refused() {
        let digest = Digest::of(b"abc");
        let part = format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":1}}"#);
        let check = |text: String, kind: &str| {
            check(text.as_bytes(), Some(kind.to_owned()), Digest::of(b""), 2)
        };
        let image = format!(r#"{{"schemaVersion":2,"config":{part},"layers":[{part}]}}"#);
        assert_eq!(check(image.clone(), media::OCI_MANIFEST).unwrap().needs.len(), 2);
        assert!(check(image.clone(), media::OCI_INDEX).is_err());
        assert!(check(image, "application/json").is_err());
        for wrong in [
            format!(r#"{{"schemaVersion":2,"config":{part},"layers":[],"manifests":[]}}"#),
            format!(r#"{{"schemaVersion":1,"config":{part},"layers":[]}}"#),
            format!(r#"{{"schemaVersion":2,"config":{part},"config":{part},"layers":[]}}"#),
            format!(r#"{{"schemaVersion":2,"config":{part},"layers":[{part},{part}]}}"#),
            format!(r#"{{"schemaVersion":2,"mediaType":"x/y","config":{part},"layers":[]}}"#),
            r#"{"schemaVersion":2,"config":{},"layers":[]}"#.to_owned(),
            "[".repeat(100_000),
        ] {
            assert!(check(wrong, media::OCI_MANIFEST).is_err());
        }
    }
}
