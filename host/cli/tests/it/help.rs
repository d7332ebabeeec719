//! Help of every command, the version, completions.

use longshore_test_support::cli::Home;

use crate::{json, longshore, seen, stdout};

#[test]
fn every_command_teaches_itself_with_examples() {
    let home = Home::new();
    seen!("help", &home, "--help");
    seen!("help-new", &home, "new --help");
    seen!("help-build", &home, "build --help");
    seen!("help-run", &home, "run --help");
    seen!("help-inspect", &home, "inspect --help");
    seen!("help-publish", &home, "publish --help");
    seen!("help-push", &home, "push --help");
    seen!("help-pull", &home, "pull --help");
    seen!("help-sign", &home, "sign --help");
    seen!("help-verify", &home, "verify --help");
    seen!("help-key-generate", &home, "key generate --help");
    seen!("help-policy", &home, "policy --help");
    seen!("help-policy-check", &home, "policy check --help");
    seen!("help-policy-test", &home, "policy test --help");
    seen!("help-policy-show", &home, "policy show --help");
    seen!("help-runs-list", &home, "runs list --help");
    seen!("help-runs-show", &home, "runs show --help");
    seen!("help-runs-move", &home, "runs move --help");
    seen!("help-receipt-show", &home, "receipt show --help");
    seen!("help-receipt-verify", &home, "receipt verify --help");
    seen!("help-receipt-export", &home, "receipt export --help");
    seen!("help-receipt-public-key", &home, "receipt public-key --help");
    seen!("help-registry-serve", &home, "registry serve --help");
    seen!("help-doctor", &home, "doctor --help");
    seen!("help-completions", &home, "completions --help");
}

#[test]
fn the_version_is_that_of_the_library_and_makes_no_home() {
    let home = Home::new();
    for flag in ["--version", "-V"] {
        let version = stdout(&longshore(&home, flag));
        assert_eq!(version, format!("longshore {}", env!("CARGO_PKG_VERSION")));
    }
    assert!(!home.longshore_home().exists());
}

#[test]
fn completions_know_the_commands() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&longshore(&home, &format!("completions {shell}")));
        assert!(script.contains("receipt") && script.contains("dry-run"), "{shell}");
    }
}

#[test]
fn the_self_test_passes_in_an_empty_home_and_fails_in_none() {
    let home = Home::new();
    let output = longshore(&home, "doctor --json");
    let report = json(&output);
    assert!(output.status.success() && report["ok"] == true, "{report}");
    let names: Vec<_> =
        report["checks"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    for name in ["state folder", "journal", "engine", "receipts"] {
        assert!(names.contains(&name), "{names:?}");
    }
    std::fs::remove_dir_all(home.longshore_home()).unwrap();
    std::fs::write(home.longshore_home(), "not a folder").unwrap();
    let output = longshore(&home, "doctor --json");
    assert_eq!((output.status.code(), &json(&output)["ok"]), (Some(7), &false.into()));
}
