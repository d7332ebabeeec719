//! What a guest may touch: nothing without a grant, with a grant just that, and every refusal says what would allow it.

use longshore::model::{CapabilityKind, Event};
use longshore::policy::{Hint, Policy};
use longshore::{Class, Error, Target};

use crate::artifacts::{ACTION, guest, with_manifest};
use crate::stage::{Stage, allow, ask, both};

/// A manifest that asks for all that `host-info` can use, and can do without any of it.
pub(crate) const OPTIONAL: &str = r#"
[capabilities.clock]
reason = "to tell the time"
optional = true
[capabilities.random]
reason = "to roll dice"
optional = true
[[capabilities.http]]
scope = "http://*"
reason = "to fetch"
optional = true
[[capabilities.dir]]
path = "/data"
access = "rw"
reason = "to read and write"
optional = true
[[capabilities.env]]
name = "GREETING"
reason = "to greet"
optional = true
"#;

/// `host-info` with that manifest.
pub(crate) fn info(stage: &Stage) -> Target {
    let bytes = with_manifest(&guest("host-info"), &format!("{ACTION}{OPTIONAL}"));
    stage.file("info.wasm", bytes)
}

#[tokio::test]
async fn a_component_without_a_manifest_is_refused_what_it_imports_and_each_hint_allows_it() {
    let stage = Stage::new();
    let target = stage.file("bare.wasm", guest("host-info"));
    let (error, ran) = stage.refused(&ask(&target, "now-ms", "")).await;
    assert_eq!((error.code(), error.class()), ("LS-POL-010", Class::Grant));
    let Error::Refused(refused) = &error else { panic!("{error:?}") };
    let denials = &refused.refusal.denials;
    let mut kinds: Vec<_> = denials.iter().map(|denial| denial.capability).collect();
    kinds.sort();
    kinds.dedup();
    let expected = [CapabilityKind::Clock, CapabilityKind::Random, CapabilityKind::Http];
    assert!(kinds.len() == 3 && expected.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    // Every denial is an event, with its import and its hint.
    let journaled: Vec<_> = ran
        .events()
        .filter_map(|event| if let Event::Denied(denied) = event { Some(denied) } else { None })
        .collect();
    assert_eq!(journaled.len(), denials.len());
    assert!(journaled.iter().all(|denied| denied.hint.contains("--allow ")));
    assert!(error.to_string().contains("wasi:clocks/"), "{error}");
    assert_eq!(ran.statement.predicate.counts.denials, denials.len() as u64);
    // The hints, applied to the letter (but for the host to be chosen), make it run.
    let mut policy = Policy::default();
    for denial in denials {
        let Hint::Operator { flag, .. } = &denial.hint else { panic!("{denial:?}") };
        policy.allow_flag(&flag.replace("https://HOST", "https://example.com")).unwrap();
        policy.allow_flag(&flag.replace("https://host", "https://example.com")).unwrap();
    }
    assert!(stage.run(&ask(&target, "now-ms", "").allow(policy)).await.report.outcome.is_ok());
}

#[tokio::test]
async fn a_required_capability_that_is_not_allowed_refuses_the_run_with_the_authors_reason() {
    let stage = Stage::new();
    let required = OPTIONAL.replace("optional = true", "");
    let bytes = with_manifest(&guest("host-info"), &format!("{ACTION}{required}"));
    let target = stage.file("info.wasm", bytes);
    let request = ask(&target, "now-ms", "").allow(allow(&["clock", "random", "http=http://*"]));
    let (error, _) = stage.refused(&request).await;
    let Error::Refused(refused) = &error else { panic!("{error:?}") };
    let reasons: Vec<_> = refused.refusal.denials.iter().map(|d| d.reason.clone()).collect();
    assert_eq!(reasons.len(), 2, "{error}");
    assert!(reasons.contains(&Some("to greet".to_owned())), "{reasons:?}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("--allow env=GREETING"), "{hint}");
    assert!(hint.contains("--allow dir=/data=./data:rw"), "{hint}");
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_leaves_no_run() {
    let stage = Stage::new();
    let target = stage.file("bare.wasm", guest("host-info"));
    let error = stage.host.prepare(&target, &Policy::default()).await.unwrap_err();
    let Error::Refused(refused) = &error else { panic!("{error:?}") };
    assert!(refused.report.is_none());
    assert!(stage.host.journal().runs(&Default::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_clock_stands_still_and_dice_always_fall_alike_until_they_are_granted() {
    let stage = Stage::new();
    let target = info(&stage);
    assert_eq!(stage.run(&ask(&target, "now-ms", "")).await.value(), 0);
    let request = ask(&target, "now-ms", "").allow(allow(&["clock"]));
    let now = stage.run(&request).await.value().as_u64().unwrap();
    assert!(now > 1_700_000_000_000, "{now}");

    let dice = ask(&target, "random", "");
    let (first, second) = (stage.run(&dice).await.value(), stage.run(&dice).await.value());
    assert_eq!(first, second);
    let dice = dice.allow(allow(&["random"]));
    let (first, second) = (stage.run(&dice).await.value(), stage.run(&dice).await.value());
    assert_ne!(first, second);
}

#[tokio::test]
async fn of_the_environment_only_what_is_granted_by_name_is_seen() {
    let stage = Stage::with(|builder| {
        builder.environment(|name| match name {
            "GREETING" => Some("good morning".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("hunter2".to_owned()),
            _ => None,
        })
    });
    let target = info(&stage);
    let all = stage.run(&ask(&target, "env-all", "")).await;
    assert_eq!(all.value(), serde_json::json!([]));
    let granted = allow(&["env=GREETING", "env=AWS_SECRET_ACCESS_KEY", "env=NOT_SET"]);
    // Allowed is more than requested: the guest gets what is in both.
    let all = stage.run(&ask(&target, "env-all", "").allow(granted.clone())).await;
    assert_eq!(all.value(), serde_json::json!([["GREETING", "good morning"]]));
    let kept = format!("{:?} {:?}", all.history.entries()[0], all.statement);
    assert!(!kept.contains("good morning"), "values of the environment are recorded nowhere");
    // Without a manifest the operator alone decides.
    let bare = stage.file("bare.wasm", guest("host-info"));
    let granted = both(granted, allow(&["clock", "random", "http=https://example.com"]));
    let one = ask(&bare, "env", r#"["AWS_SECRET_ACCESS_KEY"]"#).allow(granted);
    assert_eq!(stage.run(&one).await.value(), "hunter2");
}

fn dir(stage: &Stage, access: &str) -> Policy {
    let folder = stage.files().join("data");
    std::fs::create_dir_all(&folder).unwrap();
    allow(&[&format!("dir=/data={}:{access}", folder.display())])
}

/// `host-info` with a manifest that wants no more of `/data` than to read it.
fn reader(stage: &Stage) -> Target {
    let manifest = OPTIONAL.replace("access = \"rw\"", "access = \"ro\"");
    let bytes = with_manifest(&guest("host-info"), &format!("{ACTION}{manifest}"));
    stage.file("reader.wasm", bytes)
}

#[tokio::test]
async fn a_directory_is_there_only_when_granted_and_written_only_when_granted_for_writing() {
    let stage = Stage::new();
    let rw = dir(&stage, "rw");
    let data = stage.files().join("data");
    std::fs::write(data.join("a.txt"), "hello").unwrap();
    let target = info(&stage);

    let read = ask(&target, "read-file", r#"["/data/a.txt"]"#);
    assert!(stage.run(&read).await.failure()["message"].is_string(), "nothing is preopened");
    let ran = stage.run(&read.clone().allow(rw.clone())).await;
    assert_eq!(ran.value(), "hello");
    let write = ask(&target, "write-file", r#"["/data/b.txt", "written"]"#);
    assert!(stage.run(&write.clone().allow(rw)).await.report.outcome.is_ok());
    assert_eq!(std::fs::read_to_string(data.join("b.txt")).unwrap(), "written");

    // Read-only: the same component, asking only to read.
    let target = reader(&stage);
    let ro = dir(&stage, "ro");
    let list = ask(&target, "list-dir", r#"["/data"]"#).allow(ro.clone());
    assert_eq!(stage.run(&list).await.value(), serde_json::json!(["a.txt", "b.txt"]));
    for input in [r#"["/data/a.txt", "changed"]"#, r#"["/data/c.txt", "new"]"#] {
        let ran = stage.run(&ask(&target, "write-file", input).allow(ro.clone())).await;
        assert!(ran.failure()["message"].is_string());
    }
    assert_eq!(std::fs::read_to_string(data.join("a.txt")).unwrap(), "hello");
    assert!(!data.join("c.txt").exists());
    // A grant for writing serves a wish to read, and no more than that is given.
    let ran = stage
        .run(&ask(&target, "write-file", r#"["/data/c.txt", ""]"#).allow(dir(&stage, "rw")))
        .await;
    assert!(ran.failure()["message"].is_string());
    assert!(!data.join("c.txt").exists());
}

#[tokio::test]
async fn no_path_and_no_symbolic_link_leads_out_of_a_granted_directory() {
    let stage = Stage::new();
    let policy = dir(&stage, "rw");
    let data = stage.files().join("data");
    let secret = stage.files().join("secret.txt");
    std::fs::write(&secret, "secret").unwrap();
    std::os::unix::fs::symlink(&secret, data.join("absolute")).unwrap();
    std::os::unix::fs::symlink("../secret.txt", data.join("relative")).unwrap();
    std::os::unix::fs::symlink("..", data.join("up")).unwrap();
    std::fs::create_dir(data.join("inner")).unwrap();
    std::fs::write(data.join("inner/fine"), "fine").unwrap();
    std::os::unix::fs::symlink("inner/fine", data.join("within")).unwrap();
    let target = info(&stage);
    for path in [
        "/data/../secret.txt",
        "/data/inner/../../secret.txt",
        "/data/absolute",
        "/data/relative",
        "/data/up/secret.txt",
        &secret.to_string_lossy(),
        "/etc/passwd",
        "../secret.txt",
    ] {
        let input = serde_json::json!([path]);
        let ran = stage.run(&ask(&target, "read-file", input).allow(policy.clone())).await;
        assert!(ran.failure()["message"].is_string(), "`{path}` was read");
        let input = serde_json::json!([path, "overwritten"]);
        let ran = stage.run(&ask(&target, "write-file", input).allow(policy.clone())).await;
        assert!(ran.failure()["message"].is_string(), "`{path}` was written");
    }
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret");
    // A link that stays inside is followed.
    let within = ask(&target, "read-file", r#"["/data/within"]"#).allow(policy);
    assert_eq!(stage.run(&within).await.value(), "fine");
}

#[tokio::test]
async fn a_granted_directory_that_is_not_there_is_told_before_the_guest_runs() {
    let stage = Stage::new();
    let gone = stage.files().join("gone");
    let policy = allow(&[&format!("dir=/data={}:ro", gone.display())]);
    let target = reader(&stage);
    let request = ask(&target, "list-dir", r#"["/data"]"#).allow(policy);
    let error = stage.rejected(&request).await;
    assert_eq!(error.code(), "LS-ENG-012");
    assert!(error.to_string().contains("gone") && error.hint().is_some(), "{error}");
    std::fs::write(&gone, "a file").unwrap();
    assert_eq!(stage.rejected(&request).await.code(), "LS-ENG-012");
    std::fs::remove_file(&gone).unwrap();
    std::fs::create_dir(&gone).unwrap();
    assert_eq!(stage.run(&request).await.value(), serde_json::json!([]));
}

#[tokio::test]
async fn an_attempt_knows_its_run_its_key_and_its_time() {
    let stage = Stage::new();
    let target = info(&stage);
    let request = ask(&target, "this-attempt", "");
    let (first, second) = (stage.run(&request).await, stage.run(&request).await);
    let (a, b) = (first.value(), second.value());
    assert_eq!(a["run-id"], first.report.run.to_string());
    assert_eq!((&a["number"], &b["number"]), (&1.into(), &1.into()));
    assert_ne!(a["idempotency-key"], b["idempotency-key"]);
    let remaining = a["remaining-ms"].as_u64().unwrap();
    assert!((1..=30_000).contains(&remaining), "{remaining}");
}

#[tokio::test]
async fn what_a_guest_says_is_journaled_under_its_call() {
    let stage = Stage::new();
    let ran = stage.run(&ask(&info(&stage), "say", "[\"hello\"]")).await;
    let said: Vec<_> = ran
        .events()
        .filter_map(|event| match event {
            Event::Logged(logged) => Some((logged.kind.as_str(), logged.message.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(said[0], ("span-opened", "say"));
    assert!(said.contains(&("info", "said")) && said.contains(&("progress", "hello")), "{said:?}");
    assert_eq!(said.last(), Some(&("span-closed", "say")));
    // An operation's own failure is an outcome like any other.
    let fail = ask(&info(&stage), "fail", r#"[true, "busy", "try again"]"#);
    let failure = stage.run(&fail).await.failure();
    assert_eq!((&failure["class"], &failure["code"]), (&"retryable".into(), &"busy".into()));
}
