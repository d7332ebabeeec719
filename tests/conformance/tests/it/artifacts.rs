//! The components that the tests run: guests that cargo builds, and small ones in text.

use longshore_reference::Manifest;
use longshore_test_support::{guests, workspace};

/// Gives 42, imports nothing.
pub(crate) const ANSWER: &str = r#"(component
  (core module $m (func (export "answer") (result i32) (i32.const 42)))
  (core instance $i (instantiate $m))
  (func (export "answer") (result u32) (canon lift (core func $i "answer"))))"#;

/// The head of a manifest.
pub(crate) const PACKAGE: &str =
    "[package]\nname = \"fixture\"\nversion = \"1.0.0\"\nkind = \"action\"\n";

/// The guest in `tests/guests/<name>`.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let folder = workspace().join("tests/guests").join(name);
    std::fs::read(guests::build_in(&folder, &format!("guest-{name}"))).unwrap()
}

/// A component or module in text.
pub(crate) fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// `component` with a manifest inside: the usual head, and `rest`.
pub(crate) fn with_manifest(component: &[u8], rest: &str) -> Vec<u8> {
    let text = format!("{PACKAGE}{rest}");
    let manifest = Manifest::from_toml(&text, "longshore.toml").unwrap_or_else(|e| panic!("{e}"));
    longshore_build::wrap(component, &manifest).unwrap()
}

/// The guest of most tests: it gives values back, and is named `fixture`, version 1.0.0.
pub(crate) fn echo() -> Vec<u8> {
    with_manifest(&guest("echo"), "description = \"Gives values back\"\nlicense = \"MIT\"\n")
}

/// The smallest component that can be called, with a manifest.
pub(crate) fn answer() -> Vec<u8> {
    with_manifest(&wat(ANSWER), "")
}
