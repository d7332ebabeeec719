//! Runs that go on as new ones: with what was sent to them, chained, and whatever moment their host dies in.

use std::time::Duration;

use longshore::journal::{Chain, History, RunFilter, RunState};
use longshore::model::{Event, Outcome, RunId};
use longshore::{Error, Longshore, Report, Resume, Verdict};
use serde_json::{Value, json};

use super::harbour::{Harbour, Mortal};

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

/// The runs from `first` to the one that it is now, each with its history: all but the last have ended as continued, each begins
/// with the hash of the one before, and all are sealed.
async fn line(host: &Longshore, first: RunId) -> Vec<History> {
    let mut found = Vec::new();
    let (mut next, mut before) = (Some(first), None::<History>);
    while let Some(run) = next {
        let history = host.journal().read(run).await.unwrap();
        if let Some(before) = &before {
            let said = history.start().continues.as_deref().unwrap();
            assert_eq!((said.run, said.first), (before.run(), first));
            assert_eq!(said.number as usize, found.len());
            let mut chain = Chain::new();
            let records = host.journal().all_records(before.run()).await.unwrap();
            for record in &records[..usize::try_from(said.entries).unwrap()] {
                chain.push(&record.bytes);
            }
            assert_eq!(chain.head(), said.head, "number {}", said.number);
        }
        next = history.continued().map(|next| next.run);
        let state = history.summary().state;
        assert_eq!(next.is_some(), state == RunState::Continued, "{state}");
        assert!(host.journal().receipt(run).await.unwrap().is_some());
        before = Some(history.clone());
        found.push(history);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_as_new_ones_and_whoever_waits_for_the_first_gets_the_last_result() {
    let harbour = Harbour::new().await;
    for patience in [AT_ONCE, LONG] {
        let host = harbour.host(NOW, patience);
        let running = host.start(harbour.ask("tally", "rounds", "[3, 0]")).await.unwrap();
        let first = running.id();
        let report = running.finish().await.unwrap();
        assert_eq!(value(&report), json!([12, 3]));
        let runs = line(&host, first).await;
        assert_eq!((runs.len(), runs[3].run()), (4, report.run));
        let inputs: Vec<Value> = runs.iter().map(|run| run.start().input.read().unwrap()).collect();
        assert_eq!(
            inputs[1..],
            [
                json!({"left": 2, "sum": 6}),
                json!({"left": 1, "sum": 10}),
                json!({"left": 0, "sum": 12})
            ]
        );
        let lengths: Vec<_> = runs.iter().map(|run| run.entries().len()).collect();
        assert!(lengths.iter().all(|length| *length < 15), "no history grows: {lengths:?}");
        let filter = RunFilter { state: Some(RunState::Continued), ..RunFilter::default() };
        let listed = host.journal().runs(&filter).await.unwrap();
        assert!(listed.iter().any(|row| row.run == first));
        // Each can be repeated by itself, as far as it went.
        let file = host.export(first).await.unwrap();
        assert_eq!(host.replay(&file).await.unwrap().1, Verdict::GoesOn);
    }
    assert_eq!(harbour.names(), ["round 3", "round 2", "round 1", "round 0"].repeat(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_go_along_each_once_in_their_order_and_reach_the_last_by_the_name_of_the_first() {
    let harbour = Harbour::new().await;
    for patience in [AT_ONCE, LONG] {
        let host = harbour.host(NOW, patience);
        let running = host.start(harbour.ask("tally", "relay", "[5, []]")).await.unwrap();
        let first = running.id();
        for n in 0..5 {
            host.signal(first, "go", &n.to_string(), Some([n; 16])).await.unwrap();
            if n > 2 {
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
        }
        let report = running.finish().await.unwrap();
        assert_eq!(value(&report), json!(["0", "1", "2", "3", "4"]));
        assert_eq!(line(&host, first).await.len(), 5);
        // The whole line has ended now.
        let error = host.signal(first, "go", "6", None).await.unwrap_err();
        assert_eq!(error.code(), "LS-JRN-009", "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_told_and_the_wish_to_end_comes_first() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, LONG);
    let running = host.start(harbour.ask("tally", "refused", "[false]")).await.unwrap();
    let first = running.id();
    let told = value(&running.finish().await.unwrap());
    assert_eq!(told, format!("1 after {first}"));
    let running = host.start(harbour.ask("tally", "stubborn", r#"[""]"#)).await.unwrap();
    let first = running.id();
    host.cancel(first, "enough").await.unwrap();
    let began = std::time::Instant::now();
    while host.journal().summary(first).await.unwrap().unwrap().state != RunState::Continued {
        assert!(began.elapsed() < LATER);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    host.cancel(first, "really").await.unwrap();
    let told = value(&running.finish().await.unwrap());
    assert_eq!(told, "interrupted, then true");
    // Repeated, it is told at the same place.
    let file = host.export(first).await.unwrap();
    assert_eq!(host.replay(&file).await.unwrap().1, Verdict::GoesOn);
}

/// How many lines the ledger has under keys of these runs.
fn effects(harbour: &Harbour, runs: &[History]) -> Vec<usize> {
    let entered = harbour.entered();
    let of = |run: &History| {
        let id = run.run().to_string();
        entered.iter().filter(|(key, _)| key.starts_with(&id)).map(|(_, lines)| lines.len()).sum()
    };
    runs.iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_dies_at_every_entry_of_the_line() {
    let harbour = Harbour::new().await;
    let calm = harbour.host(NOW, LONG);
    let request = harbour.ask("tally", "relay", "[3, []]");
    let send = async |host: &Longshore, run: RunId| {
        for n in 0..3_u8 {
            // A host that has died already lost nothing that it acknowledged.
            let _ = host.signal(run, "go", &n.to_string(), Some([n; 16])).await;
        }
    };
    let running = calm.start(request.clone()).await.unwrap();
    let first = running.id();
    send(&calm, first).await;
    assert_eq!(value(&running.finish().await.unwrap()), json!(["0", "1", "2"]));
    let runs = line(&calm, first).await;
    let entries: usize = runs.iter().map(|run| run.entries().len()).sum();
    let mut deaths = 0;
    for place in 1..i64::try_from(entries).unwrap() {
        let doomed = harbour.host_over(Mortal::new(&harbour.store, place), NOW, LONG);
        let Ok(running) = doomed.start(request.clone()).await else { continue };
        let run = running.id();
        send(&calm, run).await;
        tokio::select! {
            died = running.finish() => deaths += i64::from(died.is_err()),
            () = tokio::time::sleep(Duration::from_secs(20)) => {}
        }
        drop(doomed);
        let heir = harbour.host(LATER, LONG);
        let last = finish(&heir, run, place % 2 == 0).await;
        assert_eq!(last, json!(["0", "1", "2"]), "at {place}");
        assert_eq!(line(&heir, run).await.len(), 3, "at {place}");
    }
    assert!(deaths * 3 > i64::try_from(entries).unwrap(), "{deaths} deaths in {entries} entries");
}

/// Goes on with a line: by the name of its first run, or with whatever there is to do, old and new at once.
async fn finish(heir: &Longshore, first: RunId, by_name: bool) -> Value {
    if by_name {
        match heir.resume(first, Resume::default()).await {
            Ok(going) => drop(going.finish().await.unwrap_or_else(|e| panic!("{e:#?}"))),
            Err(Error::Journal(longshore::journal::Error::RunClosed(_))) => {}
            Err(error) => panic!("{error:#?}"),
        }
    } else {
        let going = heir.resume_due(100).await.unwrap();
        for (run, running) in going {
            let running = running.unwrap_or_else(|e| panic!("{run}: {e:#?}"));
            running.finish().await.unwrap_or_else(|e| panic!("{run}: {e:#?}"));
        }
    }
    let runs = line(heir, first).await;
    match &runs.last().unwrap().end().unwrap().outcome {
        Outcome::Ok(json) => json.read().unwrap(),
        other => panic!("{other:#?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_effect_of_the_line_is_made_again_after_its_end_was_kept() {
    let harbour = Harbour::new().await;
    let calm = harbour.host(NOW, LONG);
    let request = harbour.ask("tally", "rounds", "[2, 0]");
    let report = calm.start(request.clone()).await.unwrap();
    let first = report.id();
    assert_eq!(value(&report.finish().await.unwrap()), json!([6, 2]));
    let entries: usize = line(&calm, first).await.iter().map(|run| run.entries().len()).sum();
    for place in 1..i64::try_from(entries).unwrap() {
        let doomed = harbour.host_over(Mortal::new(&harbour.store, place), NOW, LONG);
        let Ok(running) = doomed.start(request.clone()).await else { continue };
        let run = running.id();
        let _ = running.finish().await;
        drop(doomed);
        let heir = harbour.host(LATER, LONG);
        assert_eq!(finish(&heir, run, place % 2 == 0).await, json!([6, 2]), "at {place}");
        let runs = line(&heir, run).await;
        let made = effects(&harbour, &runs);
        // The one under way when the host died may have been made twice.
        assert!(made.iter().all(|count| (1..=2).contains(count)), "at {place}: {made:?}");
        assert!(made.iter().filter(|count| **count > 1).count() <= 1, "at {place}: {made:?}");
        let resumed = |event: &Event| matches!(event, Event::RunResumed(_));
        let again = runs.iter().flat_map(History::entries).filter(|e| resumed(&e.event)).count();
        assert!(again <= 2, "at {place}: {again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_goes_on_as_new_runs_gives_its_parent_the_last_result_whoever_dies() {
    let harbour = Harbour::new().await;
    let calm = harbour.host(NOW, LONG);
    let request = harbour.ask("mother", "mother", "[2]");
    let report = calm.request(&request).await.unwrap();
    assert_eq!(value(&report), "[6,2]");
    let child = |history: &History| {
        history.entries().iter().find_map(|entry| match &entry.event {
            Event::Asked(asked) => match &asked.what {
                longshore::model::Ask::Child(child) => Some(child.run),
                _ => None,
            },
            _ => None,
        })
    };
    let parent = calm.journal().read(report.run).await.unwrap();
    let runs = line(&calm, child(&parent).unwrap()).await;
    assert_eq!(runs.len(), 3);
    assert!(runs.iter().all(|run| run.start().parent.as_ref().unwrap().run == report.run));
    let entries =
        parent.entries().len() + runs.iter().map(|run| run.entries().len()).sum::<usize>();
    for place in (1..i64::try_from(entries).unwrap()).step_by(2) {
        let doomed = harbour.host_over(Mortal::new(&harbour.store, place), NOW, LONG);
        let Ok(running) = doomed.start(request.clone()).await else { continue };
        let run = running.id();
        tokio::select! {
            _ = running.finish() => {}
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
        drop(doomed);
        let heir = harbour.host(LATER, LONG);
        match heir.resume(run, Resume::default()).await {
            Ok(going) => {
                let report = going.finish().await.unwrap_or_else(|e| panic!("{place}: {e:#?}"));
                assert_eq!(value(&report), "[6,2]", "at {place}");
            }
            Err(Error::Journal(longshore::journal::Error::RunClosed(_))) => {}
            Err(error) => panic!("at {place}: {error:#?}"),
        }
        let parent = heir.journal().read(run).await.unwrap();
        assert_eq!(line(&heir, child(&parent).unwrap()).await.len(), 3, "at {place}");
    }
}
