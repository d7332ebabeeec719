//! What comes out of the compiler: components that import what they use and nothing more, and stay small.

use std::collections::BTreeSet;
use std::path::Path;

use longshore_guest::testing::Sandbox;
use wasmparser::{ComponentExternalKind, ComponentTypeRef, Parser, Payload};

/// The imports and exports of a component's outermost level, and its size.
struct Component {
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
    bytes: usize,
}

fn component(folder: &str) -> Component {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let bytes =
        std::fs::read(Sandbox::build(folder).expect("it builds").path()).expect("it was written");
    wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all())
        .validate_all(&bytes)
        .expect("the component is valid");
    let (mut imports, mut exports, mut depth) = (BTreeSet::new(), BTreeSet::new(), 0);
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.expect("the component parses") {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.expect("the import parses");
                    assert!(matches!(import.ty, ComponentTypeRef::Instance(_)));
                    imports.insert(import.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.expect("the export parses");
                    assert_eq!(export.kind, ComponentExternalKind::Instance);
                    exports.insert(export.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Component { imports, exports, bytes: bytes.len() }
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

/// The interfaces of Longshore that a component imports.
fn ours(component: &Component) -> BTreeSet<String> {
    component.imports.iter().filter(|name| name.starts_with("longshore")).cloned().collect()
}

/// The interfaces beyond what every guest with a standard library has, without versions.
fn capabilities(component: &Component) -> BTreeSet<String> {
    const ALWAYS: [&str; 3] = ["wasi:cli/", "wasi:io/", "longshore"];
    let names = component
        .imports
        .iter()
        .filter(|name| !ALWAYS.iter().any(|always| name.starts_with(always)));
    names.map(|name| name.split('@').next().unwrap_or(name).to_owned()).collect()
}

#[test]
fn a_component_imports_what_it_calls_and_nothing_more() {
    let hash = component("plugins/hash");
    assert_eq!(ours(&hash), set([]), "it neither fails, logs nor has settings");
    assert_eq!(capabilities(&hash), set([]));
    assert_eq!(hash.exports, set(["longshore-plugins:hash/hash@1.0.0"]));

    let chunk = component("plugins/chunk");
    assert_eq!(
        ours(&chunk),
        set(["longshore:action/settings@0.1.0", "longshore:action/types@0.1.0"])
    );
    assert_eq!(capabilities(&chunk), set([]));

    let ingest = component("plugins/ingest");
    assert_eq!(
        ours(&ingest),
        set([
            "longshore-plugins:chunk/chunk@1.0.0",
            "longshore-plugins:embed/embed@1.0.0",
            "longshore-plugins:fetch/fetch@1.0.0",
            "longshore-plugins:hash/hash@1.0.0",
            "longshore-plugins:register/register@1.0.0",
            "longshore:action/types@0.1.0",
            "longshore:workflow/run@0.1.0",
        ])
    );
    assert_eq!(capabilities(&ingest), set([]));
}

#[test]
fn small_actions_are_small() {
    for (folder, limit) in
        [("plugins/hash", 100_000), ("plugins/embed", 100_000), ("plugins/ingest", 100_000)]
    {
        let bytes = component(folder).bytes;
        assert!(bytes <= limit, "`{folder}` has {bytes} bytes, at most {limit} are allowed");
    }
}
