//! Workflows of the component model's async: what came of their calls is given to them in the order of the journal, now and in
//! every repetition.

use std::time::Duration;

use longshore::journal::{Error as JournalError, History, RunState};
use longshore::model::{Event, Outcome, RunId};
use longshore::{Error, Longshore, Report, Request, Resume, Verdict};
use serde_json::{Value, json};

use super::harbour::{Harbour, Mortal};
use crate::stage::ask;

const NOW: Duration = Duration::ZERO;
const AT_ONCE: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(600);
/// Longer than a lease.
const LATER: Duration = Duration::from_secs(60);

fn value(report: &Report) -> Value {
    match &report.outcome {
        Outcome::Ok(json) => json.read().unwrap(),
        other => panic!("it did not return: {other:#?}"),
    }
}

fn request(harbour: &Harbour, function: &str, input: &str) -> Request {
    ask(&harbour.target("chorus"), function, input)
}

/// What the calls of the workflow gave, in the order in which the journal has it.
fn ends(history: &History) -> Vec<Value> {
    let ended = history.entries().iter().filter_map(|entry| match &entry.event {
        Event::CallEnded(ended) if ended.call > 0 => match &ended.outcome {
            Outcome::Ok(json) => Some(json.read().unwrap()),
            _ => None,
        },
        _ => None,
    });
    ended.collect()
}

async fn read(host: &Longshore, run: RunId) -> History {
    host.journal().read(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_joined_comes_in_the_order_of_the_journal_and_again_in_every_repetition() {
    let harbour = Harbour::new().await.with_chorus().await;
    let host = harbour.host(NOW, LONG);
    let mut orders = std::collections::BTreeSet::new();
    for times in ["[[0, 0, 0, 0, 0, 0]]", "[[40, 30, 20, 10, 5, 0]]", "[[0, 50, 1, 40, 2, 30]]"] {
        for _ in 0..4 {
            let report = host.request(&request(&harbour, "together", times)).await.unwrap();
            let came = value(&report);
            let history = read(&host, report.run).await;
            assert_eq!(came.as_array().unwrap(), &ends(&history), "{times}");
            orders.insert(came.to_string());
            let file = host.export(report.run).await.unwrap();
            let (_, verdict) = host.replay(&file).await.unwrap();
            assert!(matches!(verdict, Verdict::Ends { same: true, .. }), "{verdict:?}");
        }
    }
    assert!(orders.len() > 1, "they came in one order only, which says little: {orders:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_is_let_go_of_and_the_winner_wins_again() {
    let harbour = Harbour::new().await.with_chorus().await;
    let host = harbour.host(NOW, LONG);
    let report = host.request(&request(&harbour, "races", "[6, 3, 3]")).await.unwrap();
    let won = value(&report);
    let history = read(&host, report.run).await;
    let started = |event: &Event| matches!(event, Event::CallStarted(call) if call.call > 0);
    let calls = history.entries().iter().filter(|entry| started(&entry.event)).count();
    assert_eq!((won.as_array().unwrap().len(), calls), (6, 12));
    let file = host.export(report.run).await.unwrap();
    let (_, verdict) = host.replay(&file).await.unwrap();
    assert!(matches!(verdict, Verdict::Ends { same: true, .. }), "{verdict:?} {won}");
    // One that never comes is stopped, and does not hold up the end.
    let report = host.request(&request(&harbour, "races", "[1, 0, 2000000000]")).await.unwrap();
    assert_eq!(value(&report), json!(["left 0"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_dies_at_every_entry_and_what_was_seen_is_seen_again() {
    let harbour = Harbour::new().await.with_chorus().await;
    for patience in [LONG, AT_ONCE] {
        let calm = harbour.host(NOW, patience);
        let asked = request(&harbour, "waiting", "[[9, 4, 0, 2]]");
        let running = calm.start(asked.clone()).await.unwrap();
        let run = running.id();
        calm.signal(run, "go", "7", None).await.unwrap();
        let report = running.finish().await.unwrap();
        let entries = read(&calm, report.run).await.entries().len();
        for place in 1..i64::try_from(entries).unwrap() {
            let doomed = harbour.host_over(Mortal::new(&harbour.store, place), NOW, patience);
            let Ok(running) = doomed.start(asked.clone()).await else { continue };
            let run = running.id();
            let _ = calm.signal(run, "go", "7", None).await;
            tokio::select! {
                _ = running.finish() => {}
                () = tokio::time::sleep(Duration::from_secs(20)) => {}
            }
            drop(doomed);
            let before = ends(&read(&calm, run).await);
            let heir = harbour.host(LATER, patience);
            match heir.resume(run, Resume::default()).await {
                Ok(going) => {
                    drop(going.finish().await.unwrap_or_else(|e| panic!("{place}: {e:#?}")))
                }
                Err(Error::Journal(JournalError::RunClosed(_))) => {}
                Err(error) => panic!("at {place}: {error:#?}"),
            }
            let history = read(&heir, run).await;
            assert_eq!(history.summary().state, RunState::Ok);
            let Outcome::Ok(told) = &history.end().unwrap().outcome else { panic!("at {place}") };
            let told: (Vec<Value>, Value) = told.read().unwrap();
            assert_eq!(told.0, ends(&history), "at {place}");
            assert_eq!(told.0[..before.len()], before, "at {place}: what had come, came first");
            assert_eq!(told.1, "7");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_asked_to_end_stops_its_calls_and_ends() {
    let harbour = Harbour::new().await.with_chorus().await;
    let host = harbour.host(NOW, LONG);
    let running =
        host.start(request(&harbour, "races", "[1, 2000000000, 2000000000]")).await.unwrap();
    let run = running.id();
    tokio::time::sleep(Duration::from_millis(100)).await;
    host.cancel(run, "enough").await.unwrap();
    let report = running.finish().await.unwrap();
    // Its function has no word for a failure: the fault of the call is its own.
    let Outcome::Fault(fault) = &report.outcome else { panic!("{report:?}") };
    assert_eq!(fault.kind, longshore::model::FaultKind::Cancelled, "{fault:?}");
    assert!(host.journal().receipt(run).await.unwrap().is_some());
}
