//! Manifests: what authors may write, what they are told when they may not, and what comes back
//! from embedding.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Access;
use crate::authored::did_you_mean;

const FULL: &str = r#"
[package]
name = "ingest"
version = "1.0.0"
kind = "workflow"
description = "Reads pages"
authors = ["A <a@example.com>"]

[capabilities.clock]
reason = "to date the report"
[[capabilities.http]]
scope = "http://*"
reason = "to fetch pages"
optional = true
[[capabilities.dir]]
path = "/store"
access = "rw"
reason = "to keep chunks"
[[capabilities.env]]
name = "TZ"
reason = "to print local dates"

[limits]
deadline-ms = 10_000

[settings.max-tokens]
type = "integer"
default = 500
minimum = 1
maximum = 4096
[settings.mode]
type = "string"
default = "plain"
locked = true
[settings.key]
type = "string"
secret = true
required = true
[settings.tags]
type = "strings"
enum = ["a", "b"]

[wcp]
capabilities = ["cap.doc.chunk"]
[risk]
egress = true
writes = true
reversible = true
[dependencies]
"acme:text/chunk@1.0.0" = { reference = "plugins/chunk", version = "^1.0" }
[build]
command = ["npm", "run", "build"]
component = "dist/x.wasm"
"#;

fn full() -> Manifest {
    Manifest::from_toml(FULL, "longshore.toml").unwrap()
}

#[test]
fn an_authored_manifest_keeps_everything_through_embedding_but_how_it_is_built() {
    let manifest = full();
    assert_eq!(manifest.requests.len(), 4);
    assert_eq!(
        manifest.requests[2].scope,
        Scope::Dir { path: "/store".into(), access: Access::ReadWrite }
    );
    assert!(manifest.requests[1].optional && !manifest.requests[0].optional);
    assert_eq!(manifest.wanted_limits().deadline_ms, 10_000);
    assert_eq!(manifest.wanted_limits().calls, Limits::default().calls);
    assert_eq!(manifest.build.as_ref().unwrap().command, ["npm", "run", "build"]);
    let back = Manifest::from_embedded(&manifest.to_canonical()).unwrap();
    assert_eq!(back, Manifest { build: None, ..manifest });
}

/// The authored text with `from` replaced gives a mistake where `at` stands, with this message and
/// suggestion.
fn mistake(from: &str, to: &str, at: &str, message: &str, suggestion: Option<&str>) {
    assert!(FULL.contains(from), "{from}");
    let text = FULL.replacen(from, to, 1);
    let offset = text.find(at).unwrap();
    let line = text[..offset].matches('\n').count() + 1;
    let column = offset - text[..offset].rfind('\n').unwrap();
    let error = Manifest::from_toml(&text, "dir/longshore.toml").unwrap_err();
    let misread = error.misread().unwrap();
    assert!(misread.message.contains(message), "{from} → {to}: {misread:?}");
    assert_eq!((misread.line, misread.column), (line, column), "{from} → {to}: {misread:?}");
    assert_eq!(error.hint().as_deref(), suggestion, "{misread:?}");
    assert_eq!(error.code(), "LS-MAN-001");
    assert!(error.to_string().starts_with(&format!("dir/longshore.toml:{line}:{column}: ")));
}

#[test]
fn unknown_keys_are_refused_at_every_level_with_what_was_meant() {
    for (from, to, at, word) in [
        ("[limits]", "[limit]", "limit]", "limits"),
        ("version = \"1.0.0\"", "verson = \"1.0.0\"", "verson", "version"),
        ("[capabilities.clock]", "[capabilities.clok]", "clok]", "clock"),
        ("reason = \"to date", "raeson = \"to date", "raeson", "reason"),
        ("scope = ", "scop = ", "scop =", "scope"),
        ("path = ", "pth = ", "pth =", "path"),
        ("name = \"TZ\"", "nam = \"TZ\"", "nam =", "name"),
        ("deadline-ms", "dedline-ms", "dedline-ms", "deadline-ms"),
        ("minimum", "minimun", "minimun", "minimum"),
        ("capabilities = [", "capability = [", "capability = ", "capabilities"),
        ("egress", "egres", "egres =", "egress"),
        ("reference = ", "referense = ", "referense", "reference"),
        ("command", "comand", "comand", "command"),
    ] {
        mistake(from, to, at, "unknown key", Some(&did_you_mean(word)));
    }
}

#[test]
fn wrong_values_are_refused_where_they_stand() {
    for (from, to, at, message) in [
        ("\"1.0.0\"", "\"1.0\"", "\"1.0\"", "is not a version"),
        ("\"1.0.0\"", "1.0", "1.0", "`package.version` must be a string, not a float"),
        ("\"ingest\"", "\"In gest\"", "\"In gest", "is not a name"),
        ("\"workflow\"", "\"action\"", "dependencies]", "only a workflow has dependencies"),
        ("\"to date the report\"", "\" \"", "\" \"", "the reason is empty"),
        ("\"to date the report\"", "\"\\u001b[3m\"", "\"\\u001b", "control character"),
        ("\"http://*\"", "\"ftp://x\"", "\"ftp", "is not an HTTP scope"),
        ("\"/store\"", "\"store\"", "\"store", "it must begin with `/`"),
        ("\"/store\"", "\"/a/../b\"", "\"/a/", "must not contain `..`"),
        ("\"/store\"", "\"/a//b\"", "\"/a/", "must not contain"),
        ("\"rw\"", "\"write\"", "\"write", "must be `ro`, `create` or `rw`"),
        ("\"TZ\"", "\"T=Z\"", "\"T=Z", "is not the name of an environment variable"),
        ("10_000", "0", "0\n\n[settings", "`limits.deadline-ms` must be from 1"),
        ("default = 500", "default = 0", "0\nminimum", "the default must be at least 1"),
        ("maximum = 4096", "maximum = 0", "0\n[settings.mode", "below the minimum"),
        ("required = true", "default = \"x\"", "\"x\"", "a secret has no default"),
        ("[\"a\", \"b\"]", "[1]", "[1]", "every value must be a string"),
        ("cap.doc.chunk", "Cap", "\"Cap", "is not a WCP capability id"),
        ("plugins/chunk", "plugins/chunk:1", "\"plugins", "names a tag"),
        ("^1.0", "one", "\"one", "is not a version range"),
        ("acme:text/chunk", "acme-text", "\"acme-text", "is not a WIT interface"),
        ("dist/x.wasm", "../x.wasm", "\"../x", "within the manifest's folder"),
        ("egress = true", "egress = false", "[risk]", "`risk.egress` is `false`"),
        ("writes = true", "writes = false", "[risk]", "`risk.writes` is `false`"),
        ("reason = \"to fetch pages\"\n", "", "[[capabilities.http", "lacks the key `reason`"),
        ("version = \"1.0.0\"\n", "", "[package]", "lacks the key `version`"),
        ("[wcp]", "[wcp", "\ncapabilities", ""),
    ] {
        mistake(from, to, at, message, None);
    }
    let kind = Some("did you mean `workflow`?");
    mistake("\"workflow\"", "\"workflw\"", "\"workflw", "`action` or `workflow`", kind);
    let integer = Some("did you mean `integer`?");
    mistake("\"integer\"", "\"intger\"", "\"intger", "must be one of", integer);
}

#[test]
fn a_scope_is_asked_for_once() {
    let twice = FULL.replace(
        "[[capabilities.env]]",
        "[[capabilities.dir]]\npath = \"/store\"\nreason = \"x\"\n[[capabilities.env]]",
    );
    let error = Manifest::from_toml(&twice, "f").unwrap_err();
    assert!(error.to_string().contains("asked for twice"), "{error}");
}

#[test]
fn hostile_embedded_manifests_are_refused() {
    let refused = |bytes: &[u8]| Manifest::from_embedded(bytes).unwrap_err();
    assert_eq!(refused(&vec![b' '; MAX_BYTES + 1]).code(), "LS-MAN-002");
    assert_eq!(refused(b"{\"format\":2,\"new\":1}").code(), "LS-MAN-003");
    assert_eq!(refused(b"\xff").code(), "LS-MAN-004");
    assert_eq!(refused(&vec![b'['; 100_000]).code(), "LS-MAN-004");
    let text = String::from_utf8(full().to_canonical()).unwrap();
    for (from, to) in [
        ("\"format\":1", "\"format\": 1"),
        ("\"format\":1", "\"format\":1,\"more\":1"),
        ("\"name\":\"ingest\"", "\"name\":\"ingest\",\"name\":\"ingest\""),
        ("\"name\":\"ingest\"", "\"name\":\"../x\""),
        ("\"/store\"", "\"/store/../etc\""),
        ("\"to fetch pages\"", "\"\""),
        ("\"to fetch pages\"", "\"to \u{202e} fetch\""),
        ("\"deadline-ms\":10000", "\"deadline-ms\":0"),
        ("\"minimum\":1", "\"minimum\":5000"),
        ("\"egress\":true", "\"egress\":false"),
        ("plugins/chunk", "plugins/chunk:1"),
        ("\"kind\":\"workflow\"", "\"kind\":\"action\""),
        ("{\"env\":\"TZ\"}", "\"clock\""),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        assert_eq!(refused(text.replacen(from, to, 1).as_bytes()).code(), "LS-MAN-004", "{to}");
    }
}

#[test]
fn settings_resolve_to_the_operators_values_over_the_defaults() {
    let schema = full().settings;
    let resolve = |values: Value| schema.resolve(&serde_json::from_value(values).unwrap());
    assert_eq!(
        resolve(json!({"key": "k", "tags": ["a"]})).unwrap(),
        BTreeMap::from([
            ("key".to_owned(), json!("k")),
            ("max-tokens".to_owned(), json!(500)),
            ("mode".to_owned(), json!("plain")),
            ("tags".to_owned(), json!(["a"])),
        ])
    );
    let code = |values| resolve(values).unwrap_err().code();
    assert_eq!(code(json!({"key": "k", "max-token": 1})), "LS-MAN-021");
    assert_eq!(code(json!({"key": 7})), "LS-MAN-022");
    assert_eq!(code(json!({"key": "k", "max-tokens": 4097})), "LS-MAN-023");
    assert_eq!(code(json!({"key": "k", "tags": ["c"]})), "LS-MAN-023");
    assert_eq!(code(json!({})), "LS-MAN-024");
    assert_eq!(code(json!({"key": "k", "mode": "plain"})), "LS-MAN-025");
    let unknown = resolve(json!({"max-token": 1})).unwrap_err();
    assert_eq!(unknown.hint().as_deref(), Some("did you mean `max-tokens`?"));
}

#[test]
fn assignments_are_read_by_the_type_of_their_setting_and_never_echo_a_value() {
    let schema = full().settings;
    let read = |text: &str| schema.parse_assignment(text).map(|(_, value)| value);
    assert_eq!(read("max-tokens=7").unwrap(), json!(7));
    assert_eq!(read("key=a=b").unwrap(), json!("a=b"));
    assert_eq!(read("tags=a, b").unwrap(), json!(["a", "b"]));
    assert_eq!(read("tags=[\"a\"]").unwrap(), json!(["a"]));
    assert_eq!(read("hunter2").unwrap_err().code(), "LS-MAN-026");
    let error = read("max-tokens=hunter2").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn the_schema_of_settings_says_what_resolve_demands() {
    let schema = full().settings.json_schema();
    assert_eq!(schema["required"], json!(["key"]));
    assert_eq!(
        schema["properties"]["max-tokens"],
        json!({"type": "integer", "default": 500, "minimum": 1, "maximum": 4096})
    );
    assert_eq!(schema["properties"]["mode"]["const"], json!("plain"));
    assert_eq!(schema["properties"]["key"]["writeOnly"], json!(true));
    assert_eq!(schema["properties"]["tags"]["items"]["enum"], json!(["a", "b"]));
    assert_eq!(schema["additionalProperties"], json!(false));
}

const LOCK: &str = "[[dependency]]\ninterface = \"acme:text/chunk@1.0.0\"\n\
                    reference = \"plugins/chunk\"\n\
                    version = \"1.2.0\"\ndigest = \"DIGEST\"\n";

fn lock() -> Lockfile {
    let text = format!("version = 1\n{}", LOCK.replace("DIGEST", &Digest::of(b"x").to_string()));
    Lockfile::parse(&text, "longshore.lock").unwrap()
}

#[test]
fn a_lockfile_reads_back_as_it_is_written_and_pins_what_it_locks() {
    let lock = lock();
    assert_eq!(Lockfile::parse(&lock.to_string(), "f").unwrap(), lock);
    let mut manifest = full();
    manifest.pin(&lock).unwrap();
    let pinned = manifest.dependencies[0].pinned.clone().unwrap();
    assert_eq!((pinned.version.to_string(), pinned.digest), ("1.2.0".into(), Digest::of(b"x")));
    assert_eq!(
        Manifest::from_embedded(&manifest.to_canonical()).unwrap().dependencies,
        manifest.dependencies
    );
}

#[test]
fn a_lockfile_that_no_longer_fits_is_stale_and_pins_nothing() {
    let mut manifest = full();
    assert_eq!(manifest.pin(&Lockfile::default()).unwrap_err().code(), "LS-MAN-012");
    manifest.dependencies[0].version = "^2".parse().unwrap();
    let error = manifest.pin(&lock()).unwrap_err();
    assert_eq!(error.code(), "LS-MAN-013");
    assert!(error.to_string().contains("`1.2.0`") && error.to_string().contains("`^2`"));
    manifest.dependencies[0].reference = "plugins/other".parse().unwrap();
    assert!(manifest.pin(&lock()).unwrap_err().to_string().contains("plugins/other"));
    assert_eq!(manifest.dependencies[0].pinned, None);
    let error = Lockfile::parse("version = 1\n[[dependencie]]", "l").unwrap_err();
    assert_eq!(
        (error.code(), error.hint().as_deref()),
        ("LS-MAN-011", Some("did you mean `dependency`?"))
    );
    let twice = format!("{}{}", lock(), LOCK.replace("DIGEST", &Digest::of(b"y").to_string()));
    assert!(Lockfile::parse(&twice, "l").unwrap_err().to_string().contains("locked twice"));
    assert!(Lockfile::parse("version = 2", "l").unwrap_err().to_string().contains("version 1"));
}

fn scopes() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::Clock),
        Just(Scope::Random),
        "[A-Z_][A-Z0-9_]{0,8}".prop_map(Scope::Env),
        ("(/[a-z.]{1,4}x){1,3}", any::<bool>()).prop_map(|(path, rw)| Scope::Dir {
            path,
            access: if rw { Access::ReadWrite } else { Access::ReadOnly }
        }),
        "(http|https)://([*]|([*][.])?[a-z]{1,5}[.]example)(:[1-9][0-9]{0,3})?"
            .prop_map(|text| Scope::Http(text.parse().unwrap())),
    ]
}

fn settings() -> impl Strategy<Value = Setting> {
    (prop::num::f64::NORMAL, any::<i64>(), "[^\\x00-\\x1f\\x7f-\\x9f]{0,12}", 0..3).prop_map(
        |(float, integer, text, pick)| {
            let (kind, default) = match pick {
                0 => (SettingKind::Number, json!(float)),
                1 => (SettingKind::Integer, json!(integer)),
                _ => (SettingKind::String, json!(text)),
            };
            let (description, minimum, maximum) = (None, None, None);
            Setting {
                kind,
                description,
                default: Some(default),
                locked: pick == 1,
                secret: false,
                required: false,
                minimum,
                maximum,
                choices: Vec::new(),
            }
        },
    )
}

proptest! {
    #[test]
    fn whatever_an_author_may_say_survives_embedding(
        scopes in prop::collection::vec((scopes(), "[a-z é]{0,9}x", any::<bool>()), 0..6),
        settings in prop::collection::btree_map("[a-z]{1,6}(-[a-z0-9]{1,3})?", settings(), 0..5),
        deadline in 1..i64::MAX as u64,
        description in prop::option::of("[\\x20-\\x7e\u{a0}-\u{2000}\u{4e00}-\u{ffff}\n]{0,40}"),
    ) {
        let mut seen = std::collections::BTreeSet::new();
        let requests = scopes.into_iter().filter(|(scope, ..)| seen.insert(check::key(scope)));
        let request = |(scope, reason, optional)| {
            let idempotency_key = optional && matches!(scope, Scope::Http(_));
            Request { scope, reason, optional, idempotency_key }
        };
        let requests = requests.map(request).collect();
        let mut manifest = Manifest { build: None, requests, ..full() };
        manifest.risk = None;
        manifest.package.description = description;
        manifest.settings = SettingsSchema::new(settings);
        manifest.limits.insert(LimitName::DeadlineMs, deadline);
        let bytes = manifest.to_canonical();
        let back = Manifest::from_embedded(&bytes).unwrap();
        prop_assert_eq!(&back, &manifest);
        prop_assert_eq!(back.to_canonical(), bytes);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        text in "\\PC{0,200}",
        cut in 0..1000usize,
        byte in any::<u8>(),
    ) {
        let _ = Manifest::from_toml(&text, "f");
        let _ = Lockfile::parse(&text, "f");
        let mut bytes = full().to_canonical();
        let at = cut % bytes.len();
        bytes[at] = byte;
        if let Ok(manifest) = Manifest::from_embedded(&bytes) {
            prop_assert_eq!(manifest.to_canonical(), bytes);
        }
        let _ = Manifest::from_toml(FULL.get(..cut).unwrap_or(FULL), "f");
    }
}
