//! The demo, as `just demo` runs it: the main job from nothing, and three refusals.

use std::process::Command;

use longshore_test_support::{cli, target};

use crate::desk::Said;

#[test]
fn the_demo_ends_well_and_shows_what_it_promises() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--workspace", "--bin", "longshore-demo"]);
    build.current_dir(longshore_test_support::workspace());
    assert!(build.status().unwrap().success());
    let mut demo = Command::new(target().join("debug/longshore-demo"));
    demo.env("LONGSHORE_BIN", cli::binary());
    // It builds guests with cargo: what was set for the host's own build must not reach them.
    demo.env_remove("CARGO_BUILD_BUILD_DIR").env_remove("CARGO_TARGET_DIR");
    let said = Said::of(demo.output().unwrap());
    assert_eq!(said.status, Some(0), "{said}");
    for words in [
        "2. build, sign and publish six components",
        "the report:",
        "valid: sealed by the host with the key",
        "error[LS-REG-015]",
        "error[LS-TRU-001]",
        "http-denied",
        "done: one workflow, five actions, one receipt, three refusals",
    ] {
        assert!(said.stdout.contains(words), "{words}: {said}");
    }
}
