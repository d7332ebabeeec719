//! Many runs at once, and components of the component model's async kind.

use std::sync::Arc;

use longshore::Request;
use longshore::engine::Allocation;
use longshore::journal::Seen;
use longshore::model::{FaultKind, LimitName};

use crate::artifacts::{guest, wat};
use crate::stage::{Stage, allow, ask, both, ceiling};

#[tokio::test(flavor = "multi_thread")]
async fn async_operations_run_and_end_at_their_deadline() {
    for allocation in [Allocation::OnDemand, Allocation::Pooling] {
        let stage = Stage::of(allocation);
        let target = stage.file("async.wasm", guest("async-guest"));
        let ran = stage.run(&ask(&target, "later", r#"{"value": 7, "times": 3}"#)).await;
        assert_eq!(ran.value(), 7);
        let ran = stage.run(&ask(&target, "both", r#"["left ", "right"]"#)).await;
        assert_eq!(ran.value(), "left right");
        let endless = ask(&target, "later", "[1, 4294967295]");
        let ran = stage.run(&endless.allow(ceiling(LimitName::DeadlineMs, 300))).await;
        ran.hit(FaultKind::Deadline, LimitName::DeadlineMs);
        let compiled = stage.host.compile(&target).await.unwrap();
        assert!(compiled.needs_concurrency());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_for_async_components_too() {
    for allocation in [Allocation::OnDemand, Allocation::Pooling] {
        let stage = Stage::of(allocation);
        // An async-lifted function that loops, traps or grows.
        let lifted = |body: &str| {
            wat(&format!(
                r#"(component
                  (core func $return (canon task.return))
                  (core module $m
                    (import "" "return" (func $return))
                    (memory 1)
                    (func $culprit (export "f") (result i32)
                      {body} (call $return) (i32.const 0))
                    (func (export "back") (param i32 i32 i32) (result i32) (i32.const 0)))
                  (core instance $i (instantiate $m
                    (with "" (instance (export "return" (func $return))))))
                  (func (export "f") async (canon lift
                    (core func $i "f") async (callback (core func $i "back")))))"#
            ))
        };
        let fine = stage.file("fine.wasm", lifted(""));
        assert!(stage.run(&Request::new(fine, "")).await.report.outcome.is_ok());
        let spin = Request::new(stage.file("spin.wasm", lifted("(loop $l (br $l))")), "")
            .allow(ceiling(LimitName::DeadlineMs, 300));
        stage.run(&spin).await.hit(FaultKind::Deadline, LimitName::DeadlineMs);
        let trap = Request::new(stage.file("trap.wasm", lifted("(unreachable)")), "");
        let ran = stage.run(&trap).await;
        assert_eq!(ran.fault().kind, FaultKind::Trap);
        assert!(ran.fault().backtrace[0].contains("culprit"), "{:?}", ran.fault().backtrace);
        let grow = lifted("(loop $l (drop (memory.grow (i32.const 16))) (br $l))");
        let grow = Request::new(stage.file("grow.wasm", grow), "");
        stage.run(&grow).await.hit(FaultKind::Memory, LimitName::MemoryBytes);
        let never = wat(r#"(component
          (core module $m
            (func (export "f") (result i32) (i32.const 0))
            (func (export "back") (param i32 i32 i32) (result i32) (i32.const 0)))
          (core instance $i (instantiate $m))
          (func (export "f") async (canon lift
            (core func $i "f") async (callback (core func $i "back")))))"#);
        let ran = stage.run(&Request::new(stage.file("never.wasm", never), "")).await;
        assert_eq!(ran.fault().kind, FaultKind::Trap, "it never returns: {:?}", ran.fault());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runs_side_by_side_do_not_touch_each_other() {
    for allocation in [Allocation::OnDemand, Allocation::Pooling] {
        let stage = Arc::new(Stage::of(allocation));
        let target = stage.file("hog.wasm", guest("hog"));
        let policy = both(
            both(allow(&["clock"]), ceiling(LimitName::DeadlineMs, 2000)),
            ceiling(LimitName::MemoryBytes, 8 << 20),
        );
        let functions = ["many", "trap", "allocate", "recurse", "print"];
        let mut running = Vec::new();
        for n in 0..40 {
            let function = functions[n % functions.len()];
            let input = if ["many", "print"].contains(&function) { "[3]" } else { "[]" };
            let request = ask(&target, function, input).allow(policy.clone());
            let stage = Arc::clone(&stage);
            running.push(tokio::spawn(async move {
                let report = stage.host.request(&request).await.unwrap();
                (function, stage.sealed_busy(report).await)
            }));
        }
        for one in running {
            let (function, ran) = one.await.unwrap();
            match function {
                "many" => assert_eq!(ran.value(), serde_json::json!([0, 1, 2])),
                "print" => assert_eq!(ran.report.usage.stdout_bytes, 3),
                "allocate" => ran.hit(FaultKind::Memory, LimitName::MemoryBytes),
                _ => assert_eq!(ran.report.outcome.word(), "fault"),
            }
        }
        // Forty runs, one chain of receipts without a gap.
        let chain = stage.host.journal().receipts(0, 100).await.unwrap();
        assert_eq!(chain.len(), 40);
        for pair in chain.windows(2) {
            assert_eq!(pair[1].previous, Some(pair[0].receipt.digest));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_makes_many_calls_in_one_run_with_one_receipt() {
    let stage = Stage::new();
    let target = stage.file("echo.wasm", guest("echo"));
    let prepared = stage.host.prepare(&target, &Default::default()).await.unwrap();
    let session = stage.host.session(&prepared).await.unwrap();
    let function = session.function(Some("to-u32")).unwrap();
    let calls = (0..20).map(|n| {
        let (session, function) = (&session, &function);
        async move { session.call(function, &format!("[{n}]")).await.unwrap() }
    });
    let outcomes = futures_util::future::join_all(calls).await;
    assert!(outcomes.iter().all(longshore::model::Outcome::is_ok));
    let last = outcomes.last().unwrap().clone();
    let ran = stage.sealed(session.close(last).await.unwrap()).await;
    assert_eq!(ran.statement.predicate.counts.calls, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_dropped_halfway_is_interrupted_and_holds_nothing_up() {
    let stage = Stage::new();
    let target = stage.file("hog.wasm", guest("hog"));
    let request = ask(&target, "spin", "").allow(allow(&["clock"]));
    stage.host.prepare(&request.target, &request.allow).await.unwrap();
    let cut =
        tokio::time::timeout(std::time::Duration::from_millis(300), stage.host.request(&request));
    assert!(cut.await.is_err());
    let runs = stage.host.journal().runs(&Default::default()).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].state, longshore::journal::RunState::Interrupted);
    stage.host.journal().read(runs[0].run).await.unwrap();
    let fine = ask(&target, "many", "[1]").allow(allow(&["clock"]));
    assert!(stage.run(&fine).await.report.outcome.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_ends_at_once_and_is_sealed_as_cancelled() {
    let stage = Stage::new();
    let target = stage.file("hog.wasm", guest("hog"));
    for function in ["spin", "sleep"] {
        let input = if function == "sleep" { "[60000]" } else { "" };
        let request = ask(&target, function, input).allow(allow(&["clock"]));
        let mut running = stage.host.start(request).await.unwrap();
        loop {
            let Some(Seen::Entry(entry)) = running.events().next().await else { panic!() };
            if entry.event.name() == "call-started" {
                break;
            }
        }
        running.cancel().cancel();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(10), running.finish());
        let ran = stage.sealed(ended.await.expect("it ends").unwrap()).await;
        assert_eq!(ran.fault().kind, FaultKind::Cancelled);
        assert_eq!(ran.fault().kind.code(), "LS-RUN-012");
    }
}
