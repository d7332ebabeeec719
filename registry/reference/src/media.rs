//! Media types, artifact types and annotation keys, as the specifications write them.

/// An OCI image manifest (image spec 1.1).
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index (image spec 1.1).
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The empty config `{}` of artifacts that need none (image spec 1.1, "Guidance for an empty descriptor").
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The bytes of the empty config.
pub const OCI_EMPTY_BYTES: &[u8] = b"{}";
/// The one layer of a wasm artifact (CNCF wasm OCI artifact layout).
pub const WASM_LAYER: &str = "application/wasm";
/// The config of a wasm artifact (CNCF wasm OCI artifact layout).
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// A Sigstore bundle, version 0.3: artifact type and layer media type of a signature, as cosign 3 writes it.
pub const SIGSTORE_BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The predicate type of a cosign signature inside a bundle.
pub const COSIGN_SIGN_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";
/// The layer of a legacy cosign `.sig` manifest.
pub const COSIGN_SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation that carries a legacy signature, base64 of ASN.1 ECDSA.
pub const COSIGN_SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// An in-toto statement as a DSSE payload type.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// The `_type` of an in-toto statement, version 1.
pub const IN_TOTO_STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// Annotation: the title of a layer, a hint for `oras pull`. Never used as a path by us.
pub const ANNOTATION_TITLE: &str = "org.opencontainers.image.title";
/// Annotation: when the artifact was made (RFC 3339).
pub const ANNOTATION_CREATED: &str = "org.opencontainers.image.created";
