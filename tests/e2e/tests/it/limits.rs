//! Every limit of a call is hit, under both ways of allocating, and each leaves a run that says which one it was.

use std::time::{Duration, Instant};

use longshore::Request;
use longshore::engine::Allocation;
use longshore::model::{FaultKind, LimitName};

use crate::artifacts::{ACTION, guest, wat, with_manifest};
use crate::stage::{Stage, allow, ask, both, ceiling};

/// The same test on instances that are mapped for each call and on instances from the pool.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_demand {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Stage::of(super::Allocation::OnDemand)).await;
            })*
        }
        mod pooling {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Stage::of(super::Allocation::Pooling)).await;
            })*
        }
    };
}

on_both! {
    a_busy_loop_ends_at_the_deadline,
    waiting_in_a_host_call_ends_at_the_deadline,
    a_busy_loop_in_a_start_function_ends_at_the_deadline,
    memory_ends_at_its_limit_and_just_below_it_is_fine,
    memory_that_is_declared_is_counted_like_memory_that_grows,
    several_memories_are_counted_together,
    tables_end_at_their_limit,
    instances_end_at_their_limit,
    more_memories_or_tables_than_instances_may_have_are_the_guests_fault,
    the_stack_ends,
    output_ends_at_its_limit,
    standard_streams_end_at_their_limits,
    what_is_handed_to_one_host_call_is_bounded,
    log_lines_end_at_their_limit,
    events_end_at_their_limit,
    handles_end_at_their_limit,
    a_host_goes_on_as_if_nothing_had_been,
}

async fn a_busy_loop_ends_at_the_deadline(stage: Stage) {
    let target = stage.file("hog.wasm", guest("hog"));
    let policy = both(allow(&["clock"]), ceiling(LimitName::DeadlineMs, 300));
    let request = ask(&target, "spin", "").allow(policy);
    stage.host.prepare(&request.target, &request.allow).await.unwrap(); // compiled before the clock runs
    let before = Instant::now();
    let ran = stage.run(&request).await;
    ran.hit(FaultKind::Deadline, LimitName::DeadlineMs);
    assert!(ran.fault().message.contains("deadline of 300 ms"));
    assert!(ran.report.usage.wall_us >= 300_000, "{:?}", ran.report.usage);
    assert!(before.elapsed() < Duration::from_secs(10));
    // The clock hand rests when there is nothing to stop; it must be awake for the next call.
    tokio::time::sleep(Duration::from_millis(400)).await;
    stage.run(&request).await.hit(FaultKind::Deadline, LimitName::DeadlineMs);
}

async fn waiting_in_a_host_call_ends_at_the_deadline(stage: Stage) {
    let target = stage.file("hog.wasm", guest("hog"));
    let policy = both(allow(&["clock"]), ceiling(LimitName::DeadlineMs, 300));
    let request = ask(&target, "sleep", "[60000]").allow(policy);
    stage.host.prepare(&request.target, &request.allow).await.unwrap();
    let before = Instant::now();
    let ran = stage.run(&request).await;
    ran.hit(FaultKind::Deadline, LimitName::DeadlineMs);
    assert!(ran.report.usage.wall_us >= 300_000, "{:?}", ran.report.usage);
    assert!(before.elapsed() < Duration::from_secs(10));
    // And one that ends in time is not stopped.
    let short = ask(&target, "sleep", "[50]").allow(request.allow);
    assert!(stage.run(&short).await.report.outcome.is_ok());
}

async fn a_busy_loop_in_a_start_function_ends_at_the_deadline(stage: Stage) {
    let text = r#"(component
      (core module $m (func $f (loop $l (br $l))) (start $f) (func (export "f")))
      (core instance $i (instantiate $m))
      (func (export "f") (canon lift (core func $i "f"))))"#;
    let request = Request::new(stage.file("start.wasm", wat(text)), "[]")
        .allow(ceiling(LimitName::DeadlineMs, 200));
    stage.run(&request).await.hit(FaultKind::Deadline, LimitName::DeadlineMs);
}

/// `grow: func(pages: u32) -> s32` and `held: func() -> u32` over one page of memory.
const GROW: &str = r#"(component
  (core module $m
    (memory 1)
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "each") (param i32) (result i32)
      (loop $l
        (drop (memory.grow (i32.const 1)))
        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (memory.size)))
  (core instance $i (instantiate $m))
  (func (export "grow") (param "pages" u32) (result s32) (canon lift (core func $i "grow")))
  (func (export "each") (param "pages" u32) (result u32) (canon lift (core func $i "each"))))"#;

const PAGE: u64 = 64 << 10;

async fn memory_ends_at_its_limit_and_just_below_it_is_fine(stage: Stage) {
    let target = stage.file("hog.wasm", guest("hog"));
    let policy = both(allow(&["clock"]), ceiling(LimitName::MemoryBytes, 16 << 20));
    let ran = stage.run(&ask(&target, "allocate", "").allow(policy)).await;
    ran.hit(FaultKind::Memory, LimitName::MemoryBytes);
    let used = ran.report.usage.memory_bytes;
    assert!((12 << 20..=16 << 20).contains(&used), "{used}");
    assert!(!ran.fault().backtrace.is_empty(), "{:?}", ran.fault());

    // To the byte: 16 pages are allowed, one of them is there from the start.
    let target = stage.file("grow.wasm", wat(GROW));
    let sixteen = ceiling(LimitName::MemoryBytes, 16 * PAGE);
    for function in ["grow", "each"] {
        let fine = stage.run(&ask(&target, function, "[15]").allow(sixteen.clone())).await;
        assert_eq!(fine.report.usage.memory_bytes, 16 * PAGE);
        let over = stage.run(&ask(&target, function, "[16]").allow(sixteen.clone())).await;
        over.hit(FaultKind::Memory, LimitName::MemoryBytes);
        assert!(over.report.usage.memory_bytes <= 16 * PAGE);
    }
    // Beyond what 32 bits can address the guest is told -1, as the specification has it.
    let ran = stage.run(&ask(&target, "grow", "[65536]")).await;
    match &ran.report.outcome {
        longshore::model::Outcome::Ok(_) => assert_eq!(ran.value(), -1),
        _ => ran.hit(FaultKind::Memory, LimitName::MemoryBytes),
    }
}

async fn memory_that_is_declared_is_counted_like_memory_that_grows(stage: Stage) {
    let text = r#"(component
      (core module $m (memory 17) (func (export "f")))
      (core instance $i (instantiate $m))
      (func (export "f") (canon lift (core func $i "f"))))"#;
    let target = stage.file("declares.wasm", wat(text));
    let tight = Request::new(target.clone(), "").allow(ceiling(LimitName::MemoryBytes, 16 * PAGE));
    stage.run(&tight).await.hit(FaultKind::Memory, LimitName::MemoryBytes);
    let wide = Request::new(target, "").allow(ceiling(LimitName::MemoryBytes, 17 * PAGE));
    assert_eq!(stage.run(&wide).await.report.usage.memory_bytes, 17 * PAGE);
}

async fn several_memories_are_counted_together(stage: Stage) {
    let text = r#"(component
      (core module $m (memory 5) (func (export "f")))
      (core instance $a (instantiate $m))
      (core instance (instantiate $m))
      (core instance (instantiate $m))
      (core instance (instantiate $m))
      (func (export "f") (canon lift (core func $a "f"))))"#;
    let target = stage.file("four.wasm", wat(text));
    let fine = Request::new(target.clone(), "").allow(ceiling(LimitName::MemoryBytes, 20 * PAGE));
    assert_eq!(stage.run(&fine).await.report.usage.memory_bytes, 20 * PAGE);
    let over = Request::new(target, "").allow(ceiling(LimitName::MemoryBytes, 19 * PAGE));
    stage.run(&over).await.hit(FaultKind::Memory, LimitName::MemoryBytes);
}

async fn tables_end_at_their_limit(stage: Stage) {
    let text = std::fs::read_to_string(
        longshore_test_support::workspace().join("tests/guests/hog/grow-table.wat"),
    );
    let target = stage.file("table.wasm", wat(&text.unwrap()));
    let ran = stage.run(&Request::new(target.clone(), "")).await;
    ran.hit(FaultKind::Resources, LimitName::TableElements);
    let small = Request::new(target, "").allow(ceiling(LimitName::TableElements, 5000));
    stage.run(&small).await.hit(FaultKind::Resources, LimitName::TableElements);

    for elements in ["100001", "4000000000"] {
        let text = format!(
            r#"(component
              (core module $m (table {elements} funcref) (func (export "f")))
              (core instance $i (instantiate $m))
              (func (export "f") (canon lift (core func $i "f"))))"#
        );
        let target = stage.file("declared.wasm", wat(&text));
        over(&stage, &Request::new(target, ""), LimitName::TableElements).await;
    }
}

/// Runs what holds more than `limit` allows. The pool refuses what could never fit into it when it compiles it.
async fn over(stage: &Stage, request: &Request, limit: LimitName) {
    match stage.host.request(request).await {
        Ok(report) => stage.sealed(report).await.hit(FaultKind::Resources, limit),
        Err(error) => {
            assert_eq!(error.code(), "LS-ENG-004");
            assert!(error.to_string().contains("pooling allocator"), "{error}");
        }
    }
}

/// A component of `count` instances of one module.
fn instances(module: &str, count: usize) -> Vec<u8> {
    let more = "(core instance (instantiate $m))\n".repeat(count - 1);
    wat(&format!(
        r#"(component
          (core module $m {module} (func (export "f")))
          (core instance $i (instantiate $m))
          {more}
          (func (export "f") (canon lift (core func $i "f"))))"#
    ))
}

async fn instances_end_at_their_limit(stage: Stage) {
    let fine = stage.file("some.wasm", instances("", 60));
    assert!(stage.run(&Request::new(fine.clone(), "")).await.report.outcome.is_ok());
    let few = Request::new(fine, "").allow(ceiling(LimitName::Instances, 10));
    stage.run(&few).await.hit(FaultKind::Resources, LimitName::Instances);
    for count in [65, 1000] {
        let bomb = stage.file("bomb.wasm", instances("", count));
        over(&stage, &Request::new(bomb, ""), LimitName::Instances).await;
    }
}

async fn more_memories_or_tables_than_instances_may_have_are_the_guests_fault(stage: Stage) {
    for (module, count) in [("(memory 0)", 64), ("(table 0 funcref)", 64)] {
        let target = stage.file("many.wasm", instances(module, count));
        assert!(stage.run(&Request::new(target, "")).await.report.outcome.is_ok(), "{module}");
    }
    let tables = "(table 0 funcref)".repeat(65);
    let target = stage.file("tables.wasm", instances(&tables, 4));
    over(&stage, &Request::new(target, ""), LimitName::Instances).await;
    let target = stage.file("memories.wasm", instances("(memory 0)", 65));
    over(&stage, &Request::new(target, ""), LimitName::Instances).await;
}

async fn the_stack_ends(stage: Stage) {
    let text = r#"(component
      (core module $m
        (func $deeper (export "f") (param i64 i64 i64 i64) (result i64)
          (i64.add (local.get 0)
            (call $deeper (local.get 1) (local.get 2) (local.get 3) (local.get 0)))))
      (core instance $i (instantiate $m))
      (func (export "f") (param "a" u64) (param "b" u64) (param "c" u64) (param "d" u64)
        (result u64) (canon lift (core func $i "f"))))"#;
    let ran = stage.run(&Request::new(stage.file("deep.wasm", wat(text)), "[1,2,3,4]")).await;
    assert_eq!(ran.fault().kind, FaultKind::Stack, "{:?}", ran.fault());
    assert_eq!(ran.fault().kind.code(), "LS-RUN-005");
    assert!(ran.fault().message.contains("call stack"));
    let frames = &ran.fault().backtrace;
    assert!(frames.len() <= 64 && frames.iter().any(|f| f.contains("deeper")), "{frames:?}");

    // LLVM keeps a stack of its own in linear memory; when that ends first, it is a trap.
    let target = stage.file("hog.wasm", guest("hog"));
    let ran = stage.run(&ask(&target, "recurse", "").allow(allow(&["clock"]))).await;
    assert!([FaultKind::Stack, FaultKind::Trap].contains(&ran.fault().kind), "{:?}", ran.fault());
    assert!(ran.fault().backtrace.iter().any(|f| f.contains("hog::deeper")));
}

async fn output_ends_at_its_limit(stage: Stage) {
    let target = stage.file("hog.wasm", guest("hog"));
    let policy = both(allow(&["clock"]), ceiling(LimitName::OutputBytes, 10_000));
    for (function, over, fine) in [("long", 10_000, 9_000), ("many", 5_000, 1_000)] {
        let ran =
            stage.run(&ask(&target, function, format!("[{over}]")).allow(policy.clone())).await;
        ran.hit(FaultKind::OutputSize, LimitName::OutputBytes);
        let ran =
            stage.run(&ask(&target, function, format!("[{fine}]")).allow(policy.clone())).await;
        assert!(ran.report.outcome.is_ok(), "{:?}", ran.report.outcome);
    }
    // Large values are stopped at the boundary, before they are anything in the host's memory.
    let policy = both(allow(&["clock"]), ceiling(LimitName::HostCallBytes, 1 << 20));
    let ran = stage.run(&ask(&target, "many", "[4000000]").allow(policy)).await;
    assert_eq!(ran.fault().kind, FaultKind::OutputSize, "{:?}", ran.fault());
}

async fn standard_streams_end_at_their_limits(stage: Stage) {
    let target = stage.file("hog.wasm", guest("hog"));
    for (function, name) in
        [("print", LimitName::StdoutBytes), ("print-error", LimitName::StderrBytes)]
    {
        let policy = both(allow(&["clock"]), ceiling(name, 10_000));
        let exact = stage.run(&ask(&target, function, "[10000]").allow(policy.clone())).await;
        assert!(exact.report.outcome.is_ok(), "{:?}", exact.report.outcome);
        let over = stage.run(&ask(&target, function, "[10001]").allow(policy)).await;
        over.hit(FaultKind::StreamSize, name);
        // What it wrote up to there is kept, and no more.
        let usage = over.report.usage;
        assert_eq!(usage.stdout_bytes + usage.stderr_bytes, 10_000);
    }
}

const INFO: &str = r#"
[capabilities.clock]
reason = "imported"
optional = true
[capabilities.random]
reason = "imported"
optional = true
[[capabilities.http]]
scope = "http://*"
reason = "imported"
optional = true
"#;

async fn what_is_handed_to_one_host_call_is_bounded(stage: Stage) {
    let bytes = with_manifest(&guest("host-info"), &format!("{ACTION}{INFO}"));
    let target = stage.file("info.wasm", bytes);
    let message = "x".repeat(100_000);
    let request = ask(&target, "say", format!("[\"{message}\"]"));
    assert!(stage.run(&request).await.report.outcome.is_ok());
    let tight = request.allow(ceiling(LimitName::HostCallBytes, 50_000));
    let ran = stage.run(&tight).await;
    ran.hit(FaultKind::OutputSize, LimitName::HostCallBytes);
}

async fn log_lines_end_at_their_limit(stage: Stage) {
    let bytes = with_manifest(&guest("host-info"), &format!("{ACTION}{INFO}"));
    let target = stage.file("info.wasm", bytes);
    let fine = ask(&target, "say", "[\"hello\"]").allow(ceiling(LimitName::LogLines, 5));
    let ran = stage.run(&fine).await;
    assert_eq!(ran.report.usage.log_lines, 5, "{:?}", ran.names());
    let tight = ask(&target, "say", "[\"hello\"]").allow(ceiling(LimitName::LogLines, 2));
    let ran = stage.run(&tight).await;
    ran.hit(FaultKind::Budget, LimitName::LogLines);
    assert_eq!(ran.names().iter().filter(|name| **name == "logged").count(), 2);
    let short = ask(&target, "say", "[\"hello\"]").allow(ceiling(LimitName::LogBytes, 3));
    stage.run(&short).await.hit(FaultKind::Budget, LimitName::LogBytes);
}

async fn events_end_at_their_limit(stage: Stage) {
    let bytes = with_manifest(&guest("host-info"), &format!("{ACTION}{INFO}"));
    let target = stage.file("info.wasm", bytes);
    let tight = ask(&target, "say", "[\"hello\"]").allow(ceiling(LimitName::Events, 4));
    let ran = stage.run(&tight).await;
    ran.hit(FaultKind::Budget, LimitName::Events);
}

/// `hold: func()`: opens spans and never drops one.
const HOLD: &str = r#"(component
  (import "longshore:action/spans@0.1.0" (instance $spans
    (export "span" (type $span (sub resource)))
    (export "[constructor]span" (func (param "name" string) (result (own $span))))))
  (core module $memory (memory (export "memory") 1))
  (core instance $memory (instantiate $memory))
  (core func $open (canon lower (func $spans "[constructor]span") (memory (core memory $memory "memory"))))
  (core module $m
    (import "host" "open" (func $open (param i32 i32) (result i32)))
    (func (export "hold") (loop $l (drop (call $open (i32.const 0) (i32.const 1))) (br $l))))
  (core instance $m (instantiate $m
    (with "host" (instance (export "open" (func $open))))))
  (func (export "hold") (canon lift (core func $m "hold"))))"#;

async fn handles_end_at_their_limit(stage: Stage) {
    let target = stage.file("hold.wasm", wat(HOLD));
    let request = Request::new(target, "").allow(ceiling(LimitName::Handles, 50));
    let ran = stage.run(&request).await;
    ran.hit(FaultKind::Resources, LimitName::Handles);
}

async fn a_host_goes_on_as_if_nothing_had_been(stage: Stage) {
    let target = stage.file("hog.wasm", guest("hog"));
    let policy = both(
        both(allow(&["clock"]), ceiling(LimitName::DeadlineMs, 200)),
        ceiling(LimitName::MemoryBytes, 8 << 20),
    );
    for _ in 0..3 {
        for function in ["spin", "allocate", "recurse", "trap"] {
            let ran = stage.run(&ask(&target, function, "").allow(policy.clone())).await;
            assert_eq!(ran.report.outcome.word(), "fault", "{function}");
        }
        let fine = stage.run(&ask(&target, "many", "[3]").allow(allow(&["clock"]))).await;
        assert_eq!(fine.value(), serde_json::json!([0, 1, 2]));
    }
}
