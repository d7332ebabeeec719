//! The judgement, with signatures of our own and of the real cosign 3.1.1.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use longshore_reference::{Candidate, Descriptor, Digest, Fetched, Reference, Resolved, media};
use longshore_trust::{Error, PrivateKey, TrustPolicy, annotations_for, bundle, sign_component};
use serde_json::json;

const WASM: &[u8] = b"\0asm\x0d\0\x01\0";

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(fixture(name)).unwrap()
}

fn fetched_with(manifest: &[u8], reference: &str, candidates: Vec<Candidate>) -> Fetched {
    let reference: Reference = reference.parse().unwrap();
    let digest = Digest::of(manifest);
    let descriptor = |media: &str, bytes: &[u8]| Descriptor {
        media_type: media.to_owned(),
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        artifact_type: None,
        annotations: BTreeMap::new(),
    };
    let resolved = Resolved {
        reference: reference.pinned(digest),
        manifest: descriptor(media::OCI_MANIFEST, manifest),
        manifest_bytes: manifest.into(),
        layer: descriptor(media::WASM_LAYER, WASM),
    };
    Fetched::from_registry(&resolved, WASM, candidates).unwrap()
}

fn fetched(reference: &str, candidates: Vec<Candidate>) -> Fetched {
    fetched_with(b"manifest", reference, candidates)
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::generate(&[seed; 32]).unwrap()
}

fn signed(key: &PrivateKey, manifest: &[u8], reference: &str) -> Candidate {
    let annotations = annotations_for(&reference.parse().unwrap());
    Candidate::Bundle(sign_component(key, Digest::of(manifest), &annotations).unwrap())
}

fn policy(scopes: serde_json::Value) -> Result<TrustPolicy, Error> {
    let document = json!({"version": 1, "default": [{"type": "reject"}], "scopes": scopes});
    TrustPolicy::parse(&document.to_string(), |path| Ok(text(path)))
}

fn requires(key: &PrivateKey) -> serde_json::Value {
    json!({"type": "sigstore", "name": "release", "key": {"data": key.public_key().to_pem()}})
}

const HERE: &str = "r.example/a/b:1.0.0";

#[test]
fn a_signed_component_passes_and_says_who_vouched() {
    let release = key(1);
    let policy = policy(json!({"r.example/a": [requires(&release)]})).unwrap();
    let noise = Candidate::Bundle(b"{}".to_vec());
    let all = vec![noise, signed(&key(2), b"manifest", HERE), signed(&release, b"manifest", HERE)];
    let verified = policy.verify(fetched(HERE, all), 0).unwrap();
    assert_eq!(verified.signers().len(), 1);
    assert_eq!(verified.signers()[0].name, "release");
    assert_eq!(verified.signers()[0].key, Some(release.public_key().key_id()));
    assert_eq!(&verified.bytes()[..], WASM);
    assert_eq!(verified.digest(), Digest::of(WASM));
    assert_eq!(verified.manifest(), Some(Digest::of(b"manifest")));
    assert_eq!(verified.policy(), policy.digest());
}

#[test]
fn every_way_to_fail_has_its_own_code() {
    let release = key(1);
    let policy =
        policy(json!({"r.example/a": [requires(&release)], "r.example/no": [{"type": "reject"}]}))
            .unwrap();
    let code = |reference: &str, candidates: Vec<Candidate>| {
        policy.verify(fetched(reference, candidates), 0).unwrap_err().code()
    };
    let by = |key: &PrivateKey, manifest: &[u8], at: &str| vec![signed(key, manifest, at)];
    assert_eq!(code(HERE, vec![]), "LS-TRU-001");
    assert_eq!(code(HERE, by(&key(2), b"manifest", HERE)), "LS-TRU-002");
    assert_eq!(code(HERE, by(&release, b"another", HERE)), "LS-TRU-003");
    assert_eq!(code(HERE, by(&release, b"manifest", "r.example/a/c:1.0.0")), "LS-TRU-004");
    assert_eq!(code(HERE, by(&release, b"manifest", "r.example/a/b:1.0.1")), "LS-TRU-005");
    assert_eq!(code(HERE, by(&release, b"manifest", "r.example/a/b")), "LS-TRU-005");
    assert_eq!(code(HERE, vec![Candidate::Bundle(b"{".to_vec())]), "LS-TRU-007");
    assert_eq!(
        code("r.example/no/x:1", by(&release, b"manifest", "r.example/no/x:1")),
        "LS-TRU-008"
    );
    assert_eq!(code("q.example/a/b:1.0.0", by(&release, b"manifest", HERE)), "LS-TRU-009");
    assert_eq!(code(HERE, vec![Candidate::Bundle(Vec::new()); 101]), "LS-TRU-014");
}

#[test]
fn the_nearest_failure_speaks_and_keys_are_named() {
    let (release, other) = (key(1), key(2));
    let policy = policy(json!({"r.example": [requires(&release)]})).unwrap();
    let all = vec![
        signed(&release, b"manifest", "r.example/a/b:0.9.0"),
        signed(&other, b"manifest", HERE),
    ];
    let error = policy.verify(fetched(HERE, all), 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the signature by `release` is for the version `0.9.0`, not for `1.0.0`"
    );
    let error =
        policy.verify(fetched(HERE, vec![signed(&other, b"manifest", HERE)]), 0).unwrap_err();
    let message = error.to_string();
    assert!(message.contains(&release.public_key().key_id().to_string()), "{message}");
    assert!(message.contains(&other.public_key().key_id().to_string()), "{message}");
}

#[test]
fn a_mirror_verifies_and_a_digest_needs_no_tag() {
    let release = key(1);
    let policy = policy(json!({"mirror.example/a": [requires(&release)]})).unwrap();
    for at in ["mirror.example/a/b:1.0.0", "mirror.example/a/b"] {
        policy.verify(fetched(at, vec![signed(&release, b"manifest", HERE)]), 0).unwrap();
    }
}

#[test]
fn the_most_specific_scope_decides_on_whole_components() {
    let (wide, narrow) = (key(1), key(2));
    let policy =
        policy(json!({"r.example": [requires(&wide)], "r.example/a": [requires(&narrow)]}))
            .unwrap();
    let passes = |key: &PrivateKey, at: &str| {
        policy.verify(fetched(at, vec![signed(key, b"manifest", at)]), 0).is_ok()
    };
    assert!(passes(&narrow, "r.example/a/b:1") && passes(&narrow, "r.example/a:1"));
    assert!(!passes(&wide, "r.example/a/b:1"));
    assert!(passes(&wide, "r.example/ab:1") && !passes(&narrow, "r.example/ab:1"));
    assert!(!passes(&wide, "r.example:5000/ab:1") && !passes(&wide, "r.example.evil/ab:1"));
}

#[test]
fn all_requirements_of_a_scope_must_hold() {
    let (one, two) = (key(1), key(2));
    let mut second = requires(&two);
    second["name"] = "audit".into();
    let policy = policy(json!({"r.example": [requires(&one), second]})).unwrap();
    let (by_one, by_two) = (signed(&one, b"manifest", HERE), signed(&two, b"manifest", HERE));
    let both = policy.verify(fetched(HERE, vec![by_two.clone(), by_one.clone()]), 0).unwrap();
    assert_eq!(
        both.signers().iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
        ["release", "audit"]
    );
    for alone in [by_one, by_two] {
        assert_eq!(policy.verify(fetched(HERE, vec![alone]), 0).unwrap_err().code(), "LS-TRU-002");
    }
}

#[test]
fn options_of_a_requirement_are_obeyed() {
    let release = key(1);
    let with = |field: &str, value: serde_json::Value| {
        let mut requirement = requires(&release);
        requirement[field] = value;
        policy(json!({"r.example": [requirement]})).unwrap()
    };
    let elsewhere = || fetched(HERE, vec![signed(&release, b"manifest", "q.example/z:9")]);
    with("requireAnnotations", json!({})).verify(elsewhere(), 0).unwrap();
    let literal = with("requireAnnotations", json!({"team": "blue"}));
    assert_eq!(literal.verify(elsewhere(), 0).unwrap_err().code(), "LS-TRU-011");
    let dated = with("trustedUntil", json!("1970-01-01"));
    let good = || fetched(HERE, vec![signed(&release, b"manifest", HERE)]);
    dated.verify(good(), 86_399).unwrap();
    assert_eq!(dated.verify(good(), 86_400).unwrap_err().code(), "LS-TRU-013");
    let rotated = key(2).public_key().to_pem() + &release.public_key().to_pem();
    with("key", json!({"data": rotated})).verify(good(), 0).unwrap();
}

#[test]
fn without_a_policy_registries_are_rejected_and_named_files_pass() {
    let none = TrustPolicy::default();
    assert_eq!(none.verify(fetched(HERE, vec![]), 0).unwrap_err().code(), "LS-TRU-009");
    let local = none.verify(Fetched::from_file("/x/c.wasm", WASM), 0).unwrap();
    assert_eq!((local.signers()[0].name.as_str(), local.signers()[0].key), ("local", None));
    let strict = TrustPolicy::parse(
        r#"{"version":1,"default":[{"type":"reject"}],"local":[{"type":"reject"}]}"#,
        |_| unreachable!(),
    )
    .unwrap();
    assert_eq!(
        strict.verify(Fetched::from_file("c.wasm", WASM), 0).unwrap_err().code(),
        "LS-TRU-008"
    );
    let anything =
        TrustPolicy::insecure_accept_anything().verify(fetched(HERE, vec![]), 0).unwrap();
    assert!(anything.signers().is_empty());
}

#[test]
fn signatures_that_the_real_cosign_wrote_verify() {
    let manifest = fixture("manifest.json");
    let at = "127.0.0.1:5077/workflows/ingest:1.0.0";
    let requirement = json!({"type": "sigstore", "name": "cosign", "key": {"path": "cosign.pub"}});
    let mut legacy_too = requirement.clone();
    legacy_too["legacy"] = true.into();
    let bundle = || Candidate::Bundle(fixture("cosign-bundle.json"));
    let sbom = || Candidate::Bundle(fixture("cosign-attestation.json"));
    let legacy = || Candidate::Legacy {
        payload: fixture("cosign-legacy-payload.json"),
        signature: text("cosign-legacy-signature.txt"),
    };
    let plain = policy(json!({"127.0.0.1:5077": [requirement]})).unwrap();
    let both = policy(json!({"127.0.0.1:5077": [legacy_too]})).unwrap();
    let judge = |policy: &TrustPolicy, at: &str, candidate: Candidate| {
        policy.verify(fetched_with(&manifest, at, vec![candidate]), 0).map_err(|e| e.code())
    };
    judge(&plain, at, bundle()).unwrap();
    judge(&both, at, legacy()).unwrap();
    assert_eq!(judge(&plain, at, sbom()).unwrap_err(), "LS-TRU-006");
    assert_eq!(judge(&plain, at, legacy()).unwrap_err(), "LS-TRU-001");
    let retagged = "127.0.0.1:5077/workflows/ingest:2.0.0";
    assert_eq!(judge(&plain, retagged, bundle()).unwrap_err(), "LS-TRU-005");
    assert_eq!(judge(&both, retagged, legacy()).unwrap_err(), "LS-TRU-005");
    let copied = "127.0.0.1:5077/workflows/other:1.0.0";
    assert_eq!(judge(&plain, copied, bundle()).unwrap_err(), "LS-TRU-004");
    assert_eq!(judge(&both, copied, legacy()).unwrap_err(), "LS-TRU-004");
}

#[test]
fn with_cosigns_key_we_write_what_cosign_writes() {
    let key = PrivateKey::from_pem(&text("cosign.key"), b"").unwrap();
    let at = "127.0.0.1:5077/workflows/ingest:1.0.0".parse().unwrap();
    let ours =
        sign_component(&key, Digest::of(&fixture("manifest.json")), &annotations_for(&at)).unwrap();
    let without_sig = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        text.split("\"sig\"").next().unwrap().to_owned()
    };
    assert_eq!(without_sig(&ours), without_sig(&fixture("cosign-bundle.json")));
    assert!(ours.len() < bundle::MAX_BYTES);
}

#[test]
fn a_policy_that_is_wrong_says_where() {
    let of = |text: &str| {
        let error =
            TrustPolicy::parse(text, |_| Err(std::io::ErrorKind::NotFound.into())).unwrap_err();
        let source =
            std::error::Error::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
        format!("{} {error}{source} | {}", error.code(), error.hint().unwrap_or_default())
    };
    let head = r#"{"version":1,"default":[{"type":"reject"}]"#;
    for (text, part) in [
        (
            "{\n  \"version\" 1}".to_owned(),
            "LS-TRU-020 the trust policy is not valid JSON: expected `:` at line 2 column 13",
        ),
        (format!("{head},\"default\":[]}}"), "`default` is there twice at line 1"),
        (format!("{head},\"scope\":{{}}}}"), "unknown field `scope`"),
        (format!("{head},\"scope\":{{}}}}"), "did you mean `scopes`?"),
        (
            r#"{"version":2,"default":[{"type":"reject"}]}"#.to_owned(),
            "this Longshore reads version 1",
        ),
        (r#"{"version":1}"#.to_owned(), "wrong at `default`: it is missing"),
        (
            format!("{head},\"scopes\":{{\"r.example/a\":[]}}}}"),
            "at `scopes[\"r.example/a\"]`: an empty list",
        ),
        (format!("{head},\"scopes\":{{\"a/b\":[]}}}}"), "a scope begins with a registry"),
        (format!("{head},\"scopes\":{{\"R.example/a\":[]}}}}"), "lower case"),
        (format!("{head},\"scopes\":{{\"r.example/a/\":[]}}}}"), "each component"),
        (
            format!("{head},\"scopes\":{{\"r.example\":[{{\"type\":\"Sigstor\"}}]}}}}"),
            "did you mean `sigstore`?",
        ),
        (
            format!(
                "{head},\"scopes\":{{\"r.example\":[{{\"type\":\"sigstore\",\"keyless\":{{}}}}]}}}}"
            ),
            "not supported yet",
        ),
        (
            format!(
                "{head},\"scopes\":{{\"r.example\":[{{\"type\":\"sigstore\",\"name\":\"x\",\"key\":{{\"path\":\"k\"}}}}]}}}}"
            ),
            "LS-TRU-022 cannot read `k`",
        ),
        (
            format!(
                "{head},\"scopes\":{{\"r.example\":[{{\"type\":\"sigstore\",\"name\":\"x\",\"key\":{{\"data\":\"k\"}}}}]}}}}"
            ),
            "[0].key`: this is not a public key",
        ),
        (format!("{head},\"local\":[{{\"type\":\"sigstore\"}}]}}"), "`name` is missing"),
    ] {
        let said = of(&text);
        assert!(said.contains(part), "{text}\n{said}\n{part}");
    }
    let bad_variable = json!({"r.example": [{"type": "sigstore", "name": "x", "key": {"path": "cosign.pub"},
        "requireAnnotations": {"version": "$tags"}}]});
    assert_eq!(policy(bad_variable).unwrap_err().hint().unwrap(), "did you mean `$tag`?");
}

#[test]
fn a_policy_is_loaded_with_keys_beside_it_and_its_digest_is_of_its_meaning() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("keys")).unwrap();
    std::fs::write(folder.path().join("keys/a.pub"), key(1).public_key().to_pem()).unwrap();
    let path = folder.path().join("trust.json");
    let document = r#"{"scopes":{"r.example":[{"type":"sigstore","name":"release","key":{"path":"keys/a.pub"}}]},
        "version":1, "default":[{"type":"reject"}]}"#;
    std::fs::write(&path, document).unwrap();
    let loaded = TrustPolicy::load(&path).unwrap();
    assert_eq!(
        loaded.digest(),
        policy(json!({"r.example": [requires(&key(1))]})).unwrap().digest()
    );
    assert_ne!(
        loaded.digest(),
        policy(json!({"r.example": [requires(&key(2))]})).unwrap().digest()
    );
    assert_eq!(TrustPolicy::load(&folder.path().join("none")).unwrap_err().code(), "LS-TRU-022");
}

#[test]
fn any_flipped_byte_of_a_bundle_is_refused() {
    let release = key(1);
    let policy = policy(json!({"r.example": [requires(&release)]})).unwrap();
    let Candidate::Bundle(good) = signed(&release, b"manifest", HERE) else { unreachable!() };
    // The hint is advice and not signed; everything else must matter.
    let text = String::from_utf8(good.clone()).unwrap();
    let hint = text.find("\"hint\":\"").unwrap() + 8..text.find("\"}},\"dsse").unwrap();
    for at in (0..good.len()).filter(|at| !hint.contains(at)) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let judged = policy.verify(fetched(HERE, vec![Candidate::Bundle(bad)]), 0);
        assert!(judged.is_err(), "byte {at}");
    }
}
