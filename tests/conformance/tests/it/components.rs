//! What is not a component, or not one that can be called.

use crate::artifacts::{ANSWER, echo, guest, wat};
use crate::desk::Desk;

#[test]
fn what_is_not_a_component_is_told_apart_before_anything_is_kept() {
    let desk = Desk::new();
    desk.write("script.wasm", "#!/bin/sh\necho hello\n");
    desk.write("empty.wasm", "");
    desk.write("core.wasm", wat(r#"(module (func (export "run")))"#));
    desk.write("mute.wasm", wat("(component)"));
    desk.write("noexports.wasm", guest("noexports"));
    let whole = wat(ANSWER);
    desk.write("cut.wasm", &whole[..whole.len() / 2]);
    for (file, code) in [
        ("script.wasm", "LS-ENG-001"),
        ("empty.wasm", "LS-ENG-001"),
        ("core.wasm", "LS-ENG-002"),
        ("cut.wasm", "LS-ENG-004"),
        ("mute.wasm", "LS-ENG-006"),
        ("noexports.wasm", "LS-ENG-006"),
    ] {
        let refused = desk.refuses(2, code, &["run", file]);
        assert!(refused.message().contains(&format!("`{file}`")), "{}", refused.message());
        desk.refuses(2, code, &["run", file, "--dry-run"]);
        // Nothing listens there: what is no component is never sent anywhere.
        desk.refuses(2, code, &["push", file, "127.0.0.1:1/team/x:1.0.0"]);
    }
    assert!(desk.refuses(2, "LS-ENG-002", &["run", "core.wasm"]).hint().contains("wasm32-wasip2"));
    assert!(desk.runs().is_empty());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let desk = Desk::new();
    let refused = desk.refuses(2, "LS-REF-003", &["run", "./absent.wasm"]);
    assert_eq!(refused.message(), "`./absent.wasm` cannot be read");
    assert!(refused.causes().contains("No such file"), "{:#}", refused.json);
    desk.refuses(2, "LS-REF-001", &["run", "Not A Reference"]);
    desk.refuses(2, "LS-REF-002", &["run", "hello:1.0.0"]);
}

#[test]
fn an_import_that_nobody_provides_is_named() {
    let desk = Desk::new();
    let lonely = r#"(component
      (import "acme:money/bank@1.0.0" (instance $bank (export "pay" (func))))
      (core func $pay (canon lower (func $bank "pay")))
      (core module $m (import "bank" "pay" (func $pay)) (func (export "buy") (call $pay)))
      (core instance $i (instantiate $m (with "bank" (instance (export "pay" (func $pay))))))
      (func (export "buy") (canon lift (core func $i "buy"))))"#;
    desk.write("lonely.wasm", wat(lonely));
    let refused = desk.refuses(2, "LS-ENG-007", &["run", "lonely.wasm"]);
    assert!(refused.message().contains("`acme:money/bank@1.0.0`"), "{}", refused.message());
    assert!(refused.hint().contains("[dependencies]"), "{}", refused.hint());
}

#[test]
fn of_several_functions_one_must_be_chosen_and_it_must_exist() {
    let desk = Desk::new();
    desk.write("echo.wasm", echo());
    let ambiguous = desk.refuses(2, "LS-ENG-009", &["run", "echo.wasm"]);
    assert!(ambiguous.hint().contains("--function"), "{}", ambiguous.hint());
    let unknown = desk.refuses(2, "LS-ENG-008", &["run", "echo.wasm", "--function", "jion"]);
    assert!(unknown.message().contains("`jion`"), "{}", unknown.message());
    for refused in [&ambiguous, &unknown] {
        assert!(refused.hint().contains("fixtures:echo/echo@0.1.0#"), "{}", refused.hint());
    }
    // What the hint names can be typed.
    let named = ambiguous.hint().split('`').find(|word| word.contains("#to-bool")).unwrap();
    let arguments = ["run", "echo.wasm", "--function", named, "--input", "[true]"];
    assert_eq!(desk.does(&arguments), "true\n");
    assert_eq!(desk.runs().len(), 1);
}
