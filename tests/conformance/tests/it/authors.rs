//! What an author does on the first day: a new project, its tests, its sandbox, its component.

use std::path::PathBuf;
use std::process::Command;

use longshore_test_support::cli::binary;
use longshore_test_support::workspace;

use crate::desk::Desk;

/// Calls the component of the project that it lies in, as the SDK's documentation shows it.
const SANDBOXED: &str = r#"
use longshore_guest::testing::{Answer, Sandbox};
use serde_json::{Value, json};

#[test]
fn the_component_greets_fails_and_is_confined() {
    let sandbox = Sandbox::build(env!("CARGO_MANIFEST_DIR")).unwrap();
    let hello = "local:first-day/greet@0.1.0#hello";
    let said: Value = sandbox.call(hello, &json!({ "name": "Ada" })).unwrap().ok();
    assert_eq!(said, json!({ "text": "Hello, Ada!", "letters": 3 }));
    let failed = sandbox.call::<Value>(hello, &json!({ "name": " " })).unwrap().failed();
    assert_eq!(failed.code, "no-name");
    let none = sandbox.call::<Value>("local:first-day/greet@0.1.0#bye", &json!({}));
    assert!(none.unwrap_err().to_string().contains("LS-ENG-008"));
    let wide = sandbox.allow("no-such-capability").call::<Value>(hello, &json!({ "name": "Ada" }));
    assert!(!matches!(wide, Ok(Answer::Ok(_))));
}
"#;

fn home_of(variable: &str, folder: &str) -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(folder);
    std::env::var_os(variable).map_or_else(home, PathBuf::from)
}

/// A desk whose commands find the toolchain of this machine.
fn desk() -> Desk {
    let mut desk = Desk::new();
    for (variable, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        desk.set(variable, home_of(variable, folder).to_str().unwrap());
    }
    for variable in ["PATH", "RUSTUP_TOOLCHAIN", "CARGO_TARGET_DIR"] {
        if let Some(value) = std::env::var_os(variable) {
            desk.set(variable, value.to_str().unwrap());
        }
    }
    desk
}

#[test]
fn a_new_project_passes_its_tests_natively_and_in_its_sandbox_and_runs() {
    let desk = desk();
    let sdk = workspace().join("guest-sdk");
    desk.does(&["new", "first-day", "--sdk", sdk.to_str().unwrap()]);
    let cargo = desk.at("first-day/Cargo.toml");
    let text = std::fs::read_to_string(&cargo).unwrap();
    let dependencies = "[dev-dependencies]\nserde_json = \"1\"\n\n[profile.release]";
    std::fs::write(&cargo, text.replace("[profile.release]", dependencies)).unwrap();
    desk.write("first-day/tests/sandbox.rs", SANDBOXED);

    let mut tests = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    tests.arg("test").current_dir(desk.at("first-day"));
    tests.env("LONGSHORE_BIN", binary()).env("LONGSHORE_HOME", desk.state());
    let output = tests.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches("test result: ok. 2 passed").count(), 1, "{said}");
    assert_eq!(said.matches("test result: ok. 1 passed").count(), 1, "{said}");

    desk.does(&["build", "first-day"]);
    let told = desk.document(&["run", "first-day", "--input", r#"{"name":"Grace"}"#]);
    assert_eq!(told["outcome"]["ok"]["text"], "Hello, Grace!", "{told}");
    let wrong = desk.run(&["run", "first-day", "--input", r#"{"nam":"Grace"}"#]);
    assert_eq!(wrong.status, Some(2), "{wrong}");
    assert!(wrong.stderr.contains("error[LS-VAL-013]: "), "{wrong}");
}
