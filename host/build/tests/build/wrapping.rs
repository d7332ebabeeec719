//! A component of any toolchain with its manifest inside, as other tools read it.

use longshore_build::wrap;
use longshore_reference::{MANIFEST_SECTION, Manifest};
use wasm_metadata::Payload;

use crate::project::{CHUNK, component, manifest};

const ALL: &str = "description = \"Cuts text\"\nauthors = [\"Ada\", \"Grace\"]\nlicense = \
    \"Apache-2.0 OR MIT\"\nsource = \"https://example.com/thing\"\nrevision = \
    \"abc123\"\ndocumentation = \"https://example.com/docs\"\n";

fn read(kind: &str, rest: &str) -> Manifest {
    Manifest::from_toml(&manifest(kind, rest), "longshore.toml").unwrap()
}

/// The custom sections of the outermost component.
fn sections(component: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut depth = 0;
    let mut found = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            wasmparser::Payload::ModuleSection { .. }
            | wasmparser::Payload::ComponentSection { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            wasmparser::Payload::CustomSection(section) if depth == 0 => {
                found.push((section.name().to_owned(), section.data().to_vec()));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn the_manifest_reads_back_from_the_component() {
    let authored = read("action", ALL);
    let wrapped = wrap(&component(CHUNK), &authored).unwrap();
    let found: Vec<_> =
        sections(&wrapped).into_iter().filter(|(name, _)| name == MANIFEST_SECTION).collect();
    assert_eq!(found.len(), 1);
    assert_eq!(Manifest::from_embedded(&found[0].1).unwrap(), authored);
    wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all())
        .validate_all(&wrapped)
        .unwrap();
}

#[test]
fn the_standard_metadata_reads_as_other_tools_read_it() {
    let wrapped = wrap(&component(CHUNK), &read("action", ALL)).unwrap();
    let payload = Payload::from_binary(&wrapped).unwrap();
    let metadata = payload.metadata();
    let text = |field: Option<String>| field.unwrap();
    assert_eq!(metadata.name.as_deref(), Some("thing"));
    assert_eq!(text(metadata.version.as_ref().map(ToString::to_string)), "1.2.3");
    assert_eq!(text(metadata.description.as_ref().map(ToString::to_string)), "Cuts text");
    assert_eq!(text(metadata.authors.as_ref().map(ToString::to_string)), "Ada, Grace");
    assert_eq!(text(metadata.licenses.as_ref().map(ToString::to_string)), "Apache-2.0 OR MIT");
    assert_eq!(
        text(metadata.source.as_ref().map(ToString::to_string)),
        "https://example.com/thing"
    );
    assert_eq!(
        text(metadata.homepage.as_ref().map(ToString::to_string)),
        "https://example.com/docs"
    );
    assert_eq!(text(metadata.revision.as_ref().map(ToString::to_string)), "abc123");
}

#[test]
fn wrapping_again_replaces_and_wrapping_the_same_changes_nothing() {
    let first = wrap(&component(CHUNK), &read("action", ALL)).unwrap();
    assert_eq!(wrap(&first, &read("action", ALL)).unwrap(), first);
    let newer = read("action", "description = \"Cuts it finer\"");
    let second = wrap(&first, &newer).unwrap();
    let names: Vec<_> = sections(&second).into_iter().map(|(name, _)| name).collect();
    for once in [MANIFEST_SECTION, "description", "version", "component-name"] {
        assert_eq!(names.iter().filter(|name| *name == once).count(), 1, "{once}: {names:?}");
    }
    let description = sections(&second).into_iter().find(|(name, _)| name == "description");
    assert_eq!(description.unwrap().1, b"Cuts it finer");
}

#[test]
fn everything_else_in_the_component_stays() {
    let mut original = component(CHUNK);
    // A section that nobody here knows, and names of parts.
    let custom = |name: &str, data: &[u8]| {
        let length = 1 + name.len() + data.len();
        let mut section = vec![0, u8::try_from(length).unwrap(), u8::try_from(name.len()).unwrap()];
        section.extend(name.bytes().chain(data.iter().copied()));
        section
    };
    original.extend(custom("theirs", b"kept"));
    let wrapped = wrap(&original, &read("action", "")).unwrap();
    let before = sections(&original);
    let after = sections(&wrapped);
    for section in before.iter().filter(|(name, _)| name != "component-name") {
        assert!(after.contains(section), "lost `{}`", section.0);
    }
    let code = |bytes: &[u8]| {
        let payloads = wasmparser::Parser::new(0).parse_all(bytes).map(Result::unwrap);
        let sections = payloads.filter_map(|payload| payload.as_section());
        let sections = sections.filter(|(id, _)| *id != 0);
        sections.map(|(id, range)| (id, bytes[range].to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(code(&original), code(&wrapped));
    assert!(!code(&original).is_empty());
}

#[test]
fn a_manifest_that_no_author_could_have_written_is_not_embedded() {
    let mut manifest = read("action", "");
    manifest.package.name = "Not A Name".to_owned();
    assert_eq!(wrap(&component(CHUNK), &manifest).unwrap_err().code(), "LS-MAN-004");
    let mut manifest = read("action", "");
    manifest.package.authors = vec!["x".repeat(4000); 100];
    assert_eq!(wrap(&component(CHUNK), &manifest).unwrap_err().code(), "LS-MAN-002");
}
