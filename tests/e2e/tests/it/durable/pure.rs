//! Effects cost what effects cost: what can be computed again waits for no disk, is computed again after a crash, and is
//! compared; what has effects waits once a step.

use std::time::Duration;

use longshore::journal::{Error as JournalError, RunState, Seen};
use longshore::model::{Event, FaultKind, LimitName, Outcome};
use longshore::{Error, Longshore, Report, Resume, Verdict};
use serde_json::{Value, json};

use super::harbour::{Harbour, Mortal};
use super::histories::{edited, open};
use super::platter::Platter;
use crate::artifacts::{ACTION, wat, with_manifest};
use crate::stage::{Stage, ask, both, ceiling};

const NOW: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(600);
/// Longer than a lease.
const LATER: Duration = Duration::from_secs(60);

fn value(report: &Report) -> Value {
    match &report.outcome {
        Outcome::Ok(json) => json.read().unwrap(),
        other => panic!("it did not return: {other:#?}"),
    }
}

/// How many syncs the request costs, its end included.
async fn syncs(harbour: &Harbour, name: &str, function: &str, input: &str) -> usize {
    let platter = Platter::new();
    let host = harbour.host_over(platter.clone(), NOW, LONG);
    value(&host.request(&harbour.ask(name, function, input)).await.unwrap());
    platter.syncs()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_with_effects_waits_for_the_disk_once_and_one_without_never() {
    let harbour = Harbour::new().await;
    // Each name is entered and doubled, both by an action that may write: two steps, and the end of the run.
    let names = |n: usize| json!([vec!["x"; n]]).to_string();
    for n in [1, 5, 20] {
        assert_eq!(syncs(&harbour, "flow", "sequence", &names(n)).await, 2 * n + 1);
    }
    // Steps that can be computed again cost none; each effect between them costs one, and the end of the run.
    assert_eq!(syncs(&harbour, "tally", "mixed", "[200, 0]").await, 1);
    assert_eq!(syncs(&harbour, "tally", "mixed", "[200, 50]").await, 4 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_power_cut_takes_is_computed_again() {
    let harbour = Harbour::new().await;
    let platter = Platter::new();
    let doomed = harbour.host_over(platter.clone(), NOW, LONG);
    // Eight doublings, an effect after the fifth, and a wait: the effect's intent is the last that is on a disk.
    let mut running = doomed.start(harbour.ask("tally", "halting", "[8, 5]")).await.unwrap();
    let run = running.id();
    loop {
        match running.events().next().await {
            Some(Seen::Entry(entry)) if matches!(entry.event, Event::Asked(_)) => break,
            Some(_) => {}
            None => panic!("it ended"),
        }
    }
    let left = platter.after_a_power_cut(run).await;
    drop((running, doomed));
    let heir = harbour.host_over(left, LATER, LONG);
    let kept = heir.journal().read(run).await.unwrap();
    assert_eq!(kept.entries().len(), 2 + 5 * 2 + 1);
    assert_eq!(harbour.names(), ["sum 20"]);
    let going = heir.resume(run, Resume::default()).await.unwrap();
    heir.signal(run, "go", "null", None).await.unwrap();
    let report = going.finish().await.unwrap();
    assert_eq!(value(&report), 56);
    // The effect's end was lost: it was made again under its key, as the second attempt.
    let entered = harbour.entered();
    let attempts: Vec<_> = entered.values().flatten().map(|(attempt, _)| *attempt).collect();
    assert_eq!((entered.len(), attempts), (1, vec![1, 2]));
    let history = heir.journal().read(run).await.unwrap();
    assert_eq!(history.entries()[..13], *kept.entries());
    let ends = |event: &Event| matches!(event, Event::CallEnded(_));
    let ended = history.entries().iter().filter(|entry| ends(&entry.event)).count();
    assert_eq!(ended, 8 + 1 + 1, "what was compared is not in the journal twice");
    assert!(heir.journal().receipt(run).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_dies_at_every_entry_and_what_it_computed_is_compared() {
    let harbour = Harbour::new().await;
    let calm = harbour.host(NOW, LONG);
    let request = harbour.ask("tally", "mixed", "[6, 3]");
    let report = calm.request(&request).await.unwrap();
    let entries = calm.journal().read(report.run).await.unwrap().entries().len();
    for place in 1..i64::try_from(entries).unwrap() {
        let doomed = harbour.host_over(Mortal::new(&harbour.store, place), NOW, LONG);
        let Ok(running) = doomed.start(request.clone()).await else { continue };
        let run = running.id();
        assert!(running.finish().await.is_err(), "at {place}");
        drop(doomed);
        let heir = harbour.host(LATER, LONG);
        let again = match heir.resume(run, Resume::default()).await {
            Ok(going) => going.finish().await.unwrap_or_else(|e| panic!("at {place}: {e:#?}")),
            Err(Error::Journal(JournalError::RunClosed(_))) => continue,
            Err(error) => panic!("at {place}: {error:#?}"),
        };
        assert_eq!(value(&again), value(&report), "at {place}");
        let history = heir.journal().read(run).await.unwrap();
        let logged = |event: &Event| matches!(event, Event::Logged(_) | Event::Output(_));
        assert!(!history.entries().iter().any(|entry| logged(&entry.event)), "at {place}");
        assert!(heir.journal().receipt(run).await.unwrap().is_some());
    }
}

/// A run of `kept` that waits for its signal, with another result of its `which`-th doubling, in a file.
async fn forged(harbour: &Harbour, host: &Longshore, which: usize) -> Vec<u8> {
    let running = host.start(harbour.ask("tally", "kept", "[3]")).await.unwrap();
    let run = running.id();
    host.signal(run, "go", "null", None).await.unwrap();
    assert!(running.finish().await.unwrap().outcome.is_ok());
    let file = host.export(run).await.unwrap();
    edited(&file, |entries| {
        let call = |entry: &Value| entry["event"]["call-ended"]["call"].as_u64();
        let results = entries.iter_mut().filter(|entry| call(entry).is_some_and(|c| c > 0));
        let mut results: Vec<_> = results.collect();
        results.sort_by_key(|entry| call(entry));
        results[which]["event"]["call-ended"]["outcome"] = json!({ "ok": 7 });
        // Up to the signal, which is still to come.
        let asked = |entry: &Value| entry["event"]["asked"]["what"].get("signal").is_some();
        let end = entries.iter().position(asked).unwrap();
        let came = |entry: &Value| entry["event"].get("signalled").is_some();
        entries.truncate(end + 1);
        entries.retain(|entry| !came(entry));
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_does_not_come_again_stops_the_run_and_names_the_step() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, LONG);
    // The first request is a call that was started, the second one that was made.
    for (which, step) in [(0, 1), (1, 2)] {
        let file = forged(&harbour, &host, which).await;
        let (_, verdict) = host.replay(&file).await.unwrap();
        let Verdict::Diverges(divergence) = &verdict else { panic!("{verdict:?}") };
        assert_eq!((divergence.step, divergence.recomputed), (step, true), "{divergence}");
        let (run, store) = open(&file).await;
        let heir = harbour.host_over(store, NOW, LONG);
        let going = heir.resume(run, Resume::default()).await.unwrap();
        let error = going.finish().await.unwrap_err();
        assert_eq!(error.code(), "LS-RUN-021", "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("at step {step} of call 0")), "{text}");
        assert!(text.contains("computing it again gives `ok` with sha256:"), "{text}");
        let row = heir.journal().summary(run).await.unwrap().unwrap();
        assert_eq!(row.state, RunState::Diverged);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fuel_bounds_what_can_be_computed_again_by_the_same_number_each_time() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, LONG);
    let few = |request: longshore::Request, fuel| {
        let policy = both(request.allow.clone(), ceiling(LimitName::Fuel, fuel));
        request.allow(policy)
    };
    // Its own deadline does not stop a step that never ends: its fuel does, and the workflow goes on.
    let request = few(harbour.ask("tally", "risk", r#"["spin"]"#), 20_000_000);
    let told = value(&host.request(&request).await.unwrap());
    let told = told.as_str().unwrap();
    assert!(told.starts_with("Class::Fatal LS-RUN-011: "), "{told}");
    assert!(told.contains("`fuel` of 20000000"), "{told}");
    let mut burnt = Vec::new();
    for _ in 0..2 {
        let report = host.request(&harbour.ask("tally", "mixed", "[10, 0]")).await.unwrap();
        let history = host.journal().read(report.run).await.unwrap();
        let steps = history.entries().iter().filter_map(|entry| match &entry.event {
            Event::CallEnded(ended) => Some(ended.usage.fuel),
            _ => None,
        });
        burnt.push((report.usage.fuel, steps.collect::<Vec<_>>()));
    }
    assert_eq!(burnt[0], burnt[1]);
    assert!(burnt[0].0 > 0 && burnt[0].1.iter().all(|fuel| *fuel > 0), "{burnt:?}");
}

#[tokio::test]
async fn a_call_that_runs_out_of_fuel_says_so_and_its_receipt_too() {
    let stage = Stage::new();
    let text = r#"(component
      (core module $m
        (func (export "f") (param i32)
          (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))
      (core instance $i (instantiate $m))
      (func (export "f") (param "n" u32) (canon lift (core func $i "f"))))"#;
    let limits = "[limits]\nfuel = 100000\n";
    let bytes = with_manifest(&wat(text), &format!("{ACTION}{limits}"));
    let target = stage.file("loop.wasm", bytes);
    let short = stage.run(&ask(&target, "f", "[1000]")).await;
    assert!(short.report.outcome.is_ok());
    let fuel = short.report.usage.fuel;
    assert!((1_000..20_000).contains(&fuel), "{fuel}");
    assert_eq!(short.statement.predicate.usage.fuel, fuel);
    let long = stage.run(&ask(&target, "f", "[1000000]")).await;
    long.hit(FaultKind::Budget, LimitName::Fuel);
    assert!(long.fault().message.contains("`fuel` of 100000 instructions"));
    assert_eq!(long.report.usage.fuel, 100_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn started_calls_take_turns_and_children_have_so_many_generations() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, LONG);
    // Twelve calls that take 5 ms, 10 ms and so on: 390 ms one after the other, where at once they take 60 ms.
    let request = harbour.ask("flow", "fan-out", &json!([vec!["x"; 12]]).to_string());
    let one = both(request.allow.clone(), ceiling(LimitName::StartedCalls, 1));
    let report = host.request(&request.allow(one)).await.unwrap();
    assert_eq!(value(&report).as_array().unwrap().len(), 12);
    let entries = host.journal().read(report.run).await.unwrap().into_entries();
    let took = entries[entries.len() - 1].at.unix_us() - entries[0].at.unix_us();
    assert!(took >= 390_000, "{took} us");
    let request = harbour.ask("parent", "parent", r#"{"names": ["x"], "detached": false}"#);
    let none = both(request.allow.clone(), ceiling(LimitName::ChildrenDepth, 0));
    let told = value(&host.request(&request.allow(none)).await.unwrap());
    assert!(told.as_str().unwrap().starts_with("LS-RUN-011: "), "{told}");
    assert!(told.as_str().unwrap().contains("`children-depth` of 0"), "{told}");
}
