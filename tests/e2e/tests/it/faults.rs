//! How a guest may fail by itself: traps, panics, exits, with its own backtrace.

use longshore::Request;
use longshore::model::FaultKind;

use crate::artifacts::{guest, wat};
use crate::stage::{Stage, allow, ask};

#[tokio::test]
async fn a_trap_is_told_with_the_guests_own_functions_innermost_first() {
    let stage = Stage::new();
    let target = stage.file("hog.wasm", guest("hog"));
    let ran = stage.run(&ask(&target, "trap", "").allow(allow(&["clock"]))).await;
    let fault = ran.fault();
    assert_eq!((fault.kind, fault.kind.code()), (FaultKind::Trap, "LS-RUN-001"));
    assert!(fault.message.contains("unreachable"), "{}", fault.message);
    let place = |name: &str| {
        let found = fault.backtrace.iter().position(|frame| frame.contains(name));
        found.unwrap_or_else(|| panic!("`{name}` is not in {:#?}", fault.backtrace))
    };
    assert!(place("inner_frame") < place("middle_frame"));
    assert!(place("middle_frame") < place("outer_frame"));
    let first = &fault.backtrace[0];
    assert!(first.starts_with("guest_hog::hog::inner_frame at 0x"), "names are demangled: {first}");
}

#[tokio::test]
async fn a_panic_says_its_message_on_stderr_and_is_a_trap() {
    let stage = Stage::new();
    let target = stage.file("hog.wasm", guest("hog"));
    let ran = stage.run(&ask(&target, "panic", "[\"ouch\"]").allow(allow(&["clock"]))).await;
    assert_eq!(ran.fault().kind, FaultKind::Trap);
    let written = ran.events().find_map(|event| match event {
        longshore::model::Event::Output(output) => Some(output.clone()),
        _ => None,
    });
    let written = written.expect("the panic's message is recorded");
    assert_eq!(written.stream, longshore::model::Stream::Stderr);
    assert!(written.text.contains("ouch"), "{}", written.text);
}

#[tokio::test]
async fn every_kind_of_trap_is_the_guests_and_says_which() {
    let stage = Stage::new();
    for (code, words) in [
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "divide by zero"),
        ("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "overflow"),
        ("(drop (i32.load (i32.const 0x7fffffff)))", "out of bounds"),
        ("(call_indirect $t (type $f) (i32.const 0))", "uninitialized"),
        ("(call_indirect $t (type $f) (i32.const 9))", "undefined element"),
        ("(drop (i32.trunc_f32_u (f32.const nan)))", "invalid conversion"),
        ("(unreachable)", "unreachable"),
    ] {
        let text = format!(
            r#"(component
              (core module $m
                (type $f (func)) (table $t 1 funcref) (memory 1)
                (func $culprit (export "f") {code}))
              (core instance $i (instantiate $m))
              (func (export "f") (canon lift (core func $i "f"))))"#
        );
        let ran = stage.run(&Request::new(stage.file("traps.wasm", wat(&text)), "")).await;
        let fault = ran.fault();
        assert_eq!(fault.kind, FaultKind::Trap, "{code}: {fault:?}");
        assert!(fault.message.contains(words), "{code}: {}", fault.message);
        assert!(fault.backtrace[0].contains("culprit"), "{code}: {:?}", fault.backtrace);
    }
}

#[tokio::test]
async fn a_guest_that_breaks_the_canonical_abi_is_stopped_and_blamed() {
    let stage = Stage::new();
    // It says that its text is where there is no memory.
    let text = r#"(component
      (core module $m
        (memory (export "memory") 1)
        (func (export "f") (result i32)
          (i32.store (i32.const 8) (i32.const 0xfffff000))
          (i32.store (i32.const 12) (i32.const 0x2000))
          (i32.const 8)))
      (core instance $i (instantiate $m))
      (func (export "f") (result string) (canon lift (core func $i "f") (memory (core memory $i "memory")))))"#;
    let ran = stage.run(&Request::new(stage.file("liar.wasm", wat(text)), "")).await;
    assert_eq!(ran.fault().kind, FaultKind::Trap, "{:?}", ran.fault());

    // Not UTF-8.
    let text = r#"(component
      (core module $m
        (memory (export "memory") 1)
        (data (i32.const 16) "\ff\fe")
        (func (export "f") (result i32)
          (i32.store (i32.const 8) (i32.const 16))
          (i32.store (i32.const 12) (i32.const 2))
          (i32.const 8)))
      (core instance $i (instantiate $m))
      (func (export "f") (result string) (canon lift (core func $i "f") (memory (core memory $i "memory")))))"#;
    let ran = stage.run(&Request::new(stage.file("liar.wasm", wat(text)), "")).await;
    assert_eq!(ran.fault().kind, FaultKind::Trap, "{:?}", ran.fault());

    // A char that is none, from a core function of the right type.
    let text = r#"(component
      (core module $m (func (export "f") (result i32) (i32.const 0xd800)))
      (core instance $i (instantiate $m))
      (func (export "f") (result char) (canon lift (core func $i "f"))))"#;
    let ran = stage.run(&Request::new(stage.file("liar.wasm", wat(text)), "")).await;
    assert_eq!(ran.fault().kind, FaultKind::Trap, "{:?}", ran.fault());
}

#[tokio::test]
async fn an_exit_in_the_middle_of_an_operation_is_a_fault_of_its_own() {
    let stage = Stage::new();
    let target = stage.file("hog.wasm", guest("hog"));
    let ran = stage.run(&ask(&target, "exit", "").allow(allow(&["clock"]))).await;
    assert_eq!(ran.fault().kind, FaultKind::Exit);
    assert!(ran.fault().message.contains("status"), "{}", ran.fault().message);
}
