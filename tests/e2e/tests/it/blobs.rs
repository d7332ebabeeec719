//! Objects that the host keeps for its guests: containers by grant and within quotas, streamed both ways.

use std::sync::Arc;

use longshore::Target;
use longshore::model::{CapabilityKind, Effect, Event, FaultKind, LimitName};
use longshore::policy::Policy;
use longshore_stores::FolderBlobs;
use serde_json::{Value, json};

use crate::artifacts::{ACTION, guest, with_manifest};
use crate::stage::{Ran, Stage, allow, ask, both, ceiling};

const ASKS: &str = r#"
[[capabilities.blobstore]]
name = "pages"
access = "rw"
reason = "to keep pages"
[[capabilities.blobstore]]
name = "shared"
reason = "to read what others keep"
optional = true
[[capabilities.blobstore]]
name = "copies"
access = "rw"
reason = "to keep copies"
optional = true
[capabilities.clock]
reason = "to know when"
optional = true
"#;

fn blobs(stage: &Stage) -> Target {
    stage.file("blobs.wasm", with_manifest(&guest("blobs"), &format!("{ACTION}{ASKS}")))
}

/// A host whose containers are in a folder of its home.
fn stage() -> Stage {
    let home = tempfile::tempdir().unwrap();
    let store = Arc::new(FolderBlobs::new(home.path().join("blobs")));
    Stage::at(home, |builder| builder.blobstore(store))
}

async fn on(stage: &Stage, container: &str, commands: Value, policy: Policy) -> Ran {
    let input = json!([container, commands]).to_string();
    stage.run(&ask(&blobs(stage), "on", input).allow(policy)).await
}

fn granted() -> Policy {
    allow(&["blobstore=pages:rw", "blobstore=shared:ro"])
}

#[tokio::test]
async fn objects_are_written_read_listed_and_deleted_in_memory_and_in_a_folder() {
    for stage in [Stage::new(), stage()] {
        let commands = json!([
            ["exists"],
            ["get", "a"],
            ["create"],
            ["create"],
            ["exists"],
            ["write", "a", "hello"],
            ["write-first", "b", "world"],
            ["get", "a"],
            ["get", "b"],
            ["get", "c"],
            ["part", "a", "1", "3"],
            ["part", "a", "4", "99"],
            ["part", "a", "5", "9"],
            ["part", "a", "3", "1"],
            ["info", "a"],
            ["has", "a"],
            ["has", "z"],
            ["names"],
            ["delete", "a"],
            ["delete", "a"],
            ["delete", "b", "x"],
            ["names"],
            ["remove"],
            ["exists"]
        ]);
        let ran = on(&stage, "pages", commands, granted()).await;
        let told = json!([
            "false",
            "error: no such container",
            "pages",
            "error: the container exists",
            "true",
            "",
            "",
            "hello",
            "world",
            "error: no such object",
            "3: ell",
            "1: o",
            "error: the object has no such bytes",
            "error: the object has no such bytes",
            "pages/a: 5",
            "true",
            "false",
            "a,b",
            "",
            "",
            "",
            "",
            "",
            "false"
        ]);
        assert_eq!(ran.value(), told);
    }
}

#[tokio::test]
async fn a_large_object_is_streamed_both_ways_and_stays_from_run_to_run() {
    let stage = stage();
    let commands =
        json!([["create"], ["fill", "large", "3000000"], ["fill-first", "also", "200000"]]);
    assert_eq!(on(&stage, "pages", commands, granted()).await.value(), json!(["pages", "", ""]));
    let commands =
        json!([["stream", "large"], ["stream", "also"], ["fill", "none", "0"], ["get", "none"]]);
    let ran = on(&stage, "pages", commands, granted()).await;
    assert_eq!(ran.value(), json!(["3000000", "200000", "", ""]));
}

#[tokio::test]
async fn what_is_not_finished_never_was_and_what_is_read_stays() {
    for stage in [Stage::new(), stage()] {
        let commands = json!([
            ["create"],
            ["write", "a", "old"],
            ["abandon", "a", "new"],
            ["nameless", "x"],
            ["get", "a"],
            ["held", "a", "newer"],
            ["has", "a"],
            ["names"]
        ]);
        let ran = on(&stage, "pages", commands, granted()).await;
        let nameless = "error: the value has no name: it was given to no container";
        assert_eq!(ran.value(), json!(["pages", "", "", nameless, "old", "old", "false", ""]));
        let ran = on(&stage, "pages", json!([["unclosed", "a"]]), granted()).await;
        assert_eq!(ran.fault().kind, FaultKind::Trap, "a stream outlives its value");
    }
}

#[tokio::test]
async fn lists_come_in_pages_and_can_be_skipped() {
    let stage = stage();
    let mut commands = vec![json!(["create"])];
    commands.extend((0..23).map(|n| json!(["write", format!("o{n}"), "v"])));
    commands.extend([json!(["pages", "10"]), json!(["pages", "23"]), json!(["skip", "9"])]);
    commands.extend([json!(["skip", "99"]), json!(["clear"]), json!(["pages", "5"])]);
    let ran = on(&stage, "pages", Value::Array(commands), granted()).await;
    let told = ran.value();
    let last = told.as_array().unwrap()[24..].to_vec();
    assert_eq!(
        Value::Array(last),
        json!(["23 in 3", "23 in 1", "9 false", "23 true", "", "0 in 1"])
    );
}

#[tokio::test]
async fn objects_are_copied_and_moved_between_containers_that_are_granted() {
    let stage = stage();
    let policy = || both(granted(), allow(&["blobstore=copies:rw"]));
    on(&stage, "copies", json!([["create"]]), policy()).await.value();
    let commands = json!([
        ["create"],
        ["write", "a", "hello"],
        ["copy", "a", "copies", "b"],
        ["move", "a", "pages", "c"],
        ["move", "c", "pages", "c"],
        ["copy", "z", "copies", "z"],
        ["names"],
        ["copy", "c", "shared", "c"],
        ["copy", "c", "elsewhere", "c"]
    ]);
    let ran = on(&stage, "pages", commands, policy()).await;
    let denied = "error: access denied";
    let told = json!(["pages", "", "", "", "", "error: no such object", "c", denied, denied]);
    assert_eq!(ran.value(), told);
    let ran = on(&stage, "copies", json!([["names"], ["get", "b"]]), policy()).await;
    assert_eq!(ran.value(), json!(["b", "hello"]));
}

#[tokio::test]
async fn a_container_is_used_as_it_is_granted_and_changes_are_journaled() {
    let stage = stage();
    let denied = |ran: &Ran| {
        let found = ran.events().find_map(|event| match event {
            Event::Denied(denied) => Some(denied.clone()),
            _ => None,
        });
        found.unwrap()
    };
    let ran = on(&stage, "shared", json!([["create"], ["exists"]]), granted()).await;
    assert_eq!(ran.value(), json!(["error: access denied", "false"]));
    let event = denied(&ran);
    assert_eq!(event.capability, CapabilityKind::Blobstore);
    assert_eq!(event.asked, "blobstore=shared:rw");
    let ran = on(&stage, "copies", json!([["exists"]]), granted()).await;
    assert_eq!(ran.value(), json!(["error: access denied"]));
    assert!(denied(&ran).hint.contains("--allow blobstore=copies"), "{:?}", denied(&ran));
    let ran = on(&stage, "../pages", json!([["exists"]]), granted()).await;
    assert_eq!(ran.value(), json!(["error: no such container"]));

    let commands = json!([["create"], ["write", "a", "hello"], ["get", "a"], ["delete", "a"]]);
    let ran = on(&stage, "pages", commands, granted()).await;
    ran.value();
    let effects: Vec<_> = ran
        .events()
        .filter_map(|event| match event {
            Event::EffectStarted(started) => Some(started.what.to_string()),
            _ => None,
        })
        .collect();
    let expected = [
        "create the container `pages`",
        "write `a` of 5 bytes in the container `pages`",
        "delete `a` in the container `pages`",
    ];
    assert_eq!(effects, expected, "reads are none");
    let whats = |event: &Event| match event {
        Event::EffectStarted(started) => matches!(started.what, Effect::Blobstore { .. }),
        _ => false,
    };
    assert_eq!(ran.events().filter(|event| whats(event)).count(), 3);
}

#[tokio::test]
async fn when_an_object_was_made_is_told_to_those_who_may_know_the_time() {
    let stage = stage();
    let commands = json!([["create"], ["write", "a", "hello"], ["created", "a"]]);
    let ran = on(&stage, "pages", commands, granted()).await;
    assert_eq!(ran.value()[2], "false false");
    let policy = both(granted(), allow(&["clock"]));
    let ran = on(&stage, "pages", json!([["created", "a"]]), policy).await;
    assert_eq!(ran.value()[0], "true true");
}

#[tokio::test]
async fn every_quota_ends_the_call_by_its_name() {
    let stage = stage();
    on(&stage, "pages", json!([["create"], ["write", "a", "12345"]]), granted()).await.value();
    use LimitName as L;
    for (limit, at, commands) in [
        (L::BlobstoreNameBytes, 3, json!([["write", "long", "v"]])),
        (L::BlobstoreNameBytes, 3, json!([["has", "long"]])),
        (L::BlobstoreObjectBytes, 9, json!([["fill", "b", "10"]])),
        (L::BlobstoreObjectBytes, 9, json!([["fill-first", "b", "10"]])),
        (L::BlobstoreObjectBytes, 4, json!([["copy", "a", "pages", "b"]])),
        (L::BlobstoreObjects, 1, json!([["write", "b", ""]])),
        (L::BlobstoreBytes, 12, json!([["fill", "b", "8"]])),
        (L::OpenFiles, 2, json!([["open", "3", "a"]])),
    ] {
        let policy = both(granted(), ceiling(limit, at));
        on(&stage, "pages", commands, policy).await.hit(FaultKind::Budget, limit);
    }
    // What fits still does: the container was not left over its quota.
    let ran = on(&stage, "pages", json!([["names"], ["write", "a", "1"]]), granted()).await;
    assert_eq!(ran.value(), json!(["a", ""]));
}
