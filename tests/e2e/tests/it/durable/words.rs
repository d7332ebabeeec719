//! Each word of the workflow world, as a person outside sees it work.

use std::time::{Duration, Instant};

use longshore::journal::RunState;
use longshore::model::{Answer, Clock, Event, FaultKind, LimitName, Outcome, RunId, Timestamp};
use longshore::{Approve, Error, Longshore, Report, Request, Resume, Running, SystemClock};

use super::harbour::Harbour;
use crate::artifacts::{guest, wat, with_manifest};
use crate::stage::{Stage, allow, ask, both, ceiling};

const NOW: Duration = Duration::ZERO;
/// So short that every wait leaves memory.
const AT_ONCE: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(600);

fn value(report: &Report) -> serde_json::Value {
    match &report.outcome {
        Outcome::Ok(json) => json.read().unwrap(),
        other => panic!("it did not return: {other:#?}"),
    }
}

async fn done(host: &Longshore, request: &Request) -> serde_json::Value {
    value(&host.request(request).await.unwrap_or_else(|e| panic!("{e:#?}")))
}

/// Waits until the run stands in `state`.
async fn until(host: &Longshore, run: RunId, state: RunState) {
    let began = Instant::now();
    while host.journal().summary(run).await.unwrap().unwrap().state != state {
        assert!(began.elapsed() < Duration::from_secs(60), "it never was {state}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn finish(running: Running) -> Report {
    running.finish().await.unwrap_or_else(|e| panic!("{e:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn started_calls_run_at_once_and_come_in_the_order_in_which_they_end() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, LONG);
    let request = harbour.ask("flow", "fan-out", r#"[["a", "bb", "ccc", "dddd"]]"#);
    let came = done(&host, &request).await;
    let came: Vec<_> = came.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    let mut sorted = came.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["a ok 1", "bb ok 2", "ccc ok 3", "dddd ok 4"]);
    let ledger: Vec<_> = harbour.names();
    assert_eq!(ledger.len(), 4);
    let keys: Vec<_> = harbour.entered().into_keys().collect();
    assert_eq!(keys.len(), 4, "each step has a key of its own: {keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sleeping_run_leaves_memory_and_comes_back_when_its_time_has_come() {
    let harbour = Harbour::new().await;
    for (patience, function) in
        [(AT_ONCE, "nap"), (AT_ONCE, "std-nap"), (LONG, "nap"), (LONG, "std-nap")]
    {
        let host = harbour.host(NOW, patience);
        let before = harbour.lines().len();
        let report = host.request(&harbour.ask("flow", function, "[300]")).await.unwrap();
        let passed = value(&report).as_u64().unwrap();
        assert!((300..20_000).contains(&passed), "{function} took {passed} ms");
        assert_eq!(harbour.lines().len() - before, 2, "no step ran twice");
        let history = host.journal().read(report.run).await.unwrap();
        let back = history.entries().iter().any(|e| matches!(e.event, Event::RunResumed(_)));
        assert_eq!(back, patience == AT_ONCE, "{function}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_come_early_late_and_through_another_host() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, AT_ONCE);
    let running = host.start(harbour.ask("flow", "signals", "[3]")).await.unwrap();
    let run = running.id();
    let id = Some([9; 16]);
    host.signal(run, "go", r#"{"n": 1}"#, id).await.unwrap();
    host.signal(run, "go", r#"{"n": 1}"#, id).await.unwrap();
    host.signal(run, "other", "true", None).await.unwrap();
    until(&host, run, RunState::Waiting).await;
    let other = harbour.host(NOW, AT_ONCE);
    other.signal(run, "go", "2", None).await.unwrap();
    other.signal(run, "go", "[3]", None).await.unwrap();
    let report = finish(running).await;
    assert_eq!(value(&report), serde_json::json!([r#"{"n": 1}"#, "2", "[3]"]));
    assert_eq!(harbour.names(), ["signal 0", "signal 1", "signal 2"]);
    let error = other.signal(run, "go", "4", None).await.unwrap_err();
    assert_eq!(error.code(), "LS-JRN-009", "{error}");
    let error = other.signal(run, "go", "{", None).await.unwrap_err();
    assert_eq!(error.code(), "LS-HST-014", "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_a_signal_and_a_timer_decides() {
    let harbour = Harbour::new().await;
    for patience in [AT_ONCE, LONG] {
        let host = harbour.host(NOW, patience);
        let told = done(&host, &harbour.ask("flow", "signal-or-timer", "[50]")).await;
        assert_eq!(told, "timer");
        let running = host.start(harbour.ask("flow", "signal-or-timer", "[60000]")).await.unwrap();
        host.signal(running.id(), "go", "7", None).await.unwrap();
        assert_eq!(value(&finish(running).await), "signal 7");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_given_by_who_may_and_in_time() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, AT_ONCE);
    let running = host.start(harbour.ask("flow", "approval", r#"[["ada"], null]"#)).await.unwrap();
    let run = running.id();
    until(&host, run, RunState::Waiting).await;
    let open = host.approvals(run).await.unwrap();
    assert_eq!(open[0].approval.question, "Shall it go on?");
    let say = |choice: &str, by: &str| Approve {
        choice: choice.to_owned(),
        by: by.to_owned(),
        comment: "as agreed".to_owned(),
        which: None,
    };
    let error = host.approve(run, say("perhaps", "ada")).await.unwrap_err();
    assert_eq!(error.code(), "LS-HST-016");
    let error = host.approve(run, say("yes", "bob")).await.unwrap_err();
    assert_eq!(error.code(), "LS-HST-017");
    host.approve(run, say("yes", "ada")).await.unwrap();
    assert_eq!(value(&finish(running).await), "yes by ada: as agreed");
    let error = host.approve(run, say("yes", "ada")).await.unwrap_err();
    assert_eq!(error.code(), "LS-HST-015");
    // Silence counts after the deadline, and an answer does not.
    let running = host.start(harbour.ask("flow", "approval", "[[], 300]")).await.unwrap();
    let run = running.id();
    until(&host, run, RunState::Waiting).await;
    let late = harbour.host(Duration::from_secs(5), AT_ONCE);
    let error = late.approve(run, say("yes", "ada")).await.unwrap_err();
    assert!(matches!(error, Error::TooLate { .. }), "{error}");
    assert_eq!(value(&finish(running).await), "no by nobody: ");
    assert_eq!(harbour.names(), ["asked", "yes", "asked", "no"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_step_is_tried_again_under_the_same_key_as_its_policy_says() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, LONG);
    let report = host.request(&harbour.ask("flow", "retried", r#"["x", 2, 4]"#)).await.unwrap();
    assert_eq!(value(&report), "ok 3");
    let entered = harbour.entered();
    assert_eq!(entered.len(), 1, "one key for all attempts");
    let attempts: Vec<_> = entered.values().next().unwrap().iter().map(|(n, _)| *n).collect();
    assert_eq!(attempts, [1, 2, 3]);
    let history = host.journal().read(report.run).await.unwrap();
    let failed = history.entries().iter().filter(|e| e.event.name() == "attempt-failed").count();
    assert_eq!(failed, 2);
    let told = done(&host, &harbour.ask("flow", "retried", r#"["y", 9, 3]"#)).await;
    assert_eq!(told, "busy: attempt 3");
    let began = Instant::now();
    let told = done(&host, &harbour.ask("flow", "timed-out", "[200]")).await;
    assert_eq!(told, "Class::Retryable LS-RUN-002");
    assert!(began.elapsed() < Duration::from_secs(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_asked_to_end_stops_its_actions_and_clears_up() {
    let harbour = Harbour::new().await;
    for patience in [AT_ONCE, LONG] {
        let host = harbour.host(NOW, patience);
        let before = harbour.names().len();
        let running = host.start(harbour.ask("flow", "until-cancelled", "")).await.unwrap();
        while harbour.names().len() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        host.cancel(running.id(), "enough").await.unwrap();
        host.cancel(running.id(), "really").await.unwrap();
        let report = finish(running).await;
        let told = value(&report);
        let told = told.as_str().unwrap();
        assert!(told.starts_with("Err(\"cancelled\") | cancelled: "), "{told}");
        assert!(told.ends_with("| ok 6 | true"), "{told}");
        assert_eq!(harbour.names()[before..], ["booked", "undone"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_is_a_run_of_its_own_that_does_not_outlive_its_parent() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, LONG);
    for detached in ["false", "true"] {
        let input = format!(r#"{{"names": ["a", "bb"], "detached": {detached}}}"#);
        let request = harbour.ask("parent", "parent", &input);
        let report = host.request(&request).await.unwrap();
        assert_eq!(value(&report), "child 6");
        let history = host.journal().read(report.run).await.unwrap();
        let child = history.entries().iter().find_map(|entry| match &entry.event {
            Event::Asked(asked) => match &asked.what {
                longshore::model::Ask::Child(child) => Some(child.run),
                _ => None,
            },
            _ => None,
        });
        let child = host.journal().read(child.unwrap()).await.unwrap();
        assert_eq!(child.start().parent.as_ref().unwrap().run, report.run);
        assert!(host.journal().receipt(child.run()).await.unwrap().is_some());
    }
    let report = host.request(&harbour.ask("parent", "abandon", "")).await.unwrap();
    let child: RunId = value(&report).as_str().unwrap().parse().unwrap();
    until(&host, child, RunState::Ok).await;
    let child = host.journal().read(child).await.unwrap();
    assert!(child.entries().iter().any(|e| matches!(e.event, Event::CancelRequested(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn randomness_and_identifiers_are_the_journals() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, LONG);
    let request = harbour.ask("flow", "random", "");
    let first = done(&host, &request).await;
    let second = done(&host, &request).await;
    let numbers = |told: &serde_json::Value| (told[0].clone(), told[1].clone());
    assert_ne!(first[0], first[1]);
    assert_ne!(numbers(&first), numbers(&second), "each run has its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_never_yields_ends_at_its_deadline_and_one_that_waits_does_not() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, LONG);
    let short = |request: Request| {
        let more = both(request.allow.clone(), ceiling(LimitName::DeadlineMs, 1_000));
        request.allow(more)
    };
    let report = host.request(&short(harbour.ask("flow", "spin", ""))).await.unwrap();
    let Outcome::Fault(fault) = &report.outcome else { panic!("{report:?}") };
    assert_eq!((fault.kind, fault.limit), (FaultKind::Deadline, Some(LimitName::DeadlineMs)));
    let passed = done(&host, &short(harbour.ask("flow", "nap", "[1500]"))).await;
    assert!(passed.as_u64().unwrap() >= 1_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_workflow_must_leave_to_its_actions_is_refused_before_it_runs() {
    let stage = Stage::new();
    let workflow = |extra: &str| {
        format!("[package]\nname = \"w\"\nversion = \"1.0.0\"\nkind = \"workflow\"\n{extra}")
    };
    let http = "[[capabilities.http]]\nscope = \"https://example.com\"\nreason = \"r\"\n";
    let all = "[capabilities.clock]\nreason = \"r\"\n[capabilities.random]\nreason = \"r\"\n";
    let toml = workflow(&format!("{all}{http}"));
    let target = stage.file("w.wasm", with_manifest(&guest("host-info"), &toml));
    let flags = allow(&["clock", "random", "http=https://example.com"]);
    let error = stage.rejected(&ask(&target, "now-ms", "").allow(flags)).await;
    assert_eq!(error.code(), "LS-ENG-020", "{error}");
    let text = error.to_string();
    for import in ["wasi:filesystem/", "wasi:http/"] {
        assert!(text.contains(import), "{text}");
    }
    assert!(error.hint().unwrap().contains("action"), "{:?}", error.hint());
    // An environment variable is refused too, though every Rust guest imports the interface.
    let env = "[[capabilities.env]]\nname = \"HOME\"\nreason = \"r\"\n";
    let target = stage.file("e.wasm", with_manifest(&guest("steps"), &workflow(env)));
    let request = ask(&target, "double", "[2]").allow(allow(&["env=HOME"]));
    assert_eq!(stage.rejected(&request).await.code(), "LS-ENG-020");
    let target = stage.file("a.wasm", with_manifest(&guest("files-async"), &workflow("")));
    let error = stage.host.request(&longshore::Request::new(target, "[]")).await.unwrap_err();
    assert_eq!(error.code(), "LS-ENG-021", "{error}");
}

/// The system's clock until it is set back by an hour.
#[derive(Default)]
struct SetBack(std::sync::atomic::AtomicBool);

impl Clock for SetBack {
    fn now(&self) -> Timestamp {
        let back = if self.0.load(std::sync::atomic::Ordering::SeqCst) { 3_600_000_000 } else { 0 };
        Timestamp::from_unix_us(SystemClock.now().unix_us() - back)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_backwards_loses_nothing_and_makes_no_wait_longer() {
    let harbour = Harbour::new().await;
    for patience in [AT_ONCE, LONG] {
        let clock = std::sync::Arc::new(SetBack::default());
        let store = harbour.store.clone();
        let host = harbour.host_with(store, clock.clone(), patience);
        let running = host.start(harbour.ask("flow", "nap", "[400]")).await.unwrap();
        let run = running.id();
        // It sleeps when the clock goes back.
        tokio::time::sleep(Duration::from_millis(150)).await;
        clock.0.store(true, std::sync::atomic::Ordering::SeqCst);
        let began = Instant::now();
        let passed = value(&finish(running).await).as_u64().unwrap();
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
        assert!((400..60_000).contains(&passed), "{passed}");
        let history = host.journal().read(run).await.unwrap();
        assert!(history.entries().is_sorted_by_key(|entry| entry.at));
    }
}

/// Adds two signalling NaNs, or whatever the machine makes of dividing nothing by nothing, and gives the bits.
const NAN: &str = r#"(component
  (core module $m
    (func (export "f") (param i64) (result i64)
      (i64.reinterpret_f64 (f64.add (f64.reinterpret_i64 (local.get 0)) (f64.const 1)))))
  (core instance $i (instantiate $m))
  (func $f (param "n" u64) (result u64) (canon lift (core func $i "f")))
  (export "f" (func $f)))"#;

#[tokio::test]
async fn not_a_number_is_always_the_same_bits_in_workflows_and_in_what_asks_for_nothing() {
    let stage = Stage::new();
    for kind in ["workflow", "action"] {
        let toml = format!("[package]\nname = \"n\"\nversion = \"1.0.0\"\nkind = \"{kind}\"\n");
        let target = stage.file("n.wasm", with_manifest(&wat(NAN), &toml));
        // A quiet NaN with a payload, negative.
        let ran = stage.run(&ask(&target, "f", "[18444492273895866499]")).await;
        assert_eq!(ran.value().as_u64(), Some(0x7ff8_0000_0000_0000), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_only_with_its_own_component_and_grant() {
    let harbour = Harbour::new().await;
    let host = harbour.host(NOW, AT_ONCE);
    let running = host.start(harbour.ask("flow", "signals", "[1]")).await.unwrap();
    let run = running.id();
    until(&host, run, RunState::Waiting).await;
    let error = host.resume(run, Resume::default()).await.unwrap_err();
    assert_eq!(error.code(), "LS-HST-010", "{error}");
    let other = harbour.host(NOW, AT_ONCE);
    let target = Some(harbour.target("parent"));
    let error = other.resume(run, Resume { target, ..Resume::default() }).await.unwrap_err();
    assert_eq!(error.code(), "LS-HST-011", "{error}");
    // What was allowed by flags is in the record; a flag that gives more is a change.
    let more = allow(&["fixtures:ledger/ledger@0.1.0::clock"]);
    let gone = Resume { allow: more, ..Resume::default() };
    let going = other.resume(run, gone).await.unwrap();
    host.signal(run, "go", "1", None).await.unwrap();
    assert_eq!(value(&finish(going).await), serde_json::json!(["1"]));
    // The host that lost it watches it end.
    assert_eq!(value(&finish(running).await), serde_json::json!(["1"]));
    assert_eq!(harbour.names(), ["signal 0"]);
    let _ = Answer::Fired;
}
