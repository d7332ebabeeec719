//! Folders that cannot be built: each with its own error, and no trace left.

use longshore_build::{BuildOptions, Error, Revision};
use longshore_reference::Manifest;

use crate::project::{CHUNK, COPY, FLOW, Project, component, flow, manifest};

async fn refused(project: &Project) -> Error {
    let before = project.files();
    let error = project.build(&BuildOptions::default()).await.unwrap_err();
    let after = project.files();
    let new: Vec<_> = after.iter().filter(|file| !before.contains(file)).collect();
    assert!(new.iter().all(|file| *file == "out.wasm"), "left behind: {new:?}");
    error
}

fn action(rest: &str, made: &[u8]) -> Project {
    Project::new(&manifest("action", rest), made)
}

#[tokio::test]
async fn a_folder_without_manifest_is_not_built() {
    let folder = tempfile::tempdir().unwrap();
    let options = BuildOptions::default();
    let error = longshore_build::build(folder.path(), &options, &mut |_| {}).await.unwrap_err();
    assert_eq!(error.code(), "LS-BLD-003");
    assert!(error.hint().unwrap().contains("longshore new"));
}

#[tokio::test]
async fn a_mistake_in_the_manifest_has_its_place() {
    let error = refused(&action("descripton = \"x\"", b"")).await;
    assert_eq!(error.code(), "LS-MAN-001");
    assert!(error.to_string().starts_with("longshore.toml:5:1: "), "{error}");
}

#[tokio::test]
async fn a_folder_that_does_not_say_how_it_is_built_is_told_what_to_say() {
    let error = refused(&action("", b"")).await;
    assert_eq!(error.code(), "LS-BLD-004");
    assert!(error.hint().unwrap().contains("[build]"));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let build = "[build]\ncommand = [\"no-such-tool\"]\ncomponent = \"x.wasm\"";
    let error = refused(&action(build, b"")).await;
    assert_eq!(error.code(), "LS-BLD-005");
    assert!(error.to_string().contains("`no-such-tool`"));
}

#[tokio::test]
async fn a_failing_build_tells_how_it_ended_and_what_it_said() {
    let build = "[build]\ncommand = [\"sh\", \"-c\", \"echo it broke >&2; exit 3\"]\n\
         component = \"x.wasm\"";
    let project = action(build, b"");
    let mut lines = Vec::new();
    let mut on_line = |line: &str| lines.push(line.to_owned());
    let options = BuildOptions::default();
    let error = longshore_build::build(project.path(), &options, &mut on_line).await.unwrap_err();
    assert_eq!(error.code(), "LS-BLD-007");
    assert!(error.to_string().contains("exit status: 3"), "{error}");
    assert_eq!(error.output(), Some("it broke"));
    assert_eq!(lines, ["it broke"]);
}

#[tokio::test]
async fn a_build_that_makes_nothing_says_what_was_looked_for() {
    let error =
        refused(&action("[build]\ncommand = [\"true\"]\ncomponent = \"x.wasm\"", b"")).await;
    assert_eq!(error.code(), "LS-BLD-008");
    assert!(error.to_string().contains("x.wasm"));
}

#[tokio::test]
async fn what_is_not_a_component_is_told_apart() {
    for (bytes, code) in [
        (&b"#!/bin/sh"[..], "LS-BLD-010"),
        (b"\0asm\x01\0\0\0", "LS-BLD-011"),
        (b"\0asm\x0d\0\x01\0\xff\xff", "LS-BLD-012"),
        (b"\0asm\x0d\0\x01\0", "LS-BLD-013"),
    ] {
        assert_eq!(refused(&action(COPY, bytes)).await.code(), code);
    }
}

#[tokio::test]
async fn an_import_without_provider_is_an_error_with_the_line_to_add() {
    let bytes = component(FLOW);
    let error = refused(&Project::new(&manifest("workflow", COPY), &bytes)).await;
    assert_eq!(error.code(), "LS-BLD-015");
    assert!(error.to_string().contains("`acme:text/chunk@1.0.0`"), "{error}");
    assert!(!error.to_string().contains("wasi:"), "{error}");
    assert!(!error.to_string().contains("shapes"), "types alone need no provider: {error}");
    assert!(error.hint().unwrap().contains("\"acme:text/chunk@1.0.0\" = { reference ="));
    let error = refused(&action(COPY, &bytes)).await;
    assert_eq!(error.code(), "LS-BLD-015");
    assert!(error.hint().unwrap().contains("kind = \"workflow\""));
}

#[tokio::test]
async fn metadata_that_its_sections_cannot_hold_is_refused() {
    for (field, value) in [("license", "Apache 2"), ("source", "my disk"), ("documentation", "?")] {
        let rest = format!("{field} = \"{value}\"\n{COPY}");
        let error = refused(&action(&rest, &component(CHUNK))).await;
        assert_eq!(error.code(), "LS-BLD-016");
        assert!(error.to_string().contains(&format!("`package.{field}` is `{value}`")), "{error}");
    }
}

#[tokio::test]
async fn a_workflow_without_registry_and_lockfile_cannot_be_pinned() {
    let error = refused(&flow("^1")).await;
    assert_eq!(error.code(), "LS-BLD-018");
}

#[tokio::test]
async fn a_build_that_fails_leaves_the_last_component_as_it_was() {
    let project = action(COPY, &component(CHUNK));
    let built = project.build(&BuildOptions::default()).await.unwrap();
    project.write("made.wasm", b"broken");
    project.build(&BuildOptions::default()).await.unwrap_err();
    assert_eq!(std::fs::read(project.output()).unwrap(), *built.bytes);
    let beside = project.output().parent().unwrap().read_dir().unwrap().count();
    assert_eq!(beside, 1, "a temporary file was left");
}

#[tokio::test]
async fn an_output_that_cannot_be_written_is_an_error_of_its_own() {
    let project = action(COPY, &component(CHUNK));
    project.write("target/longshore", b"in the way");
    let error = project.build(&BuildOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), "LS-BLD-002");
}

#[tokio::test]
async fn the_same_folder_gives_the_same_bytes() {
    let project = action(COPY, &component(CHUNK));
    let first = project.build(&BuildOptions::default()).await.unwrap();
    let second = project.build(&BuildOptions::default()).await.unwrap();
    assert_eq!(first.digest, second.digest);
    assert_eq!(std::fs::read(&second.path).unwrap(), *second.bytes);
    assert_eq!(second.path, project.output());
    assert_eq!(second.manifest, {
        let mut manifest = Manifest::from_toml(&manifest("action", ""), "x").unwrap();
        manifest.build = None;
        manifest
    });
}

#[tokio::test]
async fn the_commit_is_recorded_only_where_the_sources_are_that_commit() {
    let project = action(COPY, &component(CHUNK));
    project.write(".gitignore", "target\nout.wasm\n");
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let mut command = std::process::Command::new("git");
        let output = command.args(identity).args(arguments).current_dir(project.path()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "all", "--no-gpg-sign"]);
    let head = git(&["rev-parse", "HEAD"]);
    let options = BuildOptions { revision: Revision::Git, ..BuildOptions::default() };
    let revision = |built: longshore_build::Built| built.manifest.package.revision;
    assert_eq!(revision(project.build(&options).await.unwrap()), Some(head));
    assert_eq!(revision(project.build(&BuildOptions::default()).await.unwrap()), None);
    project.write("more.txt", "changed");
    assert_eq!(revision(project.build(&options).await.unwrap()), None);
    let named = Revision::Named("r1".to_owned());
    let options = BuildOptions { revision: named, ..BuildOptions::default() };
    assert_eq!(revision(project.build(&options).await.unwrap()), Some("r1".to_owned()));
}
