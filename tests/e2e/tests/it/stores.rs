//! What the host keeps for its guests: buckets of keys and values by grant and within quotas, log lines, a budget of money.

use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore::Target;
use longshore::model::{CapabilityKind, Effect, Event, FaultKind, LimitName};
use longshore::policy::Policy;
use longshore::ports::KeyValue;
use longshore_stores::{Address, Authorities, PostgresKeyValue, RedisKeyValue};
use serde_json::{Value, json};

use crate::artifacts::{ACTION, guest, with_manifest};
use crate::stage::{Ran, Stage, allow, ask, both, ceiling};

const ASKS: &str = r#"
[[capabilities.keyvalue]]
name = "notes"
access = "rw"
reason = "to keep notes"
[[capabilities.keyvalue]]
name = "shared"
reason = "to read what others keep"
optional = true
[[capabilities.keyvalue]]
name = "other"
reason = "to show what is not granted"
optional = true
[limits]
spend-micros = 500
"#;

fn stores(stage: &Stage) -> Target {
    stage.file("stores.wasm", with_manifest(&guest("stores"), &format!("{ACTION}{ASKS}")))
}

async fn on(stage: &Stage, bucket: &str, commands: Value, policy: Policy) -> Ran {
    let input = json!([bucket, commands]).to_string();
    stage.run(&ask(&stores(stage), "on", input).allow(policy)).await
}

fn granted() -> Policy {
    allow(&["keyvalue=notes:rw", "keyvalue=shared:ro"])
}

#[tokio::test]
async fn a_bucket_keeps_what_is_set_from_run_to_run_and_writes_are_journaled() {
    let stage = Stage::new();
    let commands = json!([["set", "a", "1"], ["get", "a"], ["exists", "b"], ["get", "b"]]);
    let ran = on(&stage, "notes", commands, granted()).await;
    assert_eq!(ran.value(), json!(["", "1", "false", "none"]));
    let effects: Vec<_> = ran
        .events()
        .filter_map(|event| match event {
            Event::EffectStarted(started) => Some(started.what.clone()),
            _ => None,
        })
        .collect();
    let (bucket, write, key) = ("notes".to_owned(), "set".to_owned(), "a".to_owned());
    assert_eq!(effects, [Effect::Keyvalue { bucket, write, key, keys: 1 }], "reads are none");
    let commands = json!([["get", "a"], ["delete", "a"], ["get", "a"], ["delete", "a"]]);
    let ran = on(&stage, "notes", commands, granted()).await;
    assert_eq!(ran.value(), json!(["1", "", "none", ""]));
}

#[tokio::test]
async fn counting_swapping_and_batches() {
    let stage = Stage::new();
    let commands = json!([
        ["count", "n", "5"],
        ["count", "n", "-7"],
        ["get", "n"],
        ["swap", "s", "new"],
        ["get", "s"],
        ["lost-swap", "s", "late"],
        ["get", "s"],
        ["set-many", "x", "1", "y", "2"],
        ["get-many", "x", "z", "y"],
        ["delete-many", "x", "z"],
        ["get-many", "x", "y"],
        ["keys"]
    ]);
    let ran = on(&stage, "notes", commands, granted()).await;
    assert_eq!(
        ran.value(),
        json!([
            "5",
            "-2",
            "-2",
            "swapped",
            "new",
            "failed: meanwhile",
            "meanwhile",
            "",
            "1,none,2",
            "",
            "none,2",
            "3"
        ])
    );
    let ran = on(&stage, "notes", json!([["count", "s", "1"]]), granted()).await;
    assert!(ran.failure().as_str().unwrap().contains("not a number"), "{:?}", ran.failure());
}

#[tokio::test]
async fn keys_come_in_pages_and_each_once() {
    let stage = Stage::new();
    let mut many = vec!["set-many".to_owned()];
    for n in 0..2500 {
        many.extend([format!("key-{n}"), "v".to_owned()]);
    }
    let ran = on(&stage, "notes", json!([many, ["keys"]]), granted()).await;
    assert_eq!(ran.value()[1], "2500");
}

#[tokio::test]
async fn a_bucket_is_used_as_it_is_granted_and_no_other_is() {
    let stage = Stage::new();
    let denied = |ran: &Ran| {
        let found = ran.events().find_map(|event| match event {
            Event::Denied(denied) => Some(denied.clone()),
            _ => None,
        });
        found.unwrap()
    };
    assert_eq!(
        on(&stage, "shared", json!([["get", "a"]]), granted()).await.value(),
        json!(["none"])
    );
    let ran = on(&stage, "shared", json!([["set", "a", "1"]]), granted()).await;
    assert_eq!(ran.failure(), "access-denied");
    let event = denied(&ran);
    assert_eq!(event.capability, CapabilityKind::Keyvalue);
    assert_eq!(event.asked, "keyvalue=shared:rw");
    let ran = on(&stage, "other", json!([["get", "a"]]), granted()).await;
    assert_eq!(ran.failure(), "access-denied");
    assert!(denied(&ran).hint.contains("--allow keyvalue=other"), "{:?}", denied(&ran));
    assert_eq!(on(&stage, "No Name", json!([]), granted()).await.failure(), "no-such-store");
}

#[tokio::test]
async fn every_quota_ends_the_call_by_its_name() {
    let stage = Stage::new();
    for (limit, at, commands) in [
        (LimitName::KeyvalueKeyBytes, 3, json!([["set", "long", "v"]])),
        (LimitName::KeyvalueValueBytes, 9, json!([["fill", "k", "10"]])),
        (LimitName::KeyvalueKeys, 1, json!([["set", "a", "1"], ["set", "b", "1"]])),
        (LimitName::KeyvalueBytes, 12, json!([["fill", "k", "12"]])),
    ] {
        let stage_policy = both(granted(), ceiling(limit, at));
        on(&stage, "notes", commands, stage_policy).await.hit(FaultKind::Budget, limit);
    }
    // What fits still does: the bucket was not left over its quota.
    let ran = on(&stage, "notes", json!([["keys"], ["set", "a", "2"]]), granted()).await;
    assert_eq!(ran.value()[0], "1");
}

#[tokio::test]
async fn wasi_logging_is_the_journal_s_log_and_bounded_like_it() {
    let stage = Stage::new();
    let request = ask(&stores(&stage), "say", json!(["db", "slow"]).to_string());
    let ran = stage.run(&request.clone().allow(granted())).await;
    let lines: Vec<_> = ran
        .events()
        .filter_map(|event| match event {
            Event::Logged(line) => Some((line.kind.as_str(), line.message.as_str(), &line.fields)),
            _ => None,
        })
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((lines[0].0, lines[0].1), ("warn", "slow"));
    assert_eq!(lines[0].2.as_ref().unwrap().as_str(), r#"{"context":"db"}"#);
    assert_eq!(lines[1].0, "error");
    let tight = both(granted(), ceiling(LimitName::LogLines, 1));
    stage.run(&request.allow(tight)).await.hit(FaultKind::Budget, LimitName::LogLines);
}

#[tokio::test]
async fn money_is_spent_only_where_manifest_and_operator_agree_and_is_in_the_receipt() {
    let stage = Stage::new();
    let charge = |micros: &[u64]| ask(&stores(&stage), "charge", json!([micros]).to_string());
    // The manifest wants 500, the operator says nothing: nothing may be charged.
    stage.run(&charge(&[1]).allow(granted())).await.hit(FaultKind::Budget, LimitName::SpendMicros);
    let agreed = both(granted(), ceiling(LimitName::SpendMicros, 1000));
    let ran = stage.run(&charge(&[200, 300]).allow(agreed.clone())).await;
    assert_eq!(ran.value(), json!([300, 0]));
    assert_eq!(ran.report.usage.spent_micros, 500);
    assert_eq!(ran.statement.predicate.usage.spent_micros, 500);
    let charged = |event: &&Event| matches!(event, Event::EffectStarted(e) if matches!(e.what, Effect::Charge { .. }));
    assert_eq!(ran.events().filter(charged).count(), 2);
    let ran = stage.run(&charge(&[400, 101]).allow(agreed)).await;
    ran.hit(FaultKind::Budget, LimitName::SpendMicros);
    assert_eq!(ran.report.usage.spent_micros, 400, "the charge beyond it is not made");
}

/// Stores on a port that takes connections and never says a word.
fn silent(port: u16) -> [Arc<dyn KeyValue>; 2] {
    let at = |url: &str| Address::new(&url.replace("PORT", &port.to_string())).unwrap();
    let none = Authorities::default();
    let redis = RedisKeyValue::new(at("redis://127.0.0.1:PORT"), "test", none.clone()).unwrap();
    let postgres = PostgresKeyValue::new(at("postgres://a@127.0.0.1:PORT/d"), "test", none);
    [Arc::new(redis), Arc::new(postgres.unwrap())]
}

#[tokio::test]
async fn a_store_that_never_answers_is_told_well_before_the_deadline_of_the_call() {
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for store in silent(deaf.local_addr().unwrap().port()) {
        let stage = Stage::with(|builder| builder.keyvalue(store));
        stores(&stage);
        for commands in [json!([["get", "a"]]), json!([["set", "a", "1"]])] {
            let policy = both(granted(), ceiling(LimitName::DeadlineMs, 2_000));
            let started = Instant::now();
            let ran = on(&stage, "notes", commands, policy).await;
            let told = ran.failure();
            let told = told.as_str().unwrap();
            assert!(told.starts_with("unavailable, try again: nothing within"), "{told}");
            assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        }
    }
}
