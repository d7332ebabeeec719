//! Components that take more than their share: stopped, told apart, journaled, sealed.

use serde_json::Value;

use crate::artifacts::{guest, wat};
use crate::desk::Desk;

/// A desk with a component that misbehaves, and a policy with low ceilings.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("hog.wasm", guest("hog"));
    let policy = "version = 1\n[[allow]]\nclock = true\nrandom = true\n[ceilings]\n\
                  deadline-ms = 500\nmemory-bytes = 16777216\noutput-bytes = 4096\n\
                  stdout-bytes = 4096\nstderr-bytes = 4096\ninput-bytes = 1024\n";
    desk.write("policy.toml", policy);
    desk
}

fn run<'a>(function: &'a str, input: &'a str) -> [&'a str; 8] {
    ["run", "hog.wasm", "--policy", "policy.toml", "-f", function, "--input", input]
}

#[test]
fn what_never_ends_is_stopped_at_its_deadline() {
    let desk = desk();
    for (function, input) in [("spin", "[]"), ("sleep", "[60000]")] {
        let began = std::time::Instant::now();
        let (text, json) = desk.stops(6, "LS-RUN-002", &run(function, input));
        assert!(began.elapsed().as_secs() < 20, "{function}: {:?}", began.elapsed());
        assert!(text.contains("hint: "), "{text}");
        let fault = &json["outcome"]["fault"];
        assert_eq!(fault["limit"], "deadline-ms", "{fault}");
        assert!(json["usage"]["wall-us"].as_u64() >= Some(500_000), "{json:#}");
    }
}

#[test]
fn every_bound_has_its_code_and_names_itself() {
    let desk = desk();
    for (function, input, code, limit) in [
        ("allocate", "[]".to_owned(), "LS-RUN-003", "memory-bytes"),
        ("panic", format!("[\"{}\"]", "x".repeat(2000)), "LS-RUN-006", "input-bytes"),
        ("long", "[100000]".into(), "LS-RUN-007", "output-bytes"),
        ("many", "[100000]".into(), "LS-RUN-007", "output-bytes"),
        ("print", "[100000]".into(), "LS-RUN-008", "stdout-bytes"),
        ("print-error", "[100000]".into(), "LS-RUN-008", "stderr-bytes"),
    ] {
        let (_, json) = desk.stops(6, code, &run(function, &input));
        let fault = &json["outcome"]["fault"];
        assert_eq!(fault["limit"], limit, "{function}: {fault}");
    }
}

#[test]
fn a_component_that_calls_itself_forever_uses_up_its_stack() {
    let desk = Desk::new();
    let deep = r#"(component
      (core module $m (func $f (export "deep") (result i32) (i32.add (call $f) (i32.const 1))))
      (core instance $i (instantiate $m))
      (func (export "deep") (result u32) (canon lift (core func $i "deep"))))"#;
    desk.write("deep.wasm", wat(deep));
    desk.stops(6, "LS-RUN-005", &["run", "deep.wasm"]);
}

#[test]
fn a_trap_shows_the_frames_of_the_guest_innermost_first() {
    let desk = desk();
    let (text, json) = desk.stops(6, "LS-RUN-001", &run("trap", "[]"));
    let frames: Vec<_> = json["outcome"]["fault"]["backtrace"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let of = |name: &str| frames.iter().position(|frame| frame.contains(name));
    let (inner, middle, outer) = (of("inner_frame"), of("middle_frame"), of("outer_frame"));
    assert!(inner.is_some() && inner < middle && middle < outer, "{frames:?}");
    for name in ["inner_frame", "middle_frame", "outer_frame"] {
        assert!(text.contains("    at ") && text.contains(name), "{text}");
    }
    assert!(text.contains("report it to its author"), "{text}");
}

#[test]
fn what_a_component_returned_as_its_failure_is_no_fault() {
    let desk = Desk::new();
    desk.write("echo.wasm", guest("echo"));
    let call = ["run", "echo.wasm", "-f", "to-result", "--input", r#"[{"err":"no such page"}]"#];
    let said = desk.run(&call);
    assert_eq!((said.status, said.stdout.as_str()), (Some(1), ""), "{said}");
    assert!(said.stderr.contains("no such page"), "{said}");
    let said = desk.run(&[&["--json"], &call[..]].concat());
    assert_eq!(said.status, Some(1), "{said}");
    let json: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(json["outcome"]["failed"], "no such page", "{json:#}");
    desk.every_run_is_closed();
}
