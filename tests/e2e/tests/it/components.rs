//! What is not a component, or not one that can be run: told apart before anything is granted, compiled or journaled.

use std::path::PathBuf;

use longshore::reference::Manifest;
use longshore::{Class, Request, Target};

use crate::artifacts::{ACTION, guest, wat, with_manifest, with_section};
use crate::stage::{Stage, allow, ask};

/// An action `answer: func() -> u32` that gives 42.
pub(crate) const ANSWER: &str = r#"(component
  (core module $m (func (export "answer") (result i32) (i32.const 42)))
  (core instance $i (instantiate $m))
  (func (export "answer") (result u32) (canon lift (core func $i "answer"))))"#;

#[tokio::test]
async fn what_is_not_wasm_is_said_to_be_so() {
    let stage = Stage::new();
    for bytes in [&b""[..], b"\0as", b"#!/bin/sh\necho hello\n", b"\x7fELF\x02\x01\x01\0\0\0"] {
        let error = stage.rejected(&Request::new(stage.file("script.sh", bytes), "")).await;
        assert_eq!((error.code(), error.class()), ("LS-ENG-001", Class::Usage));
        assert_eq!(error.to_string(), "`script.sh` is not a WebAssembly file");
        assert!(error.hint().unwrap().contains("longshore build"));
    }
}

#[tokio::test]
async fn a_core_module_is_not_a_component_and_the_hint_says_how_to_make_one() {
    let stage = Stage::new();
    let module = wat(r#"(module (func (export "run")))"#);
    let error = stage.rejected(&Request::new(stage.file("core.wasm", module), "")).await;
    assert_eq!(error.code(), "LS-ENG-002");
    assert!(error.to_string().contains("core WebAssembly module, not a component"));
    assert!(error.hint().unwrap().contains("wasm32-wasip2"));
}

#[tokio::test]
async fn a_component_that_exports_nothing_cannot_be_called() {
    let stage = Stage::new();
    for bytes in [wat("(component)"), guest("noexports")] {
        let error = stage.rejected(&Request::new(stage.file("mute.wasm", bytes), "")).await;
        assert_eq!(error.code(), "LS-ENG-006");
        assert!(error.to_string().contains("exports no function"));
    }
}

#[tokio::test]
async fn a_truncated_or_damaged_component_does_not_compile() {
    let stage = Stage::new();
    let whole = wat(ANSWER);
    for cut in [9, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let target = stage.file("cut.wasm", &whole[..cut]);
        let error = stage.rejected(&Request::new(target, "[]")).await;
        assert!(["LS-ENG-004", "LS-ENG-006"].contains(&error.code()), "{cut}: {error:?}");
    }
    // Valid as a component, but its core module has a type error.
    let wrong = wat(r#"(component (core module (func (result i32) (i64.const 1))))"#);
    let error = stage.rejected(&Request::new(stage.file("wrong.wasm", wrong), "[]")).await;
    assert_eq!(error.code(), "LS-ENG-004");
    assert!(error.to_string().contains("type mismatch"), "{error}");
}

#[tokio::test]
async fn every_byte_of_a_component_may_be_damaged_without_harm() {
    let stage = Stage::new();
    let whole = wat(ANSWER);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let target = stage.file("flipped.wasm", &bytes);
        // Most do not compile; a few still run, as another component. None panics or hangs.
        let _ = stage.host.request(&Request::new(target, "[]")).await;
    }
    stage.is_tidy();
}

#[tokio::test]
async fn all_imports_that_nobody_provides_are_named_at_once() {
    let stage = Stage::new();
    let text = r#"(component
      (import "acme:text/chunk@1.0.0" (instance (export "chunk" (func (param "t" string)))))
      (import "acme:web/fetch@2.1.0" (instance (export "fetch" (func))))
      (import "wasi:nn/graph@0.2.0-draft" (instance (export "load" (func))))
      (import "plain" (func))
      (import "wasi:cli/environment@0.2.0" (instance
        (export "get-arguments" (func (result (list string))))))
      (core module $m (func (export "f")))
      (core instance $i (instantiate $m))
      (func (export "f") (canon lift (core func $i "f"))))"#;
    let error = stage.rejected(&Request::new(stage.file("lonely.wasm", wat(text)), "[]")).await;
    assert_eq!(error.code(), "LS-ENG-007");
    let text = error.to_string();
    for import in
        ["acme:text/chunk@1.0.0", "acme:web/fetch@2.1.0", "wasi:nn/graph@0.2.0-draft", "plain"]
    {
        assert!(text.contains(&format!("`{import}`")), "{text}");
    }
    assert!(!text.contains("wasi:cli"), "{text}");
    assert!(error.hint().unwrap().contains("[dependencies]"));
}

#[tokio::test]
async fn an_interface_of_the_host_with_a_function_it_lacks_is_refused_with_its_name() {
    let stage = Stage::new();
    let text = r#"(component
      (import "wasi:cli/environment@0.2.0" (instance (export "read-my-mind" (func))))
      (core module $m (func (export "f")))
      (core instance $i (instantiate $m))
      (func (export "f") (canon lift (core func $i "f"))))"#;
    let error = stage.rejected(&Request::new(stage.file("asks.wasm", wat(text)), "[]")).await;
    assert_eq!(error.code(), "LS-ENG-007");
    assert!(error.to_string().contains("wasi:cli/environment@0.2.0"), "{error}");
    assert!(error.to_string().contains("read-my-mind"), "{error}");
}

#[tokio::test]
async fn which_function_is_meant_must_be_clear_and_the_choices_are_listed() {
    let stage = Stage::new();
    let target = stage.file("echo.wasm", guest("echo"));
    let error = stage.rejected(&Request::new(target.clone(), "{}")).await;
    assert_eq!(error.code(), "LS-ENG-009");
    assert!(error.to_string().contains("exports 25 functions"), "{error}");
    assert!(error.hint().unwrap().contains("fixtures:echo/echo@0.1.0#to-bool"));

    let error = stage.rejected(&ask(&target, "to-boll", "{}")).await;
    assert_eq!(error.code(), "LS-ENG-008");
    assert!(error.to_string().contains("`to-boll`") && error.hint().is_some());

    // The same function by each of its names.
    for name in ["to-u8", "fixtures:echo/echo#to-u8", "fixtures:echo/echo@0.1.0#to-u8"] {
        let ran = stage.run(&ask(&target, name, r#"{"v": 7}"#)).await;
        assert_eq!(ran.value(), 7);
    }
}

#[tokio::test]
async fn a_name_that_two_interfaces_have_is_ambiguous_until_the_interface_is_named() {
    let stage = Stage::new();
    let text = r#"(component
      (core module $m
        (func (export "one") (result i32) (i32.const 1))
        (func (export "two") (result i32) (i32.const 2)))
      (core instance $i (instantiate $m))
      (func $one (result u32) (canon lift (core func $i "one")))
      (func $two (result u32) (canon lift (core func $i "two")))
      (instance $a (export "same" (func $one)))
      (instance $b (export "same" (func $two)))
      (export "acme:a/numbers@1.0.0" (instance $a))
      (export "acme:b/numbers@1.0.0" (instance $b)))"#;
    let target = stage.file("twins.wasm", wat(text));
    for request in [ask(&target, "same", "[]"), Request::new(target.clone(), "[]")] {
        let error = stage.rejected(&request).await;
        assert_eq!(error.code(), "LS-ENG-009");
        let hint = error.hint().unwrap();
        assert!(hint.contains("acme:a/numbers@1.0.0#same"), "{hint}");
        assert!(hint.contains("acme:b/numbers@1.0.0#same"), "{hint}");
    }
    let ran = stage.run(&ask(&target, "acme:b/numbers#same", "[]")).await;
    assert_eq!(ran.value(), 2);
}

#[tokio::test]
async fn a_function_over_resources_cannot_be_called_with_json() {
    let stage = Stage::new();
    let text = r#"(component
      (type $r' (resource (rep i32)))
      (export $r "thing" (type $r'))
      (core module $m (func (export "f") (param i32)) (func (export "g") (result i32) i32.const 3))
      (core instance $i (instantiate $m))
      (func (export "take") (param "t" (own $r)) (canon lift (core func $i "f")))
      (func (export "three") (result u32) (canon lift (core func $i "g"))))"#;
    let target = stage.file("handles.wasm", wat(text));
    let error = stage.rejected(&ask(&target, "take", "[1]")).await;
    assert_eq!(error.code(), "LS-VAL-001");
    assert!(error.to_string().contains("`take` cannot be called with JSON"), "{error}");
    // What needs no handle can be called all the same.
    assert_eq!(stage.run(&ask(&target, "three", "[]")).await.value(), 3);
}

#[tokio::test]
async fn a_file_that_is_not_there_and_one_that_is_too_large_never_become_runs() {
    let stage = Stage::new();
    let missing = Target::File(PathBuf::from("./no-such-file.wasm"));
    let error = stage.rejected(&Request::new(missing, "")).await;
    assert_eq!(error.code(), "LS-REF-003");
    assert!(error.to_string().contains("no-such-file.wasm"));

    let path = stage.files().join("huge.wasm");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len((256 << 20) + 1).unwrap(); // sparse: takes no space
    let error = stage.rejected(&Request::new(Target::File(path), "")).await;
    assert_eq!(error.code(), "LS-REF-004");
    assert!(error.to_string().contains("268435457"), "{error}");

    let folder = Target::File(stage.files().to_owned());
    let error = stage.rejected(&Request::new(folder, "")).await;
    assert_eq!(error.code(), "LS-REF-003");
}

#[tokio::test]
async fn a_fifo_that_is_named_as_a_component_does_not_hang_the_host() {
    let stage = Stage::new();
    let path = stage.files().join("pipe.wasm");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let request = Request::new(Target::File(path.clone()), "");
    let bound = std::time::Duration::from_secs(5);
    let ended = tokio::time::timeout(bound, stage.host.request(&request)).await;
    assert_eq!(ended.expect("it must not wait for a writer").unwrap_err().code(), "LS-REF-003");
}

#[tokio::test]
async fn an_embedded_manifest_that_lies_is_refused_whole() {
    let stage = Stage::new();
    let component = wat(ANSWER);
    let good = with_manifest(&component, ACTION);
    assert_eq!(stage.run(&Request::new(stage.file("good.wasm", good), "[]")).await.value(), 42);
    for (section, code) in [
        (&b"not json"[..], "LS-MAN-004"),
        (b"{}", "LS-MAN-004"),
        (br#"{"format":99}"#, "LS-MAN-003"),
        (br#"{"format":1,"package":{"name":"x"}}"#, "LS-MAN-004"),
        (&[b' '; (256 << 10) + 1], "LS-MAN-002"),
    ] {
        let bytes = with_section(&component, section);
        let error = stage.rejected(&Request::new(stage.file("bad.wasm", bytes), "[]")).await;
        assert_eq!(error.code(), "LS-ENG-005");
        assert!(error.to_string().contains("manifest inside `bad.wasm`"));
        let cause = std::error::Error::source(&error).unwrap();
        let cause = cause.downcast_ref::<longshore::reference::ManifestError>().unwrap();
        assert_eq!(cause.code(), code);
    }
}

#[tokio::test]
async fn a_component_with_two_manifests_is_refused() {
    let stage = Stage::new();
    let once = with_manifest(&wat(ANSWER), ACTION);
    let twice = with_manifest(&once, &format!("{ACTION}[capabilities.clock]\nreason = \"x\"\n"));
    let error = stage.rejected(&Request::new(stage.file("two.wasm", twice), "[]")).await;
    assert_eq!(error.code(), "LS-ENG-005");
}

#[tokio::test]
async fn a_component_that_only_passes_an_import_on_does_not_bring_the_host_down() {
    let stage = Stage::new();
    for text in [
        r#"(component
          (import "wasi:cli/environment@0.2.0" (instance $i
            (export "get-arguments" (func (result (list string))))))
          (export "acme:a/b@1.0.0" (instance $i)))"#,
        r#"(component
          (import "wasi:cli/environment@0.2.0" (instance $i
            (export "get-arguments" (func (result (list string))))))
          (alias export $i "get-arguments" (func $f))
          (export "f" (func $f)))"#,
    ] {
        let request = Request::new(stage.file("passes.wasm", wat(text)), "[]");
        match stage.host.request(&request).await {
            Ok(report) => {
                stage.sealed(report).await;
            }
            Err(error) => assert!(error.code().starts_with("LS-ENG-"), "{error:?}"),
        }
    }
}

/// A component composed of one part, which reads the clock; `section` is the part's own manifest.
fn bundle(section: &str) -> Vec<u8> {
    wat(&format!(
        r#"(component
          (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
          (component $part
            {section}
            (import "wasi:clocks/monotonic-clock@0.2.0" (instance $own (export "now" (func (result u64)))))
            (core func $now (canon lower (func $own "now")))
            (core module $m (import "host" "now" (func $now (result i64)))
              (func (export "tell") (result i64) (call $now)))
            (core instance $i (instantiate $m (with "host" (instance (export "now" (func $now))))))
            (func (export "tell") (result u64) (canon lift (core func $i "tell"))))
          (instance $i (instantiate $part (with "wasi:clocks/monotonic-clock@0.2.0" (instance $clock))))
          (export "tell" (func $i "tell")))"#
    ))
}

#[tokio::test]
async fn a_part_of_a_bundle_has_no_more_than_its_own_manifest_asks_for() {
    let stage = Stage::new();
    let of = |asks: &str| {
        let manifest = Manifest::from_toml(&format!("{ACTION}{asks}"), "longshore.toml").unwrap();
        let text = String::from_utf8(manifest.to_canonical()).unwrap();
        format!("(@custom \"longshore:manifest\" \"{}\")", text.replace('"', "\\22"))
    };
    let clock = "[capabilities.clock]\nreason = \"to tell the time\"\n";
    let tried = |name: &str, section: &str, flags: &[&str]| {
        let target = stage.file(name, bundle(section));
        ask(&target, "tell", "[]").allow(allow(flags))
    };
    // It asks for nothing, and would share what the bundle is granted.
    let error = stage.rejected(&tried("narrow.wasm", &of(""), &["clock"])).await;
    assert_eq!((error.code(), error.class()), ("LS-ENG-022", Class::Grant), "{error}");
    assert!(error.to_string().contains("`clock`"), "{error}");
    // It asks for the same, or is the bundle's own code; and what its imports cannot use is no matter.
    for (name, section) in [("same.wasm", of(clock)), ("own.wasm", String::new())] {
        let ran = stage.run(&tried(name, &section, &["clock"])).await;
        assert!(ran.value().is_u64(), "{name}");
    }
    // Nothing is granted to the bundle, so nothing is shared, and nothing runs either.
    let (error, _) = stage.refused(&tried("narrow.wasm", &of(""), &[])).await;
    assert_eq!(error.code(), "LS-POL-010");
}
