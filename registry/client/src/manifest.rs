//! Manifests: reading a component's, and writing components' and signatures'. Pure.

use std::collections::BTreeMap;

use longshore_reference::{Descriptor, Digest, canonical, media};
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What is asked for as a manifest: also what is refused, so that the refusal can say what it is.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The config of artifacts that `oras` up to 1.0 pushed.
const ORAS_CONFIG: &str = "application/vnd.unknown.config.v1+json";

/// A component's manifest, as far as it matters.
#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) media_type: String,
    pub(crate) layer: Descriptor,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
}

/// Reads the manifest of one component. `content_type` is what the registry called it, if a
/// registry was asked.
pub(crate) fn component(
    reference: &str,
    content_type: Option<&str>,
    bytes: &[u8],
) -> Result<Component> {
    let fail = |reason: String| Error::Manifest { reference: reference.to_owned(), reason };
    let probe: Probe = serde_json::from_slice(bytes).map_err(|error| fail(error.to_string()))?;
    let stated = content_type.map(|text| text.split(';').next().unwrap_or(text).trim());
    let stated = stated.filter(|text| text.contains("manifest") || text.contains("image.index"));
    let media_type = probe.media_type.as_deref().or(stated).unwrap_or(media::OCI_MANIFEST);
    // One text read as two things is how clients are confused (CVE-2021-41190).
    if let Some(stated) = stated.filter(|stated| *stated != media_type) {
        return Err(fail(format!("it is `{media_type}`, and the registry calls it `{stated}`")));
    }
    if probe.manifests.is_some() || matches!(media_type, media::OCI_INDEX | DOCKER_LIST) {
        return Err(Error::Index { reference: reference.to_owned() });
    }
    if media_type != media::OCI_MANIFEST {
        return Err(fail(format!("its media type is `{media_type}`")));
    }
    let manifest = image(bytes).map_err(fail)?;
    let [layer] = manifest.layers.as_slice() else {
        let (reference, count) = (reference.to_owned(), manifest.layers.len());
        return Err(Error::LayerCount { reference, count });
    };
    if layer.media_type != media::WASM_LAYER {
        let (reference, media_type) = (reference.to_owned(), layer.media_type.clone());
        return Err(Error::LayerType { reference, media_type });
    }
    let config = manifest.config.media_type;
    if !matches!(config.as_str(), media::WASM_CONFIG | media::OCI_EMPTY | ORAS_CONFIG) {
        return Err(Error::ConfigType { reference: reference.to_owned(), media_type: config });
    }
    let layer = descriptor(layer).map_err(fail)?;
    Ok(Component { media_type: media_type.to_owned(), layer })
}

/// Reads an image manifest of any kind.
pub(crate) fn image(bytes: &[u8]) -> Result<OciImageManifest, String> {
    let manifest: OciImageManifest =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if manifest.schema_version == 2 {
        Ok(manifest)
    } else {
        Err(format!("its schema version is {}, not 2", manifest.schema_version))
    }
}

/// A descriptor whose digest and size have been parsed; its `urls` are dropped.
pub(crate) fn descriptor(from: &OciDescriptor) -> Result<Descriptor, String> {
    Ok(Descriptor {
        media_type: from.media_type.clone(),
        digest: from.digest.parse::<Digest>().map_err(|error| error.to_string())?,
        size: u64::try_from(from.size).map_err(|_| format!("the size {} is below 0", from.size))?,
        artifact_type: from.artifact_type.clone(),
        annotations: from.annotations.clone().unwrap_or_default(),
    })
}

/// The descriptor of `bytes`.
pub(crate) fn describe(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        artifact_type: None,
        annotations: BTreeMap::new(),
    }
}

/// What a component's manifest and config are written from.
#[derive(Clone, Debug, Default)]
pub struct Artifact {
    /// The title of the layer: the file name under which `oras pull` writes it.
    pub title: String,
    /// When it was made, RFC 3339. A parameter, so that the same build gives the same digest.
    pub created: String,
    /// Who made it.
    pub author: Option<String>,
    /// The component's exports, as WIT names them.
    pub exports: Vec<String>,
    /// The component's imports, as WIT names them.
    pub imports: Vec<String>,
    /// The WIT world that it targets.
    pub target: Option<String>,
    /// Annotations of the manifest; `org.opencontainers.image.created` is added.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WasmConfig<'a> {
    created: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    architecture: &'a str,
    os: &'a str,
    layer_digests: [Digest; 1],
    component: WasmComponent<'a>,
}

#[derive(Serialize)]
struct WasmComponent<'a> {
    exports: &'a [String],
    imports: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
}

/// The config and the manifest of a component with that layer (CNCF wasm OCI artifact layout).
pub(crate) fn write_component(
    artifact: &Artifact,
    layer: &Descriptor,
) -> Result<(Vec<u8>, Vec<u8>), serde_json::Error> {
    let config = canonical::to_vec(&WasmConfig {
        created: &artifact.created,
        author: artifact.author.as_deref(),
        architecture: "wasm",
        os: "wasip2",
        layer_digests: [layer.digest],
        component: WasmComponent {
            exports: &artifact.exports,
            imports: &artifact.imports,
            target: artifact.target.as_deref(),
        },
    })?;
    let mut annotations = artifact.annotations.clone();
    annotations.insert(media::ANNOTATION_CREATED.to_owned(), artifact.created.clone());
    let mut titled = to_oci(layer);
    let title = BTreeMap::from([(media::ANNOTATION_TITLE.to_owned(), artifact.title.clone())]);
    titled.annotations = Some(title);
    let manifest = canonical::to_vec(&OciImageManifest {
        schema_version: 2,
        media_type: Some(media::OCI_MANIFEST.to_owned()),
        config: to_oci(&describe(media::WASM_CONFIG, &config)),
        layers: vec![titled],
        subject: None,
        artifact_type: None,
        annotations: Some(annotations),
    })?;
    Ok((config, manifest))
}

/// The annotations of a signature's manifest, as cosign 3 writes them.
pub(crate) fn signature_annotations(created: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("dev.sigstore.bundle.content".to_owned(), "dsse-envelope".to_owned()),
        ("dev.sigstore.bundle.predicateType".to_owned(), media::COSIGN_SIGN_PREDICATE.to_owned()),
        (media::ANNOTATION_CREATED.to_owned(), created.to_owned()),
    ])
}

/// The manifest that attaches `bundle` to `subject`, as cosign 3 writes it.
pub(crate) fn write_signature(
    subject: &Descriptor,
    bundle: &Descriptor,
    created: &str,
) -> Result<Vec<u8>, serde_json::Error> {
    let bare = Descriptor { artifact_type: None, annotations: BTreeMap::new(), ..subject.clone() };
    canonical::to_vec(&OciImageManifest {
        schema_version: 2,
        media_type: Some(media::OCI_MANIFEST.to_owned()),
        config: to_oci(&describe(media::OCI_EMPTY, media::OCI_EMPTY_BYTES)),
        layers: vec![to_oci(bundle)],
        subject: Some(to_oci(&bare)),
        artifact_type: Some(media::SIGSTORE_BUNDLE.to_owned()),
        annotations: Some(signature_annotations(created)),
    })
}

fn to_oci(from: &Descriptor) -> OciDescriptor {
    OciDescriptor {
        media_type: from.media_type.clone(),
        digest: from.digest.to_string(),
        size: i64::try_from(from.size).unwrap_or(i64::MAX),
        urls: None,
        annotations: (!from.annotations.is_empty()).then(|| from.annotations.clone()),
        artifact_type: from.artifact_type.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn manifest(config: &str, layers: &[&str]) -> Value {
        let blob = |media_type: &str| {
            let digest = Digest::of(b"x");
            json!({"mediaType": media_type, "digest": digest, "size": 1})
        };
        let layers: Vec<_> = layers.iter().map(|layer| blob(layer)).collect();
        json!({"schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "config": blob(config),
               "layers": layers})
    }

    fn code(content_type: Option<&str>, value: &Value) -> &'static str {
        component("r/x:1", content_type, value.to_string().as_bytes()).unwrap_err().code()
    }

    #[test]
    fn the_layouts_of_wkg_and_oras_are_read() {
        for config in [media::WASM_CONFIG, media::OCI_EMPTY, ORAS_CONFIG] {
            let mut value = manifest(config, &[media::WASM_LAYER]);
            for _ in 0..2 {
                let read =
                    component("r/x:1", Some(media::OCI_MANIFEST), value.to_string().as_bytes());
                assert_eq!(read.unwrap().layer.digest, Digest::of(b"x"));
                value.as_object_mut().unwrap().remove("mediaType");
            }
        }
    }

    #[test]
    fn everything_else_is_refused_for_what_it_is() {
        let wasm = media::WASM_LAYER;
        let good = manifest(media::WASM_CONFIG, &[wasm]);
        assert_eq!(code(Some(media::OCI_INDEX), &good), "LS-REG-020");
        assert_eq!(code(None, &json!({"schemaVersion": 2, "manifests": []})), "LS-REG-021");
        assert_eq!(code(None, &manifest(media::WASM_CONFIG, &[])), "LS-REG-022");
        assert_eq!(code(None, &manifest(media::WASM_CONFIG, &[wasm, wasm])), "LS-REG-022");
        assert_eq!(code(None, &manifest(media::WASM_CONFIG, &["application/x-tar"])), "LS-REG-023");
        let image = "application/vnd.oci.image.config.v1+json";
        assert_eq!(code(None, &manifest(image, &[wasm])), "LS-REG-024");
        for (pointer, bad) in [
            ("/schemaVersion", json!(1)),
            ("/layers/0/size", json!(-1)),
            ("/layers/0/digest", json!("sha512:00")),
            ("/mediaType", json!("application/vnd.docker.distribution.manifest.v2+json")),
        ] {
            let mut value = good.clone();
            *value.pointer_mut(pointer).unwrap() = bad;
            assert_eq!(code(None, &value), "LS-REG-020", "{pointer}");
        }
        assert_eq!(component("r/x:1", None, b"<html>").unwrap_err().code(), "LS-REG-020");
    }

    #[test]
    fn the_same_component_is_written_to_the_same_bytes_in_the_standard_layout() {
        let artifact = Artifact {
            title: "x.wasm".into(),
            created: "2026-01-02T03:04:05Z".into(),
            exports: vec!["a:b/c@1.0.0".into()],
            ..Artifact::default()
        };
        let layer = describe(media::WASM_LAYER, b"wasm");
        let (config, manifest) = write_component(&artifact, &layer).unwrap();
        assert_eq!(
            String::from_utf8(config.clone()).unwrap(),
            format!(
                "{{\"architecture\":\"wasm\",\"component\":{{\"exports\":[\"a:b/c@1.0.0\"],\
                 \"imports\":[]}},\"created\":\"2026-01-02T03:04:05Z\",\"layerDigests\":[\"{}\"],\
                 \"os\":\"wasip2\"}}",
                layer.digest
            )
        );
        assert_eq!(write_component(&artifact, &layer).unwrap(), (config, manifest.clone()));
        assert_eq!(component("r/x:1", None, &manifest).unwrap().layer.digest, layer.digest);
    }
}
