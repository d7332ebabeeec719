//! What can be mistyped or missing: each with its code, on standard error for people and on standard
//! output for programs.

use longshore_test_support::cli::Home;

use crate::{home_with, json, longshore, seen};

#[test]
fn mistakes_in_arguments_have_a_code_and_a_hint() {
    let home = Home::new();
    seen!("mistake-flag", &home, "run --jsn x.wasm");
    seen!("mistake-missing", &home, "run");
    seen!("mistake-command", &home, "rnu");
    seen!("mistake-allow", &home, "run x.wasm --allow clokc");
    seen!("mistake-set", &home, "run x.wasm --set nothing");
    seen!("mistake-reference", &home, "run UPPER/case");
    seen!("mistake-no-registry", &home, "run hello:1.0.0");
    seen!("mistake-no-file", &home, "run ./nothing.wasm");
    seen!("mistake-run-id", &home, "runs show nonsense");
    seen!("mistake-no-run", &home, "runs show last");
    seen!("mistake-json", &home, "run --json ./nothing.wasm");
    seen!("mistake-flag-json", &home, "run --json --jsn x.wasm");
    let runs = json(&longshore(&home, "runs list --json"));
    assert_eq!(runs["runs"].as_array().unwrap().len(), 0, "nothing was journaled");
}

#[test]
fn components_that_are_none_are_told_apart() {
    let home = Home::new();
    std::fs::write(home.work().join("text.wasm"), "not wasm at all").unwrap();
    std::fs::write(home.work().join("module.wasm"), b"\0asm\x01\0\0\0").unwrap();
    std::fs::write(home.work().join("cut.wasm"), b"\0asm\r\0\x01\0\x01\x7f").unwrap();
    seen!("component-text", &home, "run text.wasm");
    seen!("component-module", &home, "push module.wasm 127.0.0.1:1/x:1");
    let cut = longshore(&home, "run --json cut.wasm");
    assert_eq!((cut.status.code(), &json(&cut)["error"]["code"]), (Some(2), &"LS-ENG-004".into()));
}

#[test]
fn functions_and_their_input_are_checked_before_anything_runs() {
    let home = home_with(&["echo"]);
    seen!("input-unknown-function", &home, "run echo.wasm -f jion");
    seen!("input-none", &home, "run echo.wasm -f join");
    seen!("input-type", &home, r#"run echo.wasm -f join -i {"left":"a","right":7}"#);
    seen!("input-for-a-command", &home, "run echo.wasm -f join -- argument");
    let runs = longshore(&home, "runs list --json");
    assert_eq!(json(&runs)["runs"].as_array().unwrap().len(), 0);
}
