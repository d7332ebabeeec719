//! References, digests, media types and the manifest: the words that every other room speaks.
//!
//! Pure. Nothing in here reads a file, a clock, an environment variable or a socket; bytes and text
//! come in, types or errors with a place come out.

mod artifact;
pub mod authored;
pub mod canonical;
mod digest;
mod limits;
mod lockfile;
mod manifest;
pub mod media;
mod reference;
mod scope;

pub use artifact::{Candidate, Descriptor, Fetched, Mismatch, Resolved, Signer, Source};
pub use digest::{Digest, DigestError, Hasher};
pub use limits::{LIMITS, LimitName, Limits};
pub use lockfile::{LockError, Locked, Lockfile};
pub use manifest::{
    Build, Dependency, Kind, MAX_BYTES as MANIFEST_MAX_BYTES, Manifest, ManifestError, Package,
    Pin, Request, Risk, SECTION as MANIFEST_SECTION, Setting, SettingKind, SettingsError,
    SettingsSchema, check_env_name, check_guest_path, check_interface, check_store_name,
    read_access, read_limits,
};
pub use reference::{Reference, ReferenceError, Repository};
pub use scope::{
    Access, CapabilityKind, ExecScope, HostPattern, HttpScope, NetScope, Scope, ScopeError,
};
