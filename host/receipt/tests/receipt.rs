//! Receipts from journals: what is in them, what changes them, and that an independent verifier
//! agrees.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::Command;

use longshore_model::{
    CallEnded, CallStarted, CapabilityKind, ComponentIdentity, Denied, Dependency, Effect,
    EffectStarted, Event, Fault, FaultKind, GrantRecord, Json, LimitName, Logged, Outcome,
    RunEnded, RunId, RunStarted, Scope, Signer, Timestamp, Usage,
};
use longshore_receipt::{Statement, seal, statement_from, verify};
use longshore_reference::{Digest, canonical};
use longshore_trust::{PrivateKey, dsse::Envelope};
use proptest::prelude::*;
use serde_json::Value;

type Entries = Vec<(u64, Timestamp, Event)>;

const OUTPUT: &str = r#"{"secret-output": 12345}"#;
const INPUT: &str = r#"{"secret-input":  true}"#;

fn run() -> RunId {
    RunId::new(Timestamp::from_unix_us(1_795_262_400_000_000), [7; 10])
}

fn component(name: &str, key: &PrivateKey) -> ComponentIdentity {
    ComponentIdentity {
        digest: Digest::of(name.as_bytes()),
        reference: format!("r.example/{name}:1.0.0"),
        manifest: Some(Digest::of(b"manifest")),
        signers: vec![Signer { name: "release".into(), key: Some(key.public_key().key_id()) }],
    }
}

fn key() -> PrivateKey {
    PrivateKey::generate(&[1; 32]).unwrap()
}

fn numbered(events: Vec<Event>) -> Entries {
    let at = |n: u64| Timestamp::from_unix_us(1_795_262_400_000_000 + n * 1_000);
    events.into_iter().enumerate().map(|(n, event)| (n as u64, at(n as u64), event)).collect()
}

fn denied() -> Event {
    Event::Denied(Denied {
        call: None,
        capability: CapabilityKind::Http,
        asked: "http=https://example.com".into(),
        rule: "no rule allows it".into(),
        hint: "--allow http=https://example.com".into(),
    })
}

fn ended(outcome: Outcome) -> Event {
    let usage = Usage { wall_us: 42, calls: 1, ..Usage::default() };
    Event::RunEnded(Box::new(RunEnded { outcome, usage }))
}

fn finished_run(outcome: Outcome) -> Entries {
    let grant = GrantRecord {
        scopes: vec![(Scope::Env("HOME".into()), "--allow env=HOME".into())],
        ..GrantRecord::default()
    };
    let call = |call, parent, name: &str| {
        Event::CallStarted(CallStarted {
            call,
            parent,
            component: Digest::of(name.as_bytes()),
            function: "run".into(),
            input: Digest::of(INPUT.as_bytes()),
            input_bytes: INPUT.len() as u64,
            attempt: 1,
        })
    };
    let done = |call| {
        Event::CallEnded(CallEnded { call, outcome: outcome.clone(), usage: Usage::default() })
    };
    numbered(vec![
        Event::RunStarted(Box::new(RunStarted {
            run: run(),
            component: component("ingest", &key()),
            function: "run".into(),
            dependencies: vec![Dependency {
                interface: "acme:text/chunk@1.0.0".into(),
                component: component("chunk", &key()),
                grant: GrantRecord::default(),
            }],
            grant,
            policy: Digest::of(b"policy"),
            input: Json::parse(INPUT).unwrap(),
            engine: "wasmtime 48".into(),
            host: "0.1.0".into(),
            seed: None,
            parent: None,
            continues: None,
        })),
        call(0, None, "ingest"),
        call(1, Some(0), "chunk"),
        Event::EffectStarted(EffectStarted {
            call: 1,
            effect: 0,
            what: Effect::Http { method: "GET".into(), url: "https://example.com/".into() },
        }),
        denied(),
        Event::Logged(Logged {
            call: 1,
            kind: "info".into(),
            message: "é ✓".into(),
            fields: Some(Json::parse("{\n \"a\": 1}").unwrap()),
        }),
        done(1),
        done(0),
        ended(outcome.clone()),
    ])
}

fn texts(entries: &Entries) -> Vec<String> {
    #[derive(serde::Serialize)]
    struct Entry<'a> {
        seq: u64,
        at: Timestamp,
        event: &'a Event,
    }
    let text = |(seq, at, event): &(u64, Timestamp, Event)| {
        serde_json::to_string(&Entry { seq: *seq, at: *at, event }).unwrap()
    };
    entries.iter().map(text).collect()
}

/// The journal's chain, from its definition.
fn head(texts: &[String]) -> Digest {
    texts.iter().fold(Digest::from_bytes([0; 32]), |head, text| {
        let parts = [b"longshore/journal-entry/v1\n", &head.as_bytes()[..], text.as_bytes()];
        Digest::of(&parts.concat())
    })
}

fn statement(entries: &Entries) -> Statement {
    let count = entries.len() as u64;
    let previous = Some(Digest::of(b"previous receipt"));
    statement_from(run(), entries, head(&texts(entries)), count, previous).unwrap()
}

fn ok() -> Outcome {
    Outcome::Ok(Json::parse(OUTPUT).unwrap())
}

#[test]
fn a_receipt_says_what_ran_with_what_and_never_the_data() {
    let receipt = seal(&statement(&finished_run(ok())), &key()).unwrap();
    assert_eq!(receipt.digest, Digest::of(&receipt.bytes));
    let read = verify(&receipt.bytes, key().public_key()).unwrap();
    assert_eq!(read, statement(&finished_run(ok())));
    let names: Vec<_> = read.subject.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["r.example/ingest:1.0.0", "r.example/chunk:1.0.0"]);
    let predicate = read.predicate;
    assert_eq!(predicate.outcome.word, "ok");
    assert_eq!(predicate.outcome.output.unwrap().digest, Digest::of(OUTPUT.as_bytes()));
    assert_eq!(predicate.input.unwrap().bytes, INPUT.len() as u64);
    let counts = predicate.counts;
    assert_eq!((counts.calls, counts.denials, counts.effects), (2, 1, 1));
    assert_eq!(predicate.started.time, "2026-11-21T12:00:00.000000Z");
    assert_eq!(predicate.finished.time, "2026-11-21T12:00:00.008000Z");
    assert_eq!(predicate.usage.wall_us, 42);
    let envelope = Envelope::parse(&receipt.bytes).unwrap();
    let payload = String::from_utf8(envelope.payload_unverified().to_vec()).unwrap();
    assert!(!payload.contains("secret-"), "{payload}");
}

#[test]
fn failures_faults_and_refusals_have_receipts_too() {
    let failed = statement(&finished_run(Outcome::Failed(Json::parse("\"no\"").unwrap())));
    assert_eq!(failed.predicate.outcome.word, "failed");
    let fault = Fault::limit(FaultKind::Deadline, LimitName::DeadlineMs, "the deadline passed");
    let fault = statement(&finished_run(Outcome::Fault(fault))).predicate.outcome.fault.unwrap();
    assert_eq!((fault.code.as_str(), fault.limit), ("LS-RUN-002", Some(LimitName::DeadlineMs)));
    let refusal = Outcome::Fault(Fault::new(FaultKind::Denied, "refused"));
    let entries = numbered(vec![denied(), denied(), ended(refusal)]);
    let refused = statement(&entries);
    assert_eq!(refused.subject[0].name, "journal");
    assert_eq!(refused.subject[0].digest.sha256, head(&texts(&entries)).hex());
    assert_eq!((refused.predicate.counts.denials, refused.predicate.component.clone()), (2, None));
    let receipt = seal(&refused, &key()).unwrap();
    assert_eq!(verify(&receipt.bytes, key().public_key()).unwrap(), refused);
}

#[test]
fn a_journal_that_is_not_whole_gives_no_receipt() {
    let whole = finished_run(ok());
    let code = |entries: &Entries, count: u64| {
        statement_from(run(), entries, Digest::of(b""), count, None).unwrap_err().code()
    };
    let last = whole.len() - 1;
    assert_eq!(code(&whole[..last].to_vec(), last as u64), "LS-RCP-001");
    assert_eq!(code(&whole, last as u64), "LS-RCP-001");
    assert_eq!(code(&Vec::new(), 0), "LS-RCP-001");
    let mut swapped = whole.clone();
    swapped.swap(1, 2);
    assert_eq!(code(&swapped, swapped.len() as u64), "LS-RCP-001");
    let other = RunId::new(Timestamp::from_unix_us(1), [0; 10]);
    assert!(statement_from(other, &whole, Digest::of(b""), whole.len() as u64, None).is_err());
}

#[test]
fn other_keys_other_types_and_loose_spellings_are_refused() {
    let good = statement(&finished_run(ok()));
    let other = PrivateKey::generate(&[2; 32]).unwrap();
    let receipt = seal(&good, &key()).unwrap();
    assert_eq!(verify(&receipt.bytes, other.public_key()).unwrap_err().code(), "LS-RCP-004");
    assert_eq!(verify(b"{}", key().public_key()).unwrap_err().code(), "LS-RCP-004");
    let code = |change: &dyn Fn(&mut Value), spaced: bool| {
        let mut value = serde_json::to_value(&good).unwrap();
        change(&mut value);
        let mut payload = canonical::to_vec(&value).unwrap();
        payload.extend_from_slice(if spaced { b" " } else { b"" });
        let kind = "application/vnd.in-toto+json";
        let envelope = Envelope::sign(&key(), kind, payload, true).unwrap().to_vec().unwrap();
        verify(&envelope, key().public_key()).map_err(|error| error.code())
    };
    assert_eq!(code(&|_| {}, false).unwrap(), good);
    assert_eq!(code(&|_| {}, true).unwrap_err(), "LS-RCP-002");
    let typed = |v: &mut Value| v["predicateType"] = "https://spdx.dev/Document".into();
    assert_eq!(code(&typed, false).unwrap_err(), "LS-RCP-003");
    let extra = |v: &mut Value| v["predicate"]["extra"] = 1.into();
    assert_eq!(code(&extra, false).unwrap_err(), "LS-RCP-002");
    let subject = |v: &mut Value| v["subject"][0]["name"] = "another".into();
    assert_eq!(code(&subject, false).unwrap_err(), "LS-RCP-002");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_change_to_any_entry_changes_the_receipt(
        entry in 0_usize..9,
        position in any::<prop::sample::Index>(),
        byte in 1_u8..=255,
    ) {
        let entries = finished_run(ok());
        let before = texts(&entries);
        let mut changed: Vec<Vec<u8>> = before.iter().map(|t| t.clone().into_bytes()).collect();
        let at = position.index(changed[entry].len());
        changed[entry][at] ^= byte;
        let head_of = |texts: &[Vec<u8>]| texts.iter().fold(Digest::from_bytes([0; 32]), |head, text| {
            let parts = [b"longshore/journal-entry/v1\n", &head.as_bytes()[..], text];
            Digest::of(&parts.concat())
        });
        let count = entries.len() as u64;
        let after = statement_from(run(), &entries, head_of(&changed), count, None).unwrap();
        let original = statement_from(run(), &entries, head(&before), count, None).unwrap();
        prop_assert_ne!(canonical::to_vec(&after).unwrap(), canonical::to_vec(&original).unwrap());
    }

    #[test]
    fn any_changed_byte_of_a_receipt_is_refused(
        position in any::<prop::sample::Index>(),
        bit in 0_u8..7,
    ) {
        let receipt = seal(&statement(&finished_run(ok())), &key()).unwrap();
        let text = String::from_utf8(receipt.bytes.clone()).unwrap();
        let keyid = text.find("\"keyid\":\"").unwrap() + 9..text.find("\",\"sig\"").unwrap();
        let at = position.index(receipt.bytes.len());
        prop_assume!(!keyid.contains(&at));
        let mut bad = receipt.bytes;
        bad[at] ^= 1 << bit;
        prop_assert!(verify(&bad, key().public_key()).is_err());
    }
}

/// Whether Python and its `cryptography` package are there; where tests must not be skipped, their
/// absence fails.
fn python() -> bool {
    let there = Command::new("python3")
        .args(["-c", "import cryptography"])
        .output()
        .is_ok_and(|output| output.status.success());
    // The one variable that tests read.
    #[allow(clippy::disallowed_methods)]
    let required = std::env::var("LONGSHORE_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
    assert!(there || !required, "python3 with the `cryptography` package is required and absent");
    if !there {
        #[allow(clippy::print_stderr)]
        {
            eprintln!("SKIPPED: python3 with the `cryptography` package is absent");
        }
    }
    there
}

#[test]
fn the_independent_verifier_agrees() {
    if !python() {
        return;
    }
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/verify_receipt.py");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let judge = |files: &[&str]| {
        let files = files.iter().map(|name| path(name));
        let output = Command::new("python3").arg(&script).args(files).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let write = |name: &str, bytes: &[u8]| std::fs::write(path(name), bytes).unwrap();
    let export = |texts: &[String]| serde_json::to_vec(texts).unwrap();
    let entries = finished_run(ok());
    let receipt = seal(&statement(&entries), &key()).unwrap();
    write("receipt.json", &receipt.bytes);
    write("host.pub", key().public_key().to_pem().as_bytes());
    write("journal.json", &export(&texts(&entries)));
    let (holds, said) = judge(&["receipt.json", "host.pub", "journal.json"]);
    assert!(holds && said.contains("verified   with the journal"), "{said}");
    assert!(said.contains(&receipt.digest.to_string()), "{said}");

    let mut changed = texts(&entries);
    changed[5] = changed[5].replace('✓', "x");
    write("changed.json", &export(&changed));
    let (holds, said) = judge(&["receipt.json", "host.pub", "changed.json"]);
    assert!(!holds && said.contains("head is another"), "{said}");

    let stranger = PrivateKey::generate(&[2; 32]).unwrap();
    write("stranger.pub", stranger.public_key().to_pem().as_bytes());
    assert!(!judge(&["receipt.json", "stranger.pub"]).0);
    let text = String::from_utf8(receipt.bytes).unwrap();
    write("bad.json", text.replace("\"payload\":\"ey", "\"payload\":\"eY").as_bytes());
    assert!(!judge(&["bad.json", "host.pub"]).0);

    let refusal = Outcome::Fault(Fault::new(FaultKind::Denied, "refused"));
    let refused = numbered(vec![denied(), ended(refusal)]);
    write("refused.json", &seal(&statement(&refused), &key()).unwrap().bytes);
    write("refused-journal.json", &export(&texts(&refused)));
    let (holds, said) = judge(&["refused.json", "host.pub", "refused-journal.json"]);
    assert!(holds && said.contains("LS-RUN-010"), "{said}");
}
