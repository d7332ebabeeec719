//! What a component needs, as the engine found it: the other side of the decision.

use longshore_model::CapabilityKind;
use longshore_reference::{Digest, Manifest, Signer, Source};

/// What a component needs and who it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Needs {
    /// The digest of its bytes: the grant is for these and no others.
    pub component: Digest,
    /// How it was named. A registry's reference names its registry.
    pub source: Source,
    /// Whether it is what the operator runs, or serves an import of that.
    pub role: Role,
    /// The WIT interfaces from which it imports at least one function, for example
    /// `wasi:clocks/wall-clock@0.2.3`. Those that it imports for their types alone reach nothing
    /// and are left out.
    pub imports: Vec<String>,
    /// Its embedded manifest.
    pub manifest: Option<Manifest>,
    /// Who vouched for it.
    pub signers: Vec<Signer>,
}

/// The part that a component plays in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// What the operator runs.
    Root,
    /// It serves an imported interface.
    Dependency {
        /// The interface, for example `acme:text/chunk@1.0.0`.
        interface: String,
    },
}

impl Needs {
    /// The pattern that names this component and no other.
    pub(crate) fn pattern(&self) -> String {
        component_pattern(&self.source)
    }

    /// The first import that needs the capability of `kind`.
    pub(crate) fn import_of(&self, kind: CapabilityKind) -> Option<&str> {
        self.imports.iter().map(String::as_str).find(|import| guarded(import) == Some(kind))
    }

    /// Whether a capability of `kind` would be of any use.
    pub(crate) fn uses(&self, kind: CapabilityKind) -> bool {
        uses(&self.imports, kind)
    }
}

/// Whether a capability of `kind` would be of any use to a component that imports these interfaces.
#[must_use]
pub fn uses(imports: &[String], kind: CapabilityKind) -> bool {
    let of = |package: &str| imports.iter().any(|import| import.starts_with(package));
    let guarded = |kind| imports.iter().any(|import| guarded(import) == Some(kind));
    match kind {
        CapabilityKind::Clock
        | CapabilityKind::Random
        | CapabilityKind::Http
        | CapabilityKind::Keyvalue
        | CapabilityKind::Blobstore
        | CapabilityKind::Secret
        | CapabilityKind::Exec => guarded(kind),
        CapabilityKind::Reveal => guarded(CapabilityKind::Secret),
        CapabilityKind::Env => of("wasi:cli/environment"),
        CapabilityKind::Dir | CapabilityKind::Scratch => of("wasi:filesystem/"),
        CapabilityKind::Tcp | CapabilityKind::Listen => {
            of("wasi:sockets/tcp") || of("wasi:sockets/types")
        }
        CapabilityKind::Udp => of("wasi:sockets/udp") || of("wasi:sockets/types"),
        CapabilityKind::Dns => of("wasi:sockets/ip-name-lookup"),
    }
}

/// The pattern of rules and approvals that names what came from `source`, in every version, and nothing else.
#[must_use]
pub fn component_pattern(source: &Source) -> String {
    match source {
        Source::Registry(reference) => reference.repository().to_string(),
        Source::File(name) => format!("file:{name}"),
    }
}

/// The capability without which an interface must not be linked, in every version of it. The rest
/// of `wasi:*` reaches nothing by itself: no directory is preopened, no variable set and no socket
/// opened without a grant. `wasi:random/insecure-seed` is for every component, for the hash maps of guests: its
/// answer is a fixed seed.
pub(crate) fn guarded(import: &str) -> Option<CapabilityKind> {
    let path = import.split('@').next().unwrap_or(import);
    let (package, interface) = path.split_once('/').unwrap_or((path, ""));
    match package {
        "wasi:clocks" => Some(CapabilityKind::Clock),
        "wasi:random" if interface != "insecure-seed" => Some(CapabilityKind::Random),
        "wasi:http" => Some(CapabilityKind::Http),
        "wasi:keyvalue" => Some(CapabilityKind::Keyvalue),
        "wasi:blobstore" => Some(CapabilityKind::Blobstore),
        "longshore:action" if interface == "secrets" => Some(CapabilityKind::Secret),
        "longshore:action" if interface == "processes" => Some(CapabilityKind::Exec),
        _ => None,
    }
}
