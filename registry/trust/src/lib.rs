//! Who vouches for a component: keys, signatures, the trust policy, and the one place where
//! [`Verified`] is made.
//!
//! No network and no clock: signatures arrive with what was fetched, and the time is passed in.
//! Reads disk only in [`TrustPolicy::load`], for the policy and the public keys that it names.
//!
//! Signatures are what cosign 3 writes with a key: ECDSA over P-256 and SHA-256, in a DSSE
//! envelope, in a Sigstore bundle of version 0.3. Keyless signatures (certificates) are refused,
//! and say so.
//!
//! [`Verified`] cannot be made outside this crate:
//!
//! ```compile_fail,E0451
//! use longshore_reference::{Digest, Source};
//! let forged = longshore_trust::Verified {
//!     bytes: std::sync::Arc::from(&b"\0asm"[..]),
//!     digest: Digest::of(b"\0asm"),
//!     source: Source::File("forged.wasm".to_owned()),
//!     manifest: None,
//!     signers: Vec::new(),
//!     policy: Digest::of(b""),
//! };
//! ```

pub mod bundle;
pub mod dsse;
mod error;
mod json;
mod keys;
mod legacy;
mod policy;
mod verify;

pub use bundle::{annotations_for, sign_component};
pub use error::Error;
pub use keys::{PrivateKey, PublicKey};
pub use policy::{Bound, Requirement, SigstoreRequirement, TrustPolicy};
pub use verify::Verified;
