//! Dependencies: looked up once, then remembered, and changed only when that was asked for.

use longshore_build::{BuildOptions, LOCKFILE, Warning};
use longshore_client::{ClientConfig, Registry};
use longshore_reference::{Lockfile, Manifest};

use crate::project::{CHUNK, COPY, Project, Shelf, component, flow, manifest};

fn pin(manifest: &Manifest) -> (String, String) {
    let pin = manifest.dependencies[0].pinned.as_ref().unwrap();
    (pin.version.to_string(), pin.digest.to_string())
}

fn locked(project: &Project) -> Lockfile {
    Lockfile::parse(&project.read(LOCKFILE).unwrap(), LOCKFILE).unwrap()
}

#[tokio::test]
async fn the_highest_version_in_range_is_pinned_and_embedded() {
    let shelf = Shelf::new();
    shelf.push("acme/chunk:1.0.0", component(CHUNK)).await;
    let newest = shelf.push("acme/chunk:1.4.0", component(CHUNK)).await;
    shelf.push("acme/chunk:2.0.0", component(CHUNK)).await;
    let project = flow("^1");
    let built = project.build(&shelf.options()).await.unwrap();
    assert!(built.lock_changed && built.warnings.is_empty());
    assert_eq!(pin(&built.manifest), ("1.4.0".to_owned(), newest.to_string()));
    let entry = locked(&project);
    assert_eq!(entry.get("acme:text/chunk@1.0.0").unwrap().digest, newest);
    assert_eq!(entry.get("acme:text/chunk@1.0.0").unwrap().reference.to_string(), "acme/chunk");
}

#[tokio::test]
async fn a_fresh_lockfile_stands_until_an_update_is_asked_for() {
    let shelf = Shelf::new();
    shelf.push("acme/chunk:1.0.0", component(CHUNK)).await;
    let project = flow("^1");
    let first = project.build(&shelf.options()).await.unwrap();
    shelf.push("acme/chunk:1.1.0", component(CHUNK)).await;
    let second = project.build(&shelf.options()).await.unwrap();
    assert!(!second.lock_changed);
    assert_eq!((&first.bytes, pin(&second.manifest).0), (&second.bytes, "1.0.0".to_owned()));
    // The lockfile alone is enough.
    let alone = project.build(&BuildOptions::default()).await.unwrap();
    assert_eq!(alone.bytes, first.bytes);
    let offline = BuildOptions { offline: true, locked: true, ..shelf.options() };
    assert_eq!(project.build(&offline).await.unwrap().bytes, first.bytes);
    let update = BuildOptions { update: true, ..shelf.options() };
    let third = project.build(&update).await.unwrap();
    assert!(third.lock_changed);
    assert_eq!(pin(&third.manifest).0, "1.1.0");
}

#[tokio::test]
async fn locked_changes_no_lockfile() {
    let shelf = Shelf::new();
    shelf.push("acme/chunk:1.0.0", component(CHUNK)).await;
    let strict = BuildOptions { locked: true, ..shelf.options() };
    let project = flow("^1");
    let error = project.build(&strict).await.unwrap_err();
    assert_eq!(error.code(), "LS-BLD-017");
    assert!(error.to_string().contains("no entry for `acme:text/chunk@1.0.0`"), "{error}");
    assert_eq!(project.read(LOCKFILE), None);

    project.build(&shelf.options()).await.unwrap();
    project.build(&strict).await.unwrap();
    let before = project.read(LOCKFILE);
    // The manifest asks for what the lockfile does not have.
    let text = project.read("longshore.toml").unwrap().replace("\"^1\"", "\"^2\"");
    project.write("longshore.toml", text);
    assert_eq!(project.build(&strict).await.unwrap_err().code(), "LS-BLD-017");
    // The lockfile has what the manifest no longer asks for.
    project.write("longshore.toml", manifest("workflow", COPY));
    let error = project.build(&strict).await.unwrap_err();
    assert_eq!(error.code(), "LS-BLD-017");
    assert!(error.to_string().contains("which the manifest does not"), "{error}");
    assert_eq!(project.read(LOCKFILE), before);
}

#[tokio::test]
async fn offline_a_stale_pin_is_an_error_and_nothing_is_asked() {
    let shelf = Shelf::new();
    shelf.push("acme/chunk:1.0.0", component(CHUNK)).await;
    let project = flow("^1");
    project.build(&shelf.options()).await.unwrap();
    let before = project.read(LOCKFILE);
    let text = project.read("longshore.toml").unwrap().replace("\"^1\"", "\"^2\"");
    project.write("longshore.toml", text);
    let offline = BuildOptions { offline: true, ..shelf.options() };
    assert_eq!(project.build(&offline).await.unwrap_err().code(), "LS-BLD-018");
    let client = Registry::new(ClientConfig { offline: true, ..ClientConfig::default() });
    let offline = BuildOptions { registry: Some(&client), ..shelf.options() };
    assert_eq!(project.build(&offline).await.unwrap_err().code(), "LS-BLD-018");
    assert_eq!(project.read(LOCKFILE), before);
}

#[tokio::test]
async fn a_registry_without_a_match_or_that_is_down_keeps_its_own_code() {
    let shelf = Shelf::new();
    shelf.push("acme/chunk:1.0.0", component(CHUNK)).await;
    let project = flow("^7");
    assert_eq!(project.build(&shelf.options()).await.unwrap_err().code(), "LS-REG-033");
    let nowhere = BuildOptions { default_registry: None, ..shelf.options() };
    assert_eq!(project.build(&nowhere).await.unwrap_err().code(), "LS-BLD-019");
    let down = BuildOptions { default_registry: Some("127.0.0.1:1".into()), ..shelf.options() };
    assert_eq!(project.build(&down).await.unwrap_err().code(), "LS-REG-004");
    assert_eq!(project.read(LOCKFILE), None);
}

#[tokio::test]
async fn a_broken_lockfile_is_told_with_its_place_and_left_alone() {
    let project = flow("^1");
    project.write(LOCKFILE, "version = 2\n");
    let error = project.build(&BuildOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), "LS-MAN-011");
    assert!(error.to_string().starts_with("longshore.lock:1:11: "), "{error}");
    assert_eq!(project.read(LOCKFILE).unwrap(), "version = 2\n");
}

#[tokio::test]
async fn a_dependency_that_is_not_imported_is_pointed_out() {
    let shelf = Shelf::new();
    shelf.push("acme/chunk:1.0.0", component(CHUNK)).await;
    let project = flow("^1");
    project.write("made.wasm", component("package a:b; world w { export run: func(); }"));
    let built = project.build(&shelf.options()).await.unwrap();
    let interface = "acme:text/chunk@1.0.0".to_owned();
    assert_eq!(built.warnings, [Warning::Unused { interface }]);
}
