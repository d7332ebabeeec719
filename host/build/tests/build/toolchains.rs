//! Real toolchains: cargo with and without the SDK. What is laid out builds, and passes its own tests.

use std::fs;
use std::process::Command;

use longshore_build::{
    BuildOptions, Built, Scaffold, SdkSource, Template, build, interfaces_of, new,
};
use longshore_test_support::workspace;

use crate::project::{Project, Shelf, manifest};

fn lay_out(template: Template, name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let sdk = SdkSource::Path(workspace().join("guest-sdk"));
    new(folder.path(), &Scaffold { template, name: name.to_owned(), sdk }).unwrap();
    folder
}

/// A build that succeeds, or what the compiler had to say.
async fn made(folder: &std::path::Path, options: &BuildOptions<'_>) -> Built {
    let built = build(folder, options, &mut |_| {}).await;
    built.unwrap_or_else(|error| panic!("{error}\n{}", error.output().unwrap_or_default()))
}

fn native_tests(folder: &std::path::Path) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).arg("test").current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_new_action_builds_and_passes_its_tests() {
    let folder = lay_out(Template::Action, "fresh-action");
    let mut lines = Vec::new();
    let mut on_line = |line: &str| lines.push(line.to_owned());
    let options = BuildOptions::default();
    let built = build(folder.path(), &options, &mut on_line).await;
    let built = built.unwrap_or_else(|error| panic!("{error}\n{}", error.output().unwrap_or("")));
    assert!(lines.iter().any(|line| line.contains("Compiling fresh-action")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("compiler-artifact")), "{lines:?}");
    let interfaces = interfaces_of("x", &built.bytes).unwrap();
    assert_eq!(interfaces.exports, ["local:fresh-action/greet@0.1.0"]);
    assert!(built.warnings.is_empty());
    assert_eq!(fs::read(&built.path).unwrap(), *built.bytes);
    let again = made(folder.path(), &options).await;
    assert_eq!(again.bytes, built.bytes);
    native_tests(folder.path());
}

#[tokio::test]
async fn a_new_workflow_builds_and_calls_the_action_that_its_author_adds() {
    let action = lay_out(Template::Action, "fresh-callee");
    let options = BuildOptions::default();
    let callee = made(action.path(), &options).await;
    let flow = lay_out(Template::Workflow, "fresh-flow");
    let built = made(flow.path(), &options).await;
    assert!(built.manifest.dependencies.is_empty());
    native_tests(flow.path());

    let shelf = Shelf::new();
    shelf.push("local/callee:0.1.0", callee.bytes.to_vec()).await;
    let path = flow.path().join("longshore.toml");
    let text = fs::read_to_string(&path).unwrap();
    let interface = "local:fresh-callee/greet@0.1.0";
    let line =
        format!("\"{interface}\" = {{ reference = \"local/callee\", version = \"^0.1\" }}\n");
    fs::write(&path, text + &line).unwrap();
    let path = flow.path().join("src/lib.rs");
    let text = fs::read_to_string(&path).unwrap();
    let call = "let said = actions::greet::hello(&item)?;\n            run::note(&said.text);\n";
    let text =
        text.replace("run::note(&format!(", &format!("{call}            run::note(&format!("));
    fs::write(&path, text).unwrap();
    let built = made(flow.path(), &shelf.options()).await;
    assert_eq!(
        built
            .wit
            .iter()
            .filter(|path| path.ends_with("local-fresh-callee-0.1.0/package.wit"))
            .count(),
        1
    );
    assert!(interfaces_of("x", &built.bytes).unwrap().imports.contains(&interface.to_owned()));
    assert_eq!(
        built.manifest.dependencies[0].pinned.as_ref().unwrap().version.to_string(),
        "0.1.0"
    );
    assert!(built.warnings.is_empty(), "{:?}", built.warnings);
}

fn package(name: &str, source: &str, extra: &str) -> Project {
    let project = Project::new(&manifest("action", ""), b"");
    project.write(
        "Cargo.toml",
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{extra}\n[workspace]\n"),
    );
    project.write("src/main.rs", source);
    project
}

#[tokio::test]
async fn a_command_without_the_sdk_builds_too() {
    let project = package("plain-command", "fn main() { println!(\"hello\"); }", "");
    let built = project.build(&BuildOptions::default()).await.unwrap();
    let interfaces = interfaces_of("x", &built.bytes).unwrap();
    assert!(interfaces.exports[0].starts_with("wasi:cli/run@0.2."), "{interfaces:?}");
}

#[tokio::test]
async fn a_mistake_in_the_code_is_told_as_the_compiler_tells_it() {
    let project = package("broken-command", "fn main() { let x: u8 = \"\"; }", "");
    let error = project.build(&BuildOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), "LS-BLD-007");
    assert!(error.to_string().starts_with("`cargo build --target wasm32-wasip2"), "{error}");
    assert!(error.output().unwrap().contains("E0308"), "{:?}", error.output());
    assert!(!project.output().exists());
}

#[tokio::test]
async fn two_binaries_are_one_too_many_until_one_is_named() {
    let project = package("two-commands", "fn main() {}", "");
    project.write("src/bin/other-command.rs", "fn main() {}");
    let error = project.build(&BuildOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), "LS-BLD-009");
    assert!(error.to_string().contains("other-command.wasm"), "{error}");
}

#[tokio::test]
async fn a_library_that_is_no_cdylib_makes_no_component() {
    let project = package("only-a-library", "", "");
    std::fs::rename(project.path().join("src/main.rs"), project.path().join("src/lib.rs")).unwrap();
    let error = project.build(&BuildOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), "LS-BLD-008");
    assert!(error.hint().unwrap().contains("cdylib"));
}

#[tokio::test]
async fn without_cargo_or_its_target_the_author_is_told_what_to_install() {
    let project = package("no-toolchain", "fn main() {}", "");
    let options = BuildOptions { cargo: Some("/nowhere/cargo".into()), ..BuildOptions::default() };
    assert_eq!(project.build(&options).await.unwrap_err().code(), "LS-BLD-005");
    // What rustc says when the target's libraries are not there.
    project.write(
        "cargo.sh",
        "#!/bin/sh\necho \"error[E0463]: can't find crate for \\`core\\`\" >&2\n\
        echo '  = note: the `wasm32-wasip2` target may not be installed' >&2\nexit 101\n",
    );
    use std::os::unix::fs::PermissionsExt as _;
    let script = project.path().join("cargo.sh");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let options = BuildOptions { cargo: Some(script.into()), ..BuildOptions::default() };
    let error = project.build(&options).await.unwrap_err();
    assert_eq!(error.code(), "LS-BLD-006");
    assert_eq!(error.hint().unwrap(), "run `rustup target add wasm32-wasip2`");
}
