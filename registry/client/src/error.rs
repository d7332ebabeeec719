//! What can go wrong between a reference and its bytes, each with a stable code and, where it
//! helps, a hint.
//!
//! Texts carry URLs without query and user information, and never a header or a credential.

use std::io;
use std::time::Duration;

use longshore_reference::Digest;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the registry client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The reference is relative, and nobody said to which registry.
    #[error("`{reference}` names no registry")]
    NoRegistry {
        /// The reference.
        reference: String,
    },
    /// The reference has neither tag nor digest.
    #[error("`{reference}` names neither a tag nor a digest")]
    NoVersion {
        /// The reference.
        reference: String,
    },
    /// A setting of the client cannot be used.
    #[error("the registry client cannot use {what}")]
    Config {
        /// Which setting, with its value in backticks.
        what: String,
        /// Why.
        #[source]
        source: Option<BoxError>,
    },
    /// No connection to the registry.
    #[error("no connection to `{host}`")]
    Connect {
        /// `host[:port]`.
        host: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The registry's certificate was refused, or it does not speak TLS.
    #[error("no trusted TLS connection to `{host}`")]
    Tls {
        /// `host[:port]`.
        host: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The registry took too long.
    #[error("`{host}` took longer than {} ms ({phase})", limit.as_millis())]
    Timeout {
        /// `host[:port]`.
        host: String,
        /// `connect`, `read` or `total`.
        phase: &'static str,
        /// The limit that passed.
        limit: Duration,
    },
    /// 401, and no credentials that would help.
    #[error("`{host}` asks for credentials for {what}{}", detail(message))]
    Unauthenticated {
        /// `host[:port]`.
        host: String,
        /// What was asked for.
        what: String,
        /// The registry's own words, bounded.
        message: String,
    },
    /// 403.
    #[error("`{host}` forbids access to {what}{}", detail(message))]
    Forbidden {
        /// `host[:port]`.
        host: String,
        /// What was asked for.
        what: String,
        /// The registry's own words, bounded.
        message: String,
    },
    /// 404.
    #[error("`{host}` does not have {what}")]
    NotFound {
        /// `host[:port]`.
        host: String,
        /// What was asked for.
        what: String,
    },
    /// 429, after the retries.
    #[error("`{host}` limits the rate of requests")]
    RateLimited {
        /// `host[:port]`.
        host: String,
        /// What `Retry-After` says.
        retry_after: Option<Duration>,
    },
    /// 5xx, after the retries.
    #[error("`{host}` failed with status {status} for {what}{}", detail(message))]
    ServerFault {
        /// `host[:port]`.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What was asked for.
        what: String,
        /// The registry's own words, bounded.
        message: String,
    },
    /// Any other status that the distribution specification does not foresee there.
    #[error("`{host}` answered with status {status} for {what}{}", detail(message))]
    Status {
        /// `host[:port]`.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What was asked for.
        what: String,
        /// The registry's own words, bounded.
        message: String,
    },
    /// An answer that cannot be read: broken JSON, a missing header, broken HTTP.
    #[error("`{host}` gave an answer for {what} that cannot be read: {reason}")]
    BrokenAnswer {
        /// `host[:port]`.
        host: String,
        /// What was asked for.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// An answer past its bound.
    #[error("{what} from `{host}` is larger than {limit} bytes")]
    TooLarge {
        /// `host[:port]`.
        host: String,
        /// What was asked for.
        what: String,
        /// The bound in bytes.
        limit: u64,
    },
    /// Bytes that do not have the digest under which they were asked for.
    #[error("{what} from `{host}` has the digest `{actual}`, not `{promised}`")]
    WrongDigest {
        /// `host[:port]`.
        host: String,
        /// What was asked for.
        what: String,
        /// The digest that was asked for.
        promised: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// `Docker-Content-Digest` names another digest than the bytes have.
    #[error("`{host}` states the digest `{stated}` for {what}, whose bytes have `{actual}`")]
    StatedDigest {
        /// `host[:port]`.
        host: String,
        /// What was asked for.
        what: String,
        /// The header's digest.
        stated: String,
        /// The digest of the bytes.
        actual: Digest,
    },
    /// Fewer bytes than the descriptor promises.
    #[error("{what} from `{host}` has {actual} bytes, fewer than the {promised} promised")]
    TooShort {
        /// `host[:port]`.
        host: String,
        /// What was asked for.
        what: String,
        /// Bytes in the descriptor.
        promised: u64,
        /// Bytes that came.
        actual: u64,
    },
    /// More bytes than the descriptor promises.
    #[error("{what} from `{host}` has more than the {promised} bytes promised")]
    TooLong {
        /// `host[:port]`.
        host: String,
        /// What was asked for.
        what: String,
        /// Bytes in the descriptor.
        promised: u64,
    },
    /// The connection broke while an answer came in, after the retries.
    #[error("the connection to `{host}` broke while {what} came in")]
    Interrupted {
        /// `host[:port]`.
        host: String,
        /// What was asked for.
        what: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The manifest is not JSON in the shape of an OCI image manifest.
    #[error("the manifest of `{reference}` is not an OCI image manifest: {reason}")]
    Manifest {
        /// The reference.
        reference: String,
        /// What is wrong.
        reason: String,
    },
    /// An index where a component's manifest was expected.
    #[error("`{reference}` is an index of several manifests, not a component")]
    Index {
        /// The reference.
        reference: String,
    },
    /// Not exactly one layer.
    #[error("`{reference}` has {count} layers; a component has exactly one")]
    LayerCount {
        /// The reference.
        reference: String,
        /// How many.
        count: usize,
    },
    /// A layer that is not wasm.
    #[error("the layer of `{reference}` is `{media_type}`, not `application/wasm`")]
    LayerType {
        /// The reference.
        reference: String,
        /// The layer's media type.
        media_type: String,
    },
    /// A config of a kind that no wasm artifact has.
    #[error("the config of `{reference}` is `{media_type}`, which is not a wasm artifact's")]
    ConfigType {
        /// The reference.
        reference: String,
        /// The config's media type.
        media_type: String,
    },
    /// The component is larger than the client may fetch.
    #[error("`{reference}` has {size} bytes; the client fetches up to {limit}")]
    BlobLimit {
        /// The reference.
        reference: String,
        /// Bytes in the descriptor.
        size: u64,
        /// The client's bound.
        limit: u64,
    },
    /// Offline, and the cache has never seen it.
    #[error("offline, and {what} is not in the cache")]
    Offline {
        /// What was asked for.
        what: String,
    },
    /// Offline, and what the cache holds is damaged.
    #[error("offline, and {what} in the cache is damaged")]
    OfflineCorrupt {
        /// What was asked for.
        what: String,
    },
    /// The disk, or the quota on it, is full.
    #[error("the disk of the cache `{path}` is full")]
    DiskFull {
        /// The cache's folder.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The cache cannot be read or written.
    #[error("the cache `{path}` cannot be used")]
    Cache {
        /// The cache's folder.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The registry sends its clients for tokens to a place that must not see credentials.
    #[error("`{host}` asks for a token from `{realm}`, which is refused: {reason}")]
    Realm {
        /// `host[:port]`.
        host: String,
        /// Scheme and host of the realm.
        realm: String,
        /// Why.
        reason: &'static str,
    },
    /// A redirect, upload location or next page that is not followed.
    #[error("`{host}` points to `{target}`, which is not followed: {reason}")]
    Redirect {
        /// `host[:port]`.
        host: String,
        /// Where to, without query.
        target: String,
        /// Why.
        reason: &'static str,
    },
    /// The docker config or a credential helper is of no use.
    #[error("no credentials for `{host}`: {reason}")]
    Credentials {
        /// `host[:port]`.
        host: String,
        /// What is wrong; never a secret.
        reason: String,
    },
    /// No tag of the repository is in the version range.
    #[error("no version of `{repository}` matches `{range}`")]
    NoMatch {
        /// The repository.
        repository: String,
        /// The range.
        range: String,
    },
    /// More tags than the client reads.
    #[error("`{repository}` lists more than {limit} tags")]
    TooManyTags {
        /// The repository.
        repository: String,
        /// The bound.
        limit: usize,
    },
    /// Another writer changed the fallback tag each time that it was written.
    #[error("the signature index of `{digest}` in `{repository}` is being changed by others")]
    Contended {
        /// The repository.
        repository: String,
        /// The subject.
        digest: Digest,
    },
    /// What is to be pushed is not what the reference is pinned to.
    #[error("`{reference}` is pinned, and what is pushed has the digest `{actual}`")]
    PinnedOtherwise {
        /// The reference.
        reference: String,
        /// The digest of the new manifest.
        actual: Digest,
    },
}

/// A cause of any kind.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn detail(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl Error {
    /// The stable code, with its section in `docs/errors.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoRegistry { .. } => "LS-REG-001",
            Self::NoVersion { .. } => "LS-REG-002",
            Self::Config { .. } => "LS-REG-003",
            Self::Connect { .. } => "LS-REG-004",
            Self::Tls { .. } => "LS-REG-005",
            Self::Timeout { .. } => "LS-REG-006",
            Self::Unauthenticated { .. } => "LS-REG-007",
            Self::Forbidden { .. } => "LS-REG-008",
            Self::NotFound { .. } => "LS-REG-009",
            Self::RateLimited { .. } => "LS-REG-010",
            Self::ServerFault { .. } => "LS-REG-011",
            Self::Status { .. } => "LS-REG-012",
            Self::BrokenAnswer { .. } => "LS-REG-013",
            Self::TooLarge { .. } => "LS-REG-014",
            Self::WrongDigest { .. } => "LS-REG-015",
            Self::StatedDigest { .. } => "LS-REG-016",
            Self::TooShort { .. } => "LS-REG-017",
            Self::TooLong { .. } => "LS-REG-018",
            Self::Interrupted { .. } => "LS-REG-019",
            Self::Manifest { .. } => "LS-REG-020",
            Self::Index { .. } => "LS-REG-021",
            Self::LayerCount { .. } => "LS-REG-022",
            Self::LayerType { .. } => "LS-REG-023",
            Self::ConfigType { .. } => "LS-REG-024",
            Self::BlobLimit { .. } => "LS-REG-025",
            Self::Offline { .. } => "LS-REG-026",
            Self::OfflineCorrupt { .. } => "LS-REG-027",
            Self::DiskFull { .. } => "LS-REG-028",
            Self::Cache { .. } => "LS-REG-029",
            Self::Realm { .. } => "LS-REG-030",
            Self::Redirect { .. } => "LS-REG-031",
            Self::Credentials { .. } => "LS-REG-032",
            Self::NoMatch { .. } => "LS-REG-033",
            Self::TooManyTags { .. } => "LS-REG-034",
            Self::Contended { .. } => "LS-REG-035",
            Self::PinnedOtherwise { .. } => "LS-REG-036",
        }
    }

    /// Whether this host's own disk failed, rather than a registry.
    #[must_use]
    pub const fn is_host(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::Cache { .. })
    }

    /// What to do about it, one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoRegistry { reference } => {
                format!("write the registry in front, as in `registry.example.com/{reference}`")
            }
            Self::NoVersion { reference } => {
                format!("add a tag or a digest, as in `{reference}:1.0.0`")
            }
            Self::Config { .. } => "correct the setting".into(),
            Self::Connect { host, .. } => {
                format!("check that `{host}` is spelled right, runs and can be reached from here")
            }
            Self::Tls { host, .. } => format!(
                "name its certificate authority in the client's CA files, or, if it speaks plain \
                 HTTP, add `{host}` to the plain-HTTP hosts"
            ),
            Self::Timeout { .. } => "try again, or raise the client's timeouts".into(),
            Self::Unauthenticated { host, .. } => {
                format!("log in with `docker login {host}`, or check the credentials you have")
            }
            Self::Forbidden { .. } => "ask the registry's owner for access to it".into(),
            Self::NotFound { .. } => {
                "check repository and tag; private ones may hide as 404".into()
            }
            Self::RateLimited { retry_after: Some(after), .. } => {
                format!("wait {} seconds and try again", after.as_secs())
            }
            Self::RateLimited { .. } => "wait and try again, or log in for a higher rate".into(),
            Self::ServerFault { .. } | Self::Interrupted { .. } => {
                "try again later, or ask the registry's operator".into()
            }
            Self::Status { .. } | Self::BrokenAnswer { .. } => {
                "check that this host is an OCI registry".into()
            }
            Self::WrongDigest { .. }
            | Self::StatedDigest { .. }
            | Self::TooShort { .. }
            | Self::TooLong { .. } => {
                "nothing was kept; the registry, or someone before it, changes content".into()
            }
            Self::Index { .. } => "name the digest of one of its manifests".into(),
            Self::Manifest { .. }
            | Self::LayerCount { .. }
            | Self::LayerType { .. }
            | Self::ConfigType { .. } => {
                "push the component with `longshore push`, `wkg oci push` or \
                 `oras push … FILE:application/wasm`"
                    .into()
            }
            Self::BlobLimit { .. } => "raise the client's bound on components".into(),
            Self::Offline { .. } | Self::OfflineCorrupt { .. } => {
                "run it once online, which fills the cache".into()
            }
            Self::DiskFull { .. } => "free space, or evict from the cache".into(),
            Self::Cache { .. } => "check that the folder exists and is yours to write".into(),
            Self::Realm { .. } => {
                "if that host is right, add it to the client's token hosts".into()
            }
            Self::Credentials { .. } => "check the docker config and its credential helper".into(),
            Self::NoMatch { .. } => "list the repository's tags and widen the range".into(),
            Self::TooManyTags { .. } => "name a tag or a digest instead of a range".into(),
            Self::Contended { .. } => "try again".into(),
            Self::PinnedOtherwise { .. } => "push to the tag without the digest".into(),
            Self::TooLarge { .. } | Self::Redirect { .. } => return None,
        })
    }

    pub(crate) const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}
