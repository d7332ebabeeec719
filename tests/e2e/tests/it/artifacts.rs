//! The components that the tests run: built guests, hand-made ones, and either with a manifest inside.

use longshore::reference::Manifest;
use longshore_test_support::guests;
use wasm_encoder::{Encode as _, Section as _};

/// The bytes of the guest in `tests/guests/<name>`.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    std::fs::read(guests::build(name)).unwrap()
}

/// The bytes of a component or module in text.
pub(crate) fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// `component` with the manifest in `toml` as its custom section.
pub(crate) fn with_manifest(component: &[u8], toml: &str) -> Vec<u8> {
    let manifest = Manifest::from_toml(toml, "longshore.toml").unwrap_or_else(|e| panic!("{e}"));
    embedded(component, &manifest)
}

/// The same with a manifest that was put together.
pub(crate) fn embedded(component: &[u8], manifest: &Manifest) -> Vec<u8> {
    with_section(component, &manifest.to_canonical())
}

/// The same with whatever bytes claim to be a manifest.
pub(crate) fn with_section(component: &[u8], section: &[u8]) -> Vec<u8> {
    let section = wasm_encoder::CustomSection {
        name: longshore::reference::MANIFEST_SECTION.into(),
        data: section.into(),
    };
    let mut bytes = component.to_vec();
    bytes.push(section.id());
    section.encode(&mut bytes);
    bytes
}

/// `[package]` of a manifest.
pub(crate) const ACTION: &str =
    "[package]\nname = \"fixture\"\nversion = \"1.0.0\"\nkind = \"action\"\n";
