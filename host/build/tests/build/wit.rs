//! The WIT of dependencies, where the author's compiler looks for it.

use longshore_build::{Warning, fetch_wit, interfaces_of, wit_of};

use crate::project::{CHUNK, FLOW, Project, Shelf, component, flow};

const FILE: &str = "wit/deps/acme-text-1.0.0/package.wit";
const WORKFLOW: &str = "wit/deps/longshore-workflow-0.1.0/package.wit";

#[test]
fn the_wit_of_a_component_reads_back_as_wit() {
    let text = wit_of("x", &component(CHUNK)).unwrap();
    assert!(text.contains("export acme:text/chunk@1.0.0;"), "{text}");
    assert!(text.contains("split: func(text: string) -> list<piece>;"), "{text}");
    wit_parser::Resolve::default().push_source("x.wit", &text).unwrap();
    assert_eq!(wit_of("x", b"\0asm\x01\0\0\0").unwrap_err().code(), "LS-BLD-011");
    let interfaces = interfaces_of("x", &component(FLOW)).unwrap();
    assert_eq!(interfaces.exports, ["run"]);
    assert!(interfaces.imports.contains(&"acme:text/chunk@1.0.0".to_owned()));
}

#[tokio::test]
async fn a_workflow_finds_the_wit_of_its_dependencies() {
    let shelf = Shelf::new();
    shelf.push("acme/chunk:1.0.0", component(CHUNK)).await;
    let project = flow("^1");
    let fetched = fetch_wit(project.path(), &shelf.client, Some(&shelf.host())).await.unwrap();
    assert_eq!(fetched.written, [FILE, WORKFLOW].map(|file| project.path().join(file)));
    let text = project.read(FILE).unwrap();
    assert!(text.starts_with("// Written by `longshore` from `acme/chunk 1.0.0`."), "{text}");
    assert!(!text.contains(&shelf.host()), "the registry's address is not the author's: {text}");
    // With the words for waiting it is the whole of what is needed.
    let group = wit_parser::UnresolvedPackageGroup::parse("x", &text).unwrap();
    assert_eq!(group.main.name.to_string(), "acme:text@1.0.0");
    let mut names: Vec<_> =
        group.main.interfaces.iter().filter_map(|(_, i)| i.name.clone()).collect();
    names.sort();
    assert_eq!(names, ["chunk", "chunk-start", "shapes"]);
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_source("workflow.wit", &project.read(WORKFLOW).unwrap()).unwrap();
    resolve.push_source("x.wit", &text).unwrap();
    // A second time there is nothing to do.
    let again = fetch_wit(project.path(), &shelf.client, Some(&shelf.host())).await.unwrap();
    assert_eq!(again, longshore_build::Fetched::default());
}

#[tokio::test]
async fn a_build_brings_the_wit_that_is_missing_and_only_then() {
    let shelf = Shelf::new();
    shelf.push("acme/chunk:1.0.0", component(CHUNK)).await;
    let project = flow("^1");
    project.write("wit/deps/.gitkeep", "");
    let built = project.build(&shelf.options()).await.unwrap();
    assert_eq!(built.wit, [FILE, WORKFLOW].map(|file| project.path().join(file)));
    assert!(project.build(&shelf.options()).await.unwrap().wit.is_empty());
    std::fs::remove_file(project.path().join(FILE)).unwrap();
    let offline = longshore_build::BuildOptions { offline: true, ..shelf.options() };
    let built = project.build(&offline).await.unwrap();
    assert_eq!(built.warnings, [Warning::WitMissing]);
}

#[tokio::test]
async fn what_the_author_keeps_stays_and_what_is_ours_goes_when_it_is_not_needed() {
    let shelf = Shelf::new();
    shelf.push("acme/chunk:1.0.0", component(CHUNK)).await;
    let project = flow("^1");
    let mine = "package acme:text@1.0.0;\ninterface chunk { split: func(); }\n";
    project.write("wit/deps/text.wit", mine);
    project.write(
        "wit/deps/acme-old-1.0.0/package.wit",
        concat!(
            "// Written by `longshore` from `acme/old 1.0.0`. Do not edit.\n",
            "package acme:old@1.0.0;\ninterface i { f: func(); }\n",
        ),
    );
    let fetched = fetch_wit(project.path(), &shelf.client, Some(&shelf.host())).await.unwrap();
    assert_eq!(fetched.kept, ["acme:text@1.0.0"]);
    assert!(fetched.written.is_empty());
    assert_eq!(fetched.removed, [project.path().join("wit/deps/acme-old-1.0.0/package.wit")]);
    assert_eq!(project.read("wit/deps/text.wit").unwrap(), mine);
    assert!(!project.path().join("wit/deps/acme-old-1.0.0").exists());
}

#[tokio::test]
async fn a_component_that_lacks_the_interface_is_refused_with_those_it_has() {
    let shelf = Shelf::new();
    let other = CHUNK.replace("export acme:text/chunk@1.0.0", "export acme:text/cut@1.0.0");
    let other = other.replace("interface chunk", "interface cut");
    shelf.push("acme/chunk:1.0.0", component(&other)).await;
    let project = flow("^1");
    let error = fetch_wit(project.path(), &shelf.client, Some(&shelf.host())).await.unwrap_err();
    assert_eq!(error.code(), "LS-BLD-020");
    assert_eq!(error.hint().unwrap(), "it exports `acme:text/cut@1.0.0`");
    assert!(!project.path().join("wit").exists());
}

#[tokio::test]
async fn two_components_that_disagree_about_an_interface_are_named() {
    let shelf = Shelf::new();
    shelf.push("acme/chunk:1.0.0", component(CHUNK)).await;
    let other =
        CHUNK.replace("chunk@1.0.0", "glue@1.0.0").replace("interface chunk", "interface glue");
    let other = other.replace("at: u32", "at: u64");
    shelf.push("acme/glue:1.0.0", component(&other)).await;
    let project: Project = flow("^1");
    let text = project.read("longshore.toml").unwrap().replace(
        "[dependencies]\n",
        "[dependencies]\n\"acme:text/glue@1.0.0\" = { reference = \"acme/glue\", version = \"1\" }\n",
    );
    project.write("longshore.toml", text);
    let error = fetch_wit(project.path(), &shelf.client, Some(&shelf.host())).await.unwrap_err();
    assert_eq!(error.code(), "LS-BLD-021");
    assert!(error.to_string().contains("`acme:text/shapes@1.0.0`"), "{error}");
    assert!(!project.path().join("wit").exists());
}
