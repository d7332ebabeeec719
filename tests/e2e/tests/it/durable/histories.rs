//! Histories repeated: those that were recorded and committed, those that were edited, and those of code that has changed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use longshore::journal::{
    Append, Chain, Durability, Fence, MemoryStore, Opening, Record, RunState, Store as _,
};
use longshore::model::{Outcome, RunId, Timestamp};
use longshore::reference::Digest;
use longshore::{Error, Longshore, Resume, Verdict};
use serde_json::{Value, json};

use super::harbour::Harbour;

const PATIENT: Duration = Duration::from_secs(600);

fn folder() -> PathBuf {
    longshore_test_support::workspace().join("tests/histories")
}

/// Waits for a run of `function` that was told `signals`, and exports it.
pub(super) async fn recorded(
    harbour: &Harbour,
    host: &Longshore,
    function: &str,
    input: &str,
    signals: &[&str],
) -> Vec<u8> {
    let running = host.start(harbour.ask("flow", function, input)).await.unwrap();
    let run = running.id();
    for payload in signals {
        host.signal(run, "go", payload, None).await.unwrap();
    }
    let report = running.finish().await.unwrap();
    assert!(report.outcome.is_ok(), "{report:?}");
    host.export(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_is_repeated_for_ever() {
    let host = Longshore::builder().build().unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let file = std::fs::read(&path).unwrap();
            let (_, verdict) =
                host.replay(&file).await.unwrap_or_else(|e| panic!("{path:?} {e:#?}"));
            assert!(matches!(verdict, Verdict::Ends { same: true, .. }), "{path:?}: {verdict:?}");
            count += 1;
        }
    }
    assert!(count >= 2, "there are {count} histories");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_now_is_repeated_elsewhere() {
    let harbour = Harbour::new().await;
    let host = harbour.host(Duration::ZERO, PATIENT);
    let elsewhere = Longshore::builder().build().unwrap();
    let bless = longshore_test_support::blesses();
    for (name, function, input, signals) in [
        ("mixture", "mixture", "[7]", &["\"on\""] as &[&str]),
        ("signals", "signals", "[2]", &["1", "{}"]),
        ("fan-out", "fan-out", r#"[["a", "bb", "ccc"]]"#, &[]),
        ("random", "random", "", &[]),
        ("nap", "std-nap", "[20]", &[]),
    ] {
        let before = harbour.lines().len();
        let file = recorded(&harbour, &host, function, input, signals).await;
        let done = harbour.lines().len();
        assert!(done > before);
        let (_, verdict) = elsewhere.replay(&file).await.unwrap_or_else(|e| panic!("{e:#?}"));
        assert!(matches!(verdict, Verdict::Ends { same: true, .. }), "{function}: {verdict:?}");
        assert_eq!(harbour.lines().len(), done, "a repetition does nothing");
        if bless && ["mixture", "signals"].contains(&name) {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(folder().join(format!("{name}-0.1.json")), file).unwrap();
        }
    }
}

/// The file with its entries changed, and their chain made good again.
pub(super) fn edited(file: &[u8], edit: impl FnOnce(&mut Vec<Value>)) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(file).unwrap();
    let texts: Vec<String> = serde_json::from_value(document["entries"].clone()).unwrap();
    let mut entries = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    edit(&mut entries);
    let mut chain = Chain::new();
    let mut written = Vec::new();
    for (entry, seq) in entries.iter_mut().zip(0_u64..) {
        entry["seq"] = json!(seq);
        written.push(entry.to_string());
        chain.push(entry.to_string().as_bytes());
    }
    document["entries"] = json!(written);
    document["head"] = json!(chain.head());
    document.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_says_something_else_is_told_apart_step_by_step() {
    let harbour = Harbour::new().await;
    let host = harbour.host(Duration::ZERO, PATIENT);
    let names = r#"[["a", "bb"]]"#;
    let file = recorded(&harbour, &host, "sequence", names, &[]).await;
    // The third request, the second effect, has other arguments.
    let other = edited(&file, |entries| {
        let mut calls =
            entries.iter_mut().filter(|entry| entry["event"]["call-started"]["parent"].is_u64());
        calls.nth(2).unwrap()["event"]["call-started"]["input"] =
            json!(Digest::of(b"something else"));
    });
    let (_, verdict) = host.replay(&other).await.unwrap();
    let Verdict::Diverges(divergence) = &verdict else { panic!("{verdict:?}") };
    assert_eq!((divergence.call, divergence.step), (0, 3));
    assert!(divergence.asked.contains("#enter"), "{divergence}");
    // One step less, and one more than the code makes.
    let shorter = edited(&file, |entries| {
        let is_second = |entry: &Value| {
            entry["event"]["call-started"]["call"] == 3 || entry["event"]["call-ended"]["call"] == 3
        };
        entries.retain(|entry| !is_second(entry));
    });
    let (_, verdict) = host.replay(&shorter).await.unwrap();
    assert!(matches!(verdict, Verdict::Diverges(_)), "{verdict:?}");
    // Edited without care: the chain says so.
    let text = String::from_utf8(file).unwrap();
    let error = host.replay(text.replace("bb", "cc").as_bytes()).await.unwrap_err();
    assert_eq!(error.code(), "LS-HST-019", "{error}");
    let newer = text.replacen("\"format\": 1", "\"format\": 2", 1);
    let error = host.replay(newer.as_bytes()).await.unwrap_err();
    assert!(error.to_string().contains("format 2"), "{error}");
    let unknown = edited(text.as_bytes(), |entries| {
        entries[1] = json!({"seq": 1, "at": entries[1]["at"], "event": {"of-the-future": {}}});
    });
    assert_eq!(host.replay(&unknown).await.unwrap_err().code(), "LS-HST-019");
}

/// A store with the history of a file as a run that did not end.
pub(super) async fn open(file: &[u8]) -> (RunId, Arc<MemoryStore>) {
    let document: Value = serde_json::from_slice(file).unwrap();
    let texts: Vec<String> = serde_json::from_value(document["entries"].clone()).unwrap();
    let run: RunId = document["run"].as_str().unwrap().parse().unwrap();
    let (mut chain, mut records, mut opening) = (Chain::new(), Vec::new(), None);
    for (text, seq) in texts.into_iter().zip(0_u64..) {
        let entry: Value = serde_json::from_str(&text).unwrap();
        if entry["event"].get("run-ended").is_some() {
            break;
        }
        let at = Timestamp::from_unix_us(entry["at"].as_u64().unwrap());
        if let Some(start) = entry["event"].get("run-started") {
            opening = Some(Opening {
                component: start["component"]["digest"].as_str().unwrap().parse().unwrap(),
                reference: start["component"]["reference"].as_str().unwrap().to_owned(),
                function: start["function"].as_str().unwrap().to_owned(),
                started: at,
                lease: None,
            });
        }
        let bytes = bytes::Bytes::from(text.into_bytes());
        let hash = chain.push(&bytes);
        records.push(Record { seq, at, bytes, hash });
    }
    let store = Arc::new(MemoryStore::new());
    let (durability, fence) = (Durability::Synced, Fence::NONE);
    let append = Append {
        run,
        next: 0,
        records,
        durability,
        fence,
        opening,
        ending: None,
        taken: None,
        release: None,
    };
    store.append(append).await.unwrap();
    (run, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_diverges_stops_says_where_and_harms_nothing() {
    let harbour = Harbour::new().await;
    let host = harbour.host(Duration::ZERO, PATIENT);
    let file = recorded(&harbour, &host, "sequence", r#"[["a", "bb"]]"#, &[]).await;
    let lines = harbour.lines();
    let cut = |entries: &mut Vec<Value>| {
        // Up to the end of the third call: the fourth is still to be made.
        let third = |entry: &Value| entry["event"]["call-ended"]["call"] == 3;
        let end = entries.iter().position(third).unwrap();
        entries.truncate(end + 1);
    };
    let other = edited(&file, |entries| {
        cut(entries);
        let third = entries.iter_mut().find(|e| e["event"]["call-started"]["call"] == 3).unwrap();
        third["event"]["call-started"]["function"] = json!("fixtures:ledger/ledger@0.1.0#gone");
    });
    let (run, store) = open(&other).await;
    let heir = harbour.host_over(store.clone(), Duration::ZERO, PATIENT);
    let going = heir.resume(run, Resume::default()).await.unwrap();
    let error = going.finish().await.unwrap_err();
    assert_eq!(error.code(), "LS-RUN-020", "{error}");
    let Error::Diverged { divergence, .. } = &error else { panic!("{error:?}") };
    assert_eq!(divergence.step, 3);
    assert!(divergence.history.contains("#gone") && divergence.asked.contains("#enter"));
    let row = heir.journal().summary(run).await.unwrap().unwrap();
    assert_eq!(row.state, RunState::Diverged);
    assert_eq!(harbour.lines(), lines, "nothing was done");
    assert!(heir.resume_due(10).await.unwrap().is_empty(), "nobody takes it unasked");
    // The code that fits goes on from there.
    let good = edited(&file, cut);
    let (run, store) = open(&good).await;
    let heir = harbour.host_over(store, Duration::ZERO, PATIENT);
    let report = heir.resume(run, Resume::default()).await.unwrap().finish().await.unwrap();
    assert_eq!(report.outcome, Outcome::Ok(longshore::model::Json::parse("6").unwrap()));
    assert_eq!(harbour.lines(), lines, "all effects had ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_marker_lets_runs_of_before_go_the_old_way() {
    let harbour = Harbour::new().await;
    let host = harbour.host(Duration::ZERO, PATIENT);
    // The new way, recorded and repeated.
    let file = recorded(&harbour, &host, "versioned", "[1]", &["null"]).await;
    assert!(host.replay(&file).await.unwrap().1.is_good());
    assert_eq!(harbour.names(), ["new", "old"]);
    // A run from before the change had a name: its history has neither the marker nor the new step.
    let file = recorded(&harbour, &host, "versioned", "[0]", &["null"]).await;
    let before = edited(&file, |entries| {
        entries.retain(|entry| entry["event"]["asked"]["what"].get("version").is_none());
        entries[0]["event"]["run-started"]["input"] = json!([1]);
        entries.truncate(entries.len() - 2);
    });
    let (run, store) = open(&before).await;
    let heir = harbour.host_over(store, Duration::ZERO, PATIENT);
    assert!(heir.rehearse(run, &harbour.target("flow")).await.unwrap().is_good());
    let report = heir.resume(run, Resume::default()).await.unwrap().finish().await.unwrap();
    let Outcome::Ok(value) = &report.outcome else { panic!("{report:?}") };
    assert_eq!(value.as_str(), "\"version 0\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_tells_which_runs_could_move() {
    let harbour = Harbour::new().await;
    let host = harbour.host(Duration::ZERO, Duration::ZERO);
    let running = host.start(harbour.ask("flow", "signals", "[2]")).await.unwrap();
    let run = running.id();
    host.signal(run, "go", "1", None).await.unwrap();
    let began = std::time::Instant::now();
    while harbour.lines().is_empty()
        || host.journal().summary(run).await.unwrap().unwrap().state != RunState::Waiting
    {
        assert!(began.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let entries = host.journal().read(run).await.unwrap().entries().len();
    let verdict = host.rehearse(run, &harbour.target("flow")).await.unwrap();
    assert_eq!(verdict, Verdict::GoesOn);
    assert_eq!(host.journal().read(run).await.unwrap().entries().len(), entries);
    host.signal(run, "go", "2", None).await.unwrap();
    assert!(running.finish().await.unwrap().outcome.is_ok());
}
