//! Runs that are moved to another version of their workflow, and those that cannot be.

use std::time::Duration;

use longshore::journal::RunState;
use longshore::model::{Event, Outcome, RunId};
use longshore::policy::Policy;
use longshore::reference::Digest;
use longshore::{Error, Longshore, Report, Resume};
use serde_json::{Value, json};

use super::harbour::Harbour;
use super::histories::{edited, open};

const NOW: Duration = Duration::ZERO;
const AT_ONCE: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(600);

fn value(report: &Report) -> Value {
    match &report.outcome {
        Outcome::Ok(json) => json.read().unwrap(),
        other => panic!("it did not return: {other:#?}"),
    }
}

async fn until(host: &Longshore, run: RunId, state: RunState) {
    let began = std::time::Instant::now();
    while host.journal().summary(run).await.unwrap().unwrap().state != state {
        assert!(began.elapsed() < Duration::from_secs(60), "it never was {state}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// With which components the run went on, each time that it did.
async fn went_on_with(host: &Longshore, run: RunId) -> Vec<Digest> {
    let history = host.journal().read(run).await.unwrap();
    let resumed = history.entries().iter().filter_map(|entry| match &entry.event {
        Event::RunResumed(resumed) => Some(resumed.component),
        _ => None,
    });
    resumed.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_with_the_version_that_it_was_moved_to_wherever_it_is_carried() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, AT_ONCE);
    let running = host.start(harbour.ask("flow", "signals", "[2]")).await.unwrap();
    let run = running.id();
    host.signal(run, "go", "1", None).await.unwrap();
    let began = std::time::Instant::now();
    while harbour.lines().is_empty() {
        assert!(began.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    until(&host, run, RunState::Waiting).await;
    // The same code under another digest: it depends on more.
    let other = harbour.host(NOW, AT_ONCE);
    let target = harbour.target("parent");
    let moved = other.move_run(run, &target, &Policy::default()).await.unwrap();
    let row = other.journal().summary(run).await.unwrap().unwrap();
    assert_eq!((moved.run, row.state), (run, RunState::Waiting), "it waits as it did");
    assert_eq!(moved.from, row.component);
    // The host that has waited for it all the time goes on with the other version, too.
    host.signal(run, "go", "2", None).await.unwrap();
    let report = running.finish().await.unwrap();
    assert_eq!(value(&report), json!(["1", "2"]));
    assert_eq!(harbour.names(), ["signal 0", "signal 1"]);
    assert_eq!(went_on_with(&host, run).await.last(), Some(&moved.to));
    let history = host.journal().read(run).await.unwrap();
    assert_eq!(history.start().component.digest, moved.from);
    assert_eq!(history.in_force().component.digest, moved.to);
    assert_eq!(history.in_force().dependencies.len(), 2);
    // The receipt has both, and the exported run is repeated with the later one.
    let text = String::from_utf8(report.receipt.to_vec()).unwrap();
    let envelope: Value = serde_json::from_str(&text).unwrap();
    assert!(envelope["payload"].is_string());
    let file = host.export(run).await.unwrap();
    assert!(host.replay(&file).await.unwrap().1.is_good());
    let error = other.move_run(run, &target, &Policy::default()).await.unwrap_err();
    assert_eq!(error.code(), "LS-JRN-009", "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_would_diverge_stays_where_it_is_and_one_that_has_can_be_moved() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, LONG);
    let running = host.start(harbour.ask("flow", "sequence", r#"[["a", "bb"]]"#)).await.unwrap();
    let run = running.id();
    assert!(running.finish().await.unwrap().outcome.is_ok());
    let file = host.export(run).await.unwrap();
    let lines = harbour.lines();
    let cut = |entries: &mut Vec<Value>| {
        let third = |entry: &Value| entry["event"]["call-ended"]["call"] == 3;
        let end = entries.iter().position(third).unwrap();
        entries.truncate(end + 1);
    };
    // The history of other code: the third request was something else.
    let other = edited(&file, |entries| {
        cut(entries);
        let third = entries.iter_mut().find(|e| e["event"]["call-started"]["call"] == 3).unwrap();
        third["event"]["call-started"]["function"] = json!("fixtures:ledger/ledger@0.1.0#gone");
    });
    let (run, store) = open(&other).await;
    let heir = harbour.host_over(store, NOW, LONG);
    let target = harbour.target("parent");
    let before = heir.journal().read(run).await.unwrap();
    let error = heir.move_run(run, &target, &Policy::default()).await.unwrap_err();
    assert_eq!(error.code(), "LS-RUN-022", "{error}");
    let text = error.to_string();
    assert!(text.contains("at step 3 of call 0") && text.contains("#gone"), "{text}");
    let after = heir.journal().read(run).await.unwrap();
    assert_eq!(after.entries(), before.entries(), "nothing was changed");
    let error = heir.move_run(run, &harbour.target("flow"), &Policy::default()).await.unwrap_err();
    assert!(error.to_string().contains("already"), "{error}");
    let error = heir.move_run(run, &harbour.target("tally"), &Policy::default()).await.unwrap_err();
    assert_eq!(error.code(), "LS-ENG-008", "{error}");
    assert_eq!(harbour.lines(), lines, "nothing was done");
    // A run that fits, and that somebody said had diverged.
    let good = edited(&file, |entries| {
        cut(entries);
        let at = entries.last().unwrap()["at"].clone();
        let event =
            json!({"run-diverged": {"call": 0, "step": 4, "history": "this", "asked": "that"}});
        entries.push(json!({ "seq": 0, "at": at, "event": event }));
    });
    let (run, store) = open(&good).await;
    let heir = harbour.host_over(store, NOW, LONG);
    let moved = heir.move_run(run, &target, &Policy::default()).await.unwrap();
    let going = heir.resume(run, Resume::default()).await.unwrap();
    assert_eq!(value(&going.finish().await.unwrap()), 6);
    assert_eq!(went_on_with(&heir, run).await, [moved.to]);
    assert_eq!(harbour.lines(), lines, "all effects had ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_carries_is_not_moved() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, LONG);
    let running = host.start(harbour.ask("flow", "signals", "[1]")).await.unwrap();
    let run = running.id();
    let other = harbour.host(NOW, LONG);
    let error =
        other.move_run(run, &harbour.target("parent"), &Policy::default()).await.unwrap_err();
    assert!(matches!(error, Error::Journal(_)), "{error:?}");
    assert_eq!(error.code(), "LS-JRN-031", "{error}");
    host.signal(run, "go", "1", None).await.unwrap();
    assert_eq!(value(&running.finish().await.unwrap()), json!(["1"]));
}
