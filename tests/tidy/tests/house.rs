//! The laws of the house, held against this repository.
//!
//! Golden files are rewritten by `just bless`, which sets `LONGSHORE_BLESS=1`.

use longshore_tidy::{Breach, docs, golden, graph, rust, text, tree};

const CRATE_GRAPH: &str = "tests/tidy/crate-graph.txt";
const WIT_DIGESTS: &str = "tests/tidy/wit-digests.txt";

#[expect(clippy::disallowed_methods, reason = "a test's own switch, not a setting of the product")]
fn bless() -> bool {
    std::env::var_os("LONGSHORE_BLESS").is_some_and(|value| value == "1")
}

fn files() -> Vec<longshore_tidy::File> {
    let files = tree::read(&tree::root()).expect("the repository can be read");
    assert!(files.len() > 20, "only {} files found: is the root right?", files.len());
    files
}

#[track_caller]
fn hold(breaches: &[Breach]) {
    let list: Vec<String> = breaches.iter().map(|breach| format!("  {breach}\n")).collect();
    assert!(breaches.is_empty(), "{} breach(es):\n{}", breaches.len(), list.concat());
}

#[test]
fn every_rust_file_keeps_the_rules_on_shape_and_imports() {
    let files = files();
    let sources = files.iter().filter(|file| file.path.ends_with(".rs"));
    hold(&sources.flat_map(rust::check).collect::<Vec<_>>());
}

#[test]
fn no_crate_depends_on_what_its_room_may_not_touch() {
    match graph::packages(&files()) {
        Ok(packages) => hold(&graph::forbidden_edges(&packages)),
        Err(breaches) => hold(&breaches),
    }
}

#[test]
fn the_crate_graph_is_the_one_agreed_on() {
    let packages = graph::packages(&files()).expect("every Cargo.toml parses");
    let actual = graph::render(&packages);
    hold(&golden::compare(&tree::root(), CRATE_GRAPH, &actual, bless()).expect("golden file"));
}

#[test]
fn the_contracts_are_the_ones_agreed_on() {
    let actual = golden::wit_digests(&files());
    assert!(!actual.is_empty(), "no contract found below `wit/`");
    hold(&golden::compare(&tree::root(), WIT_DIGESTS, &actual, bless()).expect("golden file"));
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    hold(&files().iter().flat_map(text::machine_paths).collect::<Vec<_>>());
}

#[test]
fn every_error_code_has_its_section_and_every_section_its_code() {
    hold(&docs::error_codes(&files()));
}

#[test]
fn every_link_leads_somewhere() {
    let root = tree::root();
    hold(&docs::links(&files(), |path| root.join(path).exists()));
}

#[test]
fn every_quoted_example_is_the_compiled_one() {
    hold(&docs::examples(&files()));
}
