//! Input from outside: JSON that does not fit its function, and settings that do not fit their schema. Each says where and
//! what was expected.

use longshore::model::{FaultKind, LimitName};
use longshore::policy::Policy;
use longshore::{Class, Request};

use crate::artifacts::{ACTION, guest, with_manifest};
use crate::stage::{Stage, allow, ask, ceiling};

#[tokio::test]
async fn wrong_json_is_told_with_its_path_and_what_was_expected() {
    let stage = Stage::new();
    let target = stage.file("echo.wasm", guest("echo"));
    for (function, input, code, words) in [
        ("to-u8", "{", "LS-VAL-010", &["line 1"][..]),
        ("to-u8", r#"{"v": 1} x"#, "LS-VAL-010", &["follows the end"]),
        ("to-u8", r#"{"v": "one"}"#, "LS-VAL-011", &["v", "u8", "string"]),
        ("to-u8", r#"{"v": 256}"#, "LS-VAL-012", &["256", "u8"]),
        ("to-u8", r#"{"v": 1.5}"#, "LS-VAL-011", &["u8"]),
        ("to-u64", r#"{"v": 18446744073709551616}"#, "LS-VAL-012", &["u64"]),
        ("to-u8", r#"{"w": 1}"#, "LS-VAL-013", &["w"]),
        ("to-u8", "{}", "LS-VAL-014", &["v", "u8"]),
        ("to-u8", r#"{"v": 1, "v": 2}"#, "LS-VAL-015", &["v"]),
        ("to-u8", "[]", "LS-VAL-017", &["1"]),
        ("to-colour", r#"{"v": "green"}"#, "LS-VAL-016", &["green"]),
        ("to-shape", r#"{"v": {"circle": "round"}}"#, "LS-VAL-011", &["v.circle"]),
        ("to-char", r#"{"v": "ab"}"#, "LS-VAL-011", &["char"]),
        ("to-bytes", r#"{"v": "not base64!"}"#, "LS-VAL-011", &["base64"]),
        (
            "to-points",
            r#"{"v": [{"x": 1, "y-axis": 2}, {"x": "no", "y-axis": 3}]}"#,
            "LS-VAL-011",
            &["v[1].x", "s32"],
        ),
        ("nothing", r#"{"extra": 1}"#, "LS-VAL-013", &["extra"]),
    ] {
        let error = stage.rejected(&ask(&target, function, input)).await;
        let text = error.to_string();
        assert_eq!((error.code(), error.class()), (code, Class::Usage), "{input}: {text}");
        for word in words {
            assert!(text.contains(word), "{input}: `{word}` is not in: {text}");
        }
    }
}

#[tokio::test]
async fn every_type_comes_back_as_it_went_in() {
    let stage = Stage::new();
    let target = stage.file("echo.wasm", guest("echo"));
    for (function, value) in [
        ("to-bool", "true"),
        ("to-s8", "-128"),
        ("to-u64", "18446744073709551615"),
        ("to-s64", "-9223372036854775808"),
        ("to-f64", "\"NaN\""),
        ("to-f64", "0.1"),
        ("to-char", "\"é\""),
        ("to-string", r#""a\u0000b \"quoted\" 😀""#),
        ("to-bytes", "\"AAEC/w==\""),
        ("to-points", r#"[{"x":1,"y-axis":2.5,"label":null},{"x":-1,"y-axis":0.5,"label":"p"}]"#),
        ("to-shape", "\"dot\""),
        ("to-shape", r#"{"circle":1.5}"#),
        ("to-colour", "\"deep-blue\""),
        ("to-rights", r#"["read","run-as"]"#),
        ("to-pair", r#"[4294967295,"x"]"#),
        ("to-nested", "null"),
        ("to-nested", r#"{"some":null}"#),
        ("to-nested", r#"{"some":7}"#),
        ("to-results", r#"[{"ok":1},{"err":"no"}]"#),
    ] {
        let ran = stage.run(&ask(&target, function, format!(r#"{{"v": {value}}}"#))).await;
        let expected: serde_json::Value = serde_json::from_str(value).unwrap();
        assert_eq!(ran.value(), expected, "{function}");
    }
    // The `result` of the function itself is the outcome of the run.
    let ran = stage.run(&ask(&target, "to-result", r#"{"v": {"ok": 3}}"#)).await;
    assert_eq!(ran.value(), 3);
    let ran = stage.run(&ask(&target, "to-result", r#"{"v": {"err": "no"}}"#)).await;
    assert_eq!(ran.failure(), "no");
    assert_eq!(ran.statement.predicate.outcome.word, "failed");
    let ran = stage.run(&ask(&target, "nothing", "")).await;
    assert_eq!(ran.value(), serde_json::Value::Null);
}

#[tokio::test]
async fn input_past_its_bound_is_not_given_to_the_guest() {
    let stage = Stage::new();
    let target = stage.file("echo.wasm", guest("echo"));
    let text = "x".repeat(2000);
    let request = ask(&target, "to-string", format!(r#"{{"v": "{text}"}}"#))
        .allow(ceiling(LimitName::InputBytes, 1000));
    let ran = stage.run(&request).await;
    ran.hit(FaultKind::InputSize, LimitName::InputBytes);
    assert!(ran.fault().message.contains("the limit is 1000"), "{}", ran.fault().message);
    assert_eq!(ran.names(), ["run-started", "run-ended"]);
}

#[tokio::test]
async fn deep_and_odd_json_is_refused_without_a_crash() {
    let stage = Stage::new();
    let target = stage.file("echo.wasm", guest("echo"));
    let deep = "[".repeat(100_000);
    for input in [deep.as_str(), "nul", "\u{feff}{}", "{\"v\": \"\\ud800\"}", "\0"] {
        let error = stage.rejected(&ask(&target, "to-string", input)).await;
        assert!(error.code().starts_with("LS-VAL-"), "{error}");
    }
}

const SETTINGS: &str = r#"
[settings.greeting]
type = "string"
required = true
[settings.count]
type = "integer"
default = 3
minimum = 1
maximum = 9
[settings.mode]
type = "string"
default = "plain"
locked = true
[settings.token]
type = "string"
secret = true
[capabilities.clock]
reason = "the fixture imports it"
[capabilities.random]
reason = "the fixture imports it"
[[capabilities.http]]
scope = "https://*"
reason = "the fixture imports it"
optional = true
"#;

fn with_settings(flags: &[&str]) -> Policy {
    let mut policy = allow(&["clock", "random"]);
    for flag in flags {
        policy.set_flag(flag).unwrap();
    }
    policy
}

#[tokio::test]
async fn settings_that_are_missing_locked_unknown_or_wrong_refuse_the_run_by_name() {
    let stage = Stage::new();
    let bytes = with_manifest(&guest("host-info"), &format!("{ACTION}{SETTINGS}"));
    let target = stage.file("info.wasm", bytes);
    for (flags, code, name) in [
        (&[][..], "LS-MAN-024", "greeting"),
        (&["greeting=hi", "mode=fancy"], "LS-MAN-025", "mode"),
        (&["greeting=hi", "grating=hi"], "LS-MAN-021", "grating"),
        (&["greeting=hi", "count=many"], "LS-MAN-022", "count"),
        (&["greeting=hi", "count=10"], "LS-MAN-023", "count"),
    ] {
        let request = ask(&target, "settings-all", "{}").allow(with_settings(flags));
        let (error, ran) = stage.refused(&request).await;
        assert_eq!((error.code(), error.class()), (code, Class::Grant), "{error}");
        let source = std::error::Error::source(&error).expect("it says which").to_string();
        assert!(source.contains(&format!("`{name}`")), "{source}");
        assert!(!format!("{:?}", ran.history.entries()).contains("fancy"));
    }
}

#[tokio::test]
async fn settings_reach_the_guest_with_defaults_and_secrets_reach_nobody_else() {
    let stage = Stage::new();
    let bytes = with_manifest(&guest("host-info"), &format!("{ACTION}{SETTINGS}"));
    let target = stage.file("info.wasm", bytes);
    let policy = with_settings(&["greeting=hi", "token=hunter2-hunter2"]);
    let ran = stage.run(&ask(&target, "settings-all", "{}").allow(policy)).await;
    let text = ran.value();
    let seen: serde_json::Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    assert_eq!(seen["greeting"], "hi");
    assert_eq!((&seen["count"], &seen["mode"]), (&3.into(), &"plain".into()));
    assert_eq!(seen["token"], "hunter2-hunter2", "the guest gets the secret");
    let start = serde_json::to_string(&ran.history.entries()[0].event).unwrap();
    assert!(start.contains("(secret)") && !start.contains("hunter2"), "{start}");
    let receipt = serde_json::to_string(&ran.statement).unwrap();
    assert!(receipt.contains("(secret)") && !receipt.contains("hunter2"));
}

#[tokio::test]
async fn settings_are_also_served_as_wasi_config() {
    let stage = Stage::new();
    let toml = format!(
        "{ACTION}[settings.greeting]\ntype = \"string\"\ndefault = \"hello\"\n\
         [settings.count]\ntype = \"integer\"\ndefault = 3\n"
    );
    let target = stage.file("config.wasm", with_manifest(&crate::artifacts::wat(CONFIG), &toml));
    for (key, expected) in [("greeting", 5), ("count", 1), ("absent", -1)] {
        let ran = stage.run(&Request::new(target.clone(), format!("[\"{key}\"]"))).await;
        assert_eq!(ran.value(), expected, "the length of `{key}`");
    }
    let request = Request::new(target, "[\"greeting\"]").allow({
        let mut policy = Policy::default();
        policy.set_flag("greeting=good morning").unwrap();
        policy
    });
    assert_eq!(stage.run(&request).await.value(), 12);
}

/// `length: func(key: string) -> s32`: of the value that `wasi:config` has for it, or -1.
const CONFIG: &str = r#"(component
  (import "wasi:config/store@0.2.0-rc.1" (instance $store
    (type $e' (variant (case "upstream" string) (case "io" string)))
    (export "error" (type $e (eq $e')))
    (export "get" (func (param "key" string) (result (result (option string) (error $e)))))))
  (core module $memory
    (memory (export "memory") 1)
    (global $at (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $here i32)
      (local.set $here (i32.and (i32.add (global.get $at) (i32.const 7)) (i32.const -8)))
      (global.set $at (i32.add (local.get $here) (local.get 3)))
      (local.get $here)))
  (core instance $memory (instantiate $memory))
  (alias export $store "get" (func $get))
  (core func $get (canon lower (func $get)
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $m
    (import "host" "get" (func $get (param i32 i32 i32)))
    (import "env" "memory" (memory 1))
    (func (export "length") (param i32 i32) (result i32)
      (call $get (local.get 0) (local.get 1) (i32.const 16))
      ;; result at 16, option at 20, pointer at 24, length at 28
      (if (result i32) (i32.eqz (i32.load8_u (i32.const 20)))
        (then (i32.const -1))
        (else (i32.load (i32.const 28))))))
  (core instance $m (instantiate $m
    (with "host" (instance (export "get" (func $get))))
    (with "env" (instance $memory))))
  (func (export "length") (param "key" string) (result s32)
    (canon lift (core func $m "length")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")))))"#;
