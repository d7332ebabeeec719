//! What a run leaves behind: events in order, receipts that chain, and a store that tells when it was touched.

use std::sync::Arc;

use longshore::journal::Seen;
use longshore::model::{Event, Outcome};
use longshore::trust::PrivateKey;
use longshore::{Longshore, Request};
use longshore_test_support::clock::Fixed;

use crate::artifacts::{guest, wat};
use crate::components::ANSWER;
use crate::stage::{Stage, allow, ask};

#[tokio::test]
async fn receipts_chain_over_runs_that_succeed_fail_and_are_refused() {
    let stage = Stage::new();
    let answer = stage.file("answer.wasm", wat(ANSWER));
    let bare = stage.file("bare.wasm", guest("host-info"));
    let echo = stage.file("echo.wasm", guest("echo"));
    let first = stage.run(&Request::new(answer.clone(), "")).await;
    let (_, second) = stage.refused(&ask(&bare, "now-ms", "")).await;
    let third = stage.run(&ask(&echo, "to-result", r#"[{"err": "no"}]"#)).await;
    let fourth = stage.run(&Request::new(answer, "")).await;
    assert_eq!(first.statement.predicate.previous, None);
    for (before, after) in [(&first, &second), (&second, &third), (&third, &fourth)] {
        assert_eq!(after.statement.predicate.previous, Some(before.report.receipt_digest));
    }
    let words: Vec<_> = [&first, &second, &third, &fourth]
        .map(|ran| ran.statement.predicate.outcome.word.clone())
        .to_vec();
    assert_eq!(words, ["ok", "fault", "failed", "ok"]);
    // Any other key, and any changed byte, does not verify.
    let other = PrivateKey::generate(&[8; 32]).unwrap();
    let error = longshore::receipt::verify(&first.report.receipt, other.public_key()).unwrap_err();
    assert_eq!(error.code(), "LS-RCP-004");
    let mut changed = first.report.receipt.clone();
    let at = changed.windows(7).position(|w| w == b"payload").unwrap() + 20;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    assert!(longshore::receipt::verify(&changed, &stage.receipt_key).is_err());
}

#[tokio::test]
async fn the_chain_goes_on_in_a_new_process_over_the_same_home() {
    let home = tempfile::tempdir().unwrap();
    let keep = home.path().to_owned();
    let first = Stage::at(home, |b| b);
    let one = first.run(&Request::new(first.file("a.wasm", wat(ANSWER)), "")).await;
    let copy = tempfile::tempdir().unwrap();
    for path in crate::stage::walk(&keep) {
        let name = path.strip_prefix(&keep).unwrap();
        std::fs::create_dir_all(copy.path().join(name).parent().unwrap()).unwrap();
        std::fs::copy(&path, copy.path().join(name)).unwrap();
    }
    let second = Stage::at(copy, |b| b);
    let two = second.run(&Request::new(second.file("a.wasm", wat(ANSWER)), "")).await;
    assert_eq!(two.statement.predicate.previous, Some(one.report.receipt_digest));
}

#[tokio::test]
async fn entry_0_says_what_ran_under_what_and_the_receipt_says_the_same() {
    let at = longshore::model::Timestamp::from_unix_us(1_800_000_000_000_000);
    let stage = Stage::with(|b| b.clock(Arc::new(Fixed::at(at))));
    let target = stage.file("hog.wasm", guest("hog"));
    let ran = stage.run(&ask(&target, "many", "[2]").allow(allow(&["clock"]))).await;
    assert_eq!(ran.names(), ["run-started", "call-started", "call-ended", "run-ended"]);
    let start = ran.history.start();
    let bytes = guest("hog");
    assert_eq!(start.component.digest, longshore::reference::Digest::of(&bytes));
    assert_eq!(start.component.reference, "hog.wasm", "never a full path");
    assert_eq!(start.function, "fixtures:hog/hog@0.1.0#many");
    assert_eq!(start.input.as_str(), "[2]");
    assert_eq!(start.grant.scopes.len(), 1);
    assert_eq!(start.host, longshore::VERSION);
    assert!(start.engine.starts_with("wasmtime 48"), "{}", start.engine);
    assert_eq!(ran.history.entries()[0].at, at);
    let predicate = &ran.statement.predicate;
    assert_eq!(predicate.component.as_ref(), Some(&start.component));
    assert_eq!(predicate.grant.as_ref(), Some(&start.grant));
    assert_eq!(predicate.policy, Some(start.policy));
    assert_eq!(predicate.input.as_ref().unwrap().digest, start.input.digest());
    let Outcome::Ok(output) = &ran.report.outcome else { panic!() };
    assert_eq!(predicate.outcome.output.as_ref().unwrap().digest, output.digest());
    assert_eq!(predicate.started.unix_us, at);
    // The receipt holds digests of input and output, not what they were.
    assert!(!String::from_utf8_lossy(&ran.report.receipt).contains("[0,1]"));
}

#[tokio::test]
async fn a_run_can_be_watched_from_its_first_event_to_its_last() {
    let stage = Stage::new();
    let target = stage.file("hog.wasm", guest("hog"));
    let request = ask(&target, "print", "[5]").allow(allow(&["clock"]));
    let mut running = stage.host.start(request).await.unwrap();
    let mut seen = Vec::new();
    while let Some(next) = running.events().next().await {
        let Seen::Entry(entry) = next else { panic!("an event was missed") };
        seen.push(entry.event.name());
    }
    assert_eq!(seen, ["run-started", "call-started", "output", "call-ended", "run-ended"]);
    let id = running.id();
    let ran = stage.sealed(running.finish().await.unwrap()).await;
    assert_eq!((ran.report.run, ran.names()), (id, seen));
}

#[tokio::test]
async fn without_a_home_and_a_store_everything_stays_in_memory_and_is_sealed_all_the_same() {
    let host = Longshore::builder().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answer.wasm");
    std::fs::write(&path, wat(ANSWER)).unwrap();
    let report = host.request(&Request::new(path.into(), "")).await.unwrap();
    let key = host.signer().unwrap();
    let statement = longshore::receipt::verify(&report.receipt, key.public_key()).unwrap();
    assert_eq!(statement.predicate.journal.head, report.journal);
    let history = host.journal().read(report.run).await.unwrap();
    assert!(matches!(history.entries()[0].event, Event::RunStarted(_)));
}
