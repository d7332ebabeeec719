//! The host dies at every entry of the journal, and another goes on: the same result, and no step again whose end was kept.

use std::collections::BTreeMap;
use std::time::Duration;

use longshore::journal::{Error as JournalError, History, RunState};
use longshore::model::{CallId, Event, Outcome, RunId};
use longshore::{Error, Longshore, Resume, Running};

use super::harbour::{Harbour, Mortal};

const PATIENT: Duration = Duration::from_secs(600);
/// Longer than a lease.
const LATER: Duration = Duration::from_secs(60);

/// What is run, and the signals that it is sent.
struct Case {
    workflow: &'static str,
    function: &'static str,
    input: &'static str,
    signals: &'static [&'static str],
    patience: Duration,
    /// What of the result is the same whatever the time at which things come.
    steady: fn(&serde_json::Value) -> serde_json::Value,
}

impl Case {
    const fn of(function: &'static str, input: &'static str) -> Self {
        let (workflow, signals, patience) = ("flow", &[] as &[_], PATIENT);
        Self { workflow, function, input, signals, patience, steady: Clone::clone }
    }

    async fn send(&self, host: &Longshore, run: RunId) {
        for payload in self.signals {
            // One that has died already, or ended, takes no more.
            let _ = host.signal(run, "go", payload, None).await;
        }
    }

    async fn finish(&self, running: Running) -> serde_json::Value {
        let report = running.finish().await.unwrap_or_else(|e| panic!("{}: {e:#?}", self.function));
        match &report.outcome {
            Outcome::Ok(json) => (self.steady)(&json.read().unwrap()),
            other => panic!("{}: {other:#?}", self.function),
        }
    }
}

/// How many lines the ledger has for each call of the run whose end is in its history.
fn kept(history: &History, harbour: &Harbour) -> BTreeMap<String, usize> {
    let mut steps = BTreeMap::<CallId, (String, u32)>::new();
    let mut asked = BTreeMap::<CallId, u32>::new();
    let mut ended = Vec::new();
    for entry in history.entries() {
        match &entry.event {
            Event::CallStarted(call) if call.parent.is_none() => {
                steps.insert(call.call, (call.call.to_string(), 0));
            }
            Event::CallStarted(call) => {
                let parent = call.parent.unwrap();
                if !steps.contains_key(&call.call) {
                    let step = asked.entry(parent).or_default();
                    *step += 1;
                    let path = format!("{}.{step}", steps[&parent].0);
                    steps.insert(call.call, (path, *step));
                }
            }
            Event::Asked(request)
                if !matches!(request.what, longshore::model::Ask::Version { .. }) =>
            {
                *asked.entry(request.call).or_default() += 1;
            }
            Event::CallEnded(call) => ended.push(call.call),
            _ => {}
        }
    }
    let lines = harbour.entered();
    let count = |call: &CallId| {
        let key = format!("{}/{}", history.run(), steps[call].0);
        let lines = lines.get(&key).map_or(0, Vec::len);
        (key, lines)
    };
    ended.iter().map(count).collect()
}

async fn at_every_entry(case: Case) {
    let harbour = Harbour::new().await;
    let calm = harbour.host(Duration::ZERO, case.patience);
    let request = harbour.ask(case.workflow, case.function, case.input);
    let running = calm.start(request.clone()).await.unwrap();
    let first = running.id();
    case.send(&calm, first).await;
    let expected = case.finish(running).await;
    let entries = calm.journal().read(first).await.unwrap().entries().len();
    let lines = harbour.lines().len();
    for place in 1..i64::try_from(entries).unwrap() {
        let before = harbour.lines().len();
        let mortal = Mortal::new(&harbour.store, place);
        let doomed = harbour.host_over(mortal, Duration::ZERO, case.patience);
        let Ok(running) = doomed.start(request.clone()).await else { continue };
        let run = running.id();
        case.send(&calm, run).await;
        let told = running.finish();
        tokio::select! {
            died = told => if died.is_ok() {
                // It left memory less often than the calm one, and so has fewer entries.
                let history = calm.journal().read(run).await.unwrap();
                let count = i64::try_from(history.entries().len()).unwrap();
                assert!(count <= place, "{} lived past {place}: {count}", case.function);
                continue;
            },
            // A host that died while its workflow waited.
            () = tokio::time::sleep(Duration::from_secs(20)) => {}
        }
        drop(doomed);
        let history = calm.journal().read(run).await.unwrap();
        let counted = kept(&history, &harbour);
        // A second death on the way, every other time.
        if place % 2 == 0 {
            let mortal = Mortal::new(&harbour.store, 3);
            let doomed = harbour.host_over(mortal, LATER, case.patience);
            if let Ok(going) = doomed.resume(run, Resume::default()).await {
                let _ = tokio::time::timeout(Duration::from_secs(3), going.finish()).await;
            }
        }
        let heir = harbour.host(LATER * 2, case.patience);
        let value = match heir.resume(run, Resume::default()).await {
            Ok(going) => case.finish(going).await,
            // The one before lived just long enough.
            Err(Error::Journal(JournalError::RunClosed(_))) => {
                let history = heir.journal().read(run).await.unwrap();
                match &history.end().unwrap().outcome {
                    Outcome::Ok(json) => (case.steady)(&json.read().unwrap()),
                    other => panic!("{} at {place}: {other:#?}", case.function),
                }
            }
            Err(error) => panic!("{} at {place}: {error:#?}", case.function),
        };
        assert_eq!(value, expected, "{} at {place}", case.function);
        let history = heir.journal().read(run).await.unwrap();
        assert_eq!(history.summary().state, RunState::Ok);
        let entered = harbour.entered();
        for (key, count) in counted {
            let now = entered.get(&key).map_or(0, Vec::len);
            assert_eq!(now, count, "`{key}` had ended, and ran again ({})", case.function);
        }
        // Every effect of the calm run happened: at least once, under keys of this run.
        let of_run = |key: &&String| key.starts_with(&run.to_string());
        let keys = entered.keys().filter(of_run).count();
        assert!(keys > 0 || lines == 0 || case.workflow == "parent", "{}", case.function);
        assert!(harbour.lines().len() - before >= lines.min(1), "{}", case.function);
        // The journal is whole, and the receipt is sealed.
        assert!(heir.journal().receipt(run).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_in_sequence() {
    at_every_entry(Case::of("sequence", r#"[["a", "bb", "ccc"]]"#)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_at_once() {
    let sorted = |value: &serde_json::Value| {
        let mut came: Vec<_> = value.as_array().unwrap().iter().map(ToString::to_string).collect();
        came.sort();
        came.into()
    };
    let case = Case::of("fan-out", r#"[["a", "bb", "ccc"]]"#);
    at_every_entry(Case { steady: sorted, ..case }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_tried_again() {
    // An attempt that the host did not survive counts as one: how many there were is not the point.
    let word = |value: &serde_json::Value| value.as_str().unwrap()[..2].into();
    let case = Case::of("retried", r#"["x", 2, 9]"#);
    at_every_entry(Case { steady: word, ..case }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_in_memory_and_out_of_it() {
    let long = |value: &serde_json::Value| (value.as_u64().unwrap() >= 30).into();
    for patience in [PATIENT, Duration::ZERO] {
        at_every_entry(Case { steady: long, patience, ..Case::of("nap", "[30]") }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_that_were_acknowledged() {
    let first = |value: &serde_json::Value| value[0].clone();
    for patience in [PATIENT, Duration::ZERO] {
        let case = Case::of("signals", "[2]");
        at_every_entry(Case { signals: &["1", "2"], patience, steady: first, ..case }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_together() {
    let steady = |value: &serde_json::Value| {
        let mut told = value.as_array().unwrap().clone();
        // What came first, and how many attempts there were, is each run's own.
        told.remove(2);
        told.remove(1);
        told.into()
    };
    let case = Case::of("mixture", "[3]");
    at_every_entry(Case { signals: &["\"on\""], steady, ..case }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_and_its_child() {
    let case = Case::of("parent", r#"{"names": ["a", "bb"], "detached": false}"#);
    at_every_entry(Case { workflow: "parent", ..case }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_numbers_are_the_same_after_a_crash() {
    let harbour = Harbour::new().await;
    let calm = harbour.host(Duration::ZERO, PATIENT);
    // The workflow has asked for its first number, and dies in the effect after it. It goes on once in a copy of the store and
    // once in the store: both know the same numbers.
    let doomed = harbour.host_over(Mortal::new(&harbour.store, 2), Duration::ZERO, PATIENT);
    let running = doomed.start(harbour.ask("flow", "random", "")).await.unwrap();
    let run = running.id();
    assert!(running.finish().await.is_err());
    let twin = harbour.copy().await;
    let mut told = Vec::new();
    for store in [twin, harbour.store.clone()] {
        let heir = harbour.host_over(store, LATER, PATIENT);
        let report = heir.resume(run, Resume::default()).await.unwrap().finish().await.unwrap();
        let Outcome::Ok(value) = report.outcome else { panic!("{report:?}") };
        told.push(value.as_str().to_owned());
    }
    assert_eq!(told[0], told[1]);
    assert!(told[0].contains(&run.to_string()));
    drop(calm);
}
