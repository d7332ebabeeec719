//! Trust through the command line: who vouches, keys and policies that are wrong.

use longshore_test_support::servers;
use serde_json::json;

use crate::artifacts::answer;
use crate::desk::Desk;

/// A desk with a key `publisher` and `127.0.0.1:…/team/answer:1.0.0`, pushed and not signed.
fn pushed() -> (Desk, servers::EmbeddedRegistry, String) {
    let (desk, registry) = (Desk::new(), servers::embedded_registry());
    desk.write("answer.wasm", answer());
    desk.key("publisher");
    let reference = format!("{}/team/answer:1.0.0", registry.address());
    desk.does(&["push", "answer.wasm", &reference]);
    (desk, registry, reference)
}

#[test]
fn without_a_policy_nothing_from_a_registry_runs() {
    let (desk, _registry, reference) = pushed();
    let refused = desk.refuses(3, "LS-TRU-009", &["run", &reference]);
    assert!(refused.hint().contains("trust policy"), "{}", refused.hint());
    desk.refuses(3, "LS-TRU-009", &["pull", &reference, "-o", "out.wasm"]);
    assert!(!desk.at("out.wasm").exists());
    assert!(desk.runs().is_empty());
}

#[test]
fn unsigned_and_signed_by_another_are_told_apart() {
    let (desk, _registry, reference) = pushed();
    let run = ["run", &reference, "--key", "publisher.pub"];
    let refused = desk.refuses(3, "LS-TRU-001", &run);
    assert!(refused.hint().contains("longshore sign"), "{}", refused.hint());
    desk.key("stranger");
    desk.does(&["sign", &reference, "--key", "stranger.key"]);
    let refused = desk.refuses(3, "LS-TRU-002", &run);
    assert!(refused.message().contains("sha256:"), "{}", refused.message());
    desk.does(&["sign", &reference, "--key", "publisher.key"]);
    assert_eq!(desk.does(&run), "42\n");
    // The stranger's signature beside it takes nothing away.
    assert_eq!(desk.does(&["run", &reference, "--key", "stranger.pub"]), "42\n");
}

#[test]
fn a_trust_policy_with_a_mistake_trusts_nobody() {
    let (desk, _registry, reference) = pushed();
    desk.does(&["sign", &reference, "--key", "publisher.key"]);
    let run = ["run", &reference, "--trust", "trust.json"];
    let key = json!({ "path": "publisher.pub" });
    let requirement = |field: &str, value: serde_json::Value| {
        let mut requirement = json!({ "type": "sigstore", "name": "p", "key": key });
        requirement[field] = value;
        json!({ "version": 1, "default": [requirement] })
    };
    for (policy, code, words) in [
        (json!({}), "LS-TRU-021", &["`version`"][..]),
        (json!({ "version": 1 }), "LS-TRU-021", &["`default`"]),
        (json!({ "version": 1, "default": [] }), "LS-TRU-021", &["`default`", "empty"]),
        (requirement("leagcy", true.into()), "LS-TRU-021", &["`leagcy`"]),
        (requirement("type", "sigstroe".into()), "LS-TRU-021", &["`sigstroe`"]),
        (requirement("key", json!({ "path": "absent.pub" })), "LS-TRU-022", &["`absent.pub`"]),
        (requirement("key", json!({ "data": "nonsense" })), "LS-TRU-021", &["default[0].key"]),
        (requirement("trustedUntil", "soon".into()), "LS-TRU-021", &["2027-12-31"]),
        (requirement("trustedUntil", "2020-01-01".into()), "LS-TRU-013", &["2020-01-01"]),
    ] {
        desk.write("trust.json", policy.to_string());
        // A policy that cannot be read is bad input; one that says no refuses.
        let status = if code == "LS-TRU-013" { 3 } else { 2 };
        let refused = desk.refuses(status, code, &run);
        for word in words {
            assert!(refused.message().contains(word), "{policy}: {}", refused.message());
        }
    }
    desk.write("trust.json", "{\"version\": 1,\n  \"default\": [}\n");
    let refused = desk.refuses(2, "LS-TRU-020", &run);
    assert!(refused.causes().contains("line 2"), "{:#}", refused.json);
    desk.write("trust.json", "{\"version\": 1, \"version\": 1, \"default\": []}");
    desk.refuses(2, "LS-TRU-020", &run);
    desk.refuses(2, "LS-TRU-022", &["run", &reference, "--trust", "absent.json"]);
    desk.write("trust.json", requirement("legacy", true.into()).to_string());
    assert_eq!(desk.does(&run), "42\n");
}

#[test]
fn keys_that_are_none_are_refused_before_anything_is_sent() {
    let (mut desk, _registry, reference) = pushed();
    desk.write("nonsense.key", "not a key");
    let sign = |key| ["sign", &reference, "--key", key];
    desk.refuses(2, "LS-KEY-001", &sign("nonsense.key"));
    desk.refuses(2, "LS-KEY-001", &sign("publisher.pub"));
    desk.refuses(2, "LS-CLI-002", &sign("absent.key"));
    desk.refuses(2, "LS-KEY-001", &["verify", &reference, "--key", "publisher.key"]);
    desk.refuses(2, "LS-CLI-004", &["key", "generate", "--out", "publisher"]);

    desk.set("LONGSHORE_KEY_PASSWORD", "a password of mine");
    desk.key("locked");
    desk.set("LONGSHORE_KEY_PASSWORD", "another password");
    let refused = desk.refuses(2, "LS-KEY-002", &sign("locked.key"));
    assert!(refused.hint().contains("LONGSHORE_KEY_PASSWORD"), "{}", refused.hint());
    for text in [&refused.text, &refused.json.to_string()] {
        assert!(!text.contains("another password"), "{text}");
    }
    desk.refuses(3, "LS-TRU-001", &["verify", &reference, "--key", "publisher.pub"]);
    desk.set("LONGSHORE_KEY_PASSWORD", "a password of mine");
    desk.does(&sign("locked.key"));
    desk.does(&["verify", &reference, "--key", "locked.pub"]);
}

#[test]
fn a_private_key_can_be_read_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    desk.write("answer.wasm", answer());
    desk.key("publisher");
    desk.does(&["run", "answer.wasm"]);
    for path in [desk.at("publisher.key"), desk.state().join("keys/receipt.key")] {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "`{}`", path.display());
    }
}
