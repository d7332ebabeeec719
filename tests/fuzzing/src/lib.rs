//! What is fuzzed: each function takes bytes as a stranger could send them, and panics where a property fails that must hold for
//! any bytes at all. `fuzz/` drives them with libFuzzer, and the test of this crate with the seeds that lie in `fuzz/seeds`.
//!
//! Nothing here touches the network or the disk.

#![expect(clippy::panic, reason = "a property that fails is told by a panic, as fuzzers want it")]
#![allow(clippy::missing_panics_doc, reason = "every function panics when what it states is false")]

mod paths;
mod scopes;
#[cfg(feature = "engine")]
mod values;

pub use paths::paths;
pub use scopes::http_scopes;
#[cfg(feature = "engine")]
pub use values::values;

use longshore_policy::Policy;
use longshore_reference::Manifest;

/// An entry point with the folder of its seeds.
pub type Entry = (&'static str, fn(&[u8]));

/// Every entry point, by the name of its fuzz target.
pub const ENTRIES: &[Entry] = &[
    #[cfg(feature = "engine")]
    ("component", component),
    #[cfg(feature = "engine")]
    ("values", values),
    ("manifest", manifest),
    ("policy", policy),
    ("http_scopes", http_scopes),
    ("paths", paths),
];

/// The bytes of a component, as `inspect` looks at them before anything is compiled: scan, manifest, world.
#[cfg(feature = "engine")]
pub fn component(bytes: &[u8]) {
    if let Ok(Some(section)) = longshore_engine::Engine::manifest_section("fuzzed.wasm", bytes)
        && let Ok(manifest) = Manifest::from_embedded(&section)
    {
        assert_eq!(manifest.to_canonical(), section, "an embedded manifest has one spelling");
    }
    if let Ok(wit) = longshore_build::wit_of("fuzzed.wasm", bytes) {
        assert!(wit.contains("package "), "a world is said in WIT");
    }
}

/// The text of a manifest, authored or embedded.
pub fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::from_embedded(bytes) {
        assert_eq!(manifest.to_canonical(), bytes, "an embedded manifest has one spelling");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Manifest::from_toml(text, "longshore.toml") {
        Ok(manifest) => {
            let canonical = manifest.to_canonical();
            let again = Manifest::from_embedded(&canonical);
            let again = again.unwrap_or_else(|error| panic!("what was authored embeds: {error}"));
            assert_eq!(again.to_canonical(), canonical);
        }
        Err(error) => drop((error.to_string(), error.hint())),
    }
}

/// The text of a policy file, and of a flag.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Policy::from_toml(text, "policy.toml") {
        Ok(policy) => {
            assert_eq!(policy.digest(), policy.clone().digest());
            let mut merged = Policy::default();
            merged.merge(policy);
            drop(merged.ceilings());
        }
        Err(error) => drop(error.to_string()),
    }
    let mut policy = Policy::default();
    drop(policy.allow_flag(text));
    drop(policy.set_flag(text));
}
