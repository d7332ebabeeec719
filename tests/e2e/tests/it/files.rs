//! Folders, clocks and entropy as they are granted: read, create or change; a budget for every byte and file; nothing opened that
//! is not a file; and time and chance as the operator wants them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use longshore::model::{Effect, Event, FaultKind, LimitName};
use longshore::policy::Policy;
use longshore::{Request, Target};

use crate::artifacts::{ACTION, guest, with_manifest};
use crate::stage::{Ran, Stage, allow, ask, both, ceiling};

/// The guest that takes steps, with a manifest that asks for `/data` as `access`.
fn stepper(stage: &Stage, access: &str) -> Target {
    stepper_of(stage, access, "files")
}

/// The one that takes them through WASI 0.3.
fn async_stepper(stage: &Stage, access: &str) -> Target {
    stepper_of(stage, access, "files-async")
}

fn stepper_of(stage: &Stage, access: &str, name: &str) -> Target {
    let manifest = format!(
        "{ACTION}\n[[capabilities.dir]]\npath = \"/data\"\naccess = \"{access}\"\nreason = \"r\"\noptional = true\n\
         [[capabilities.scratch]]\npath = \"/tmp\"\nreason = \"r\"\noptional = true\n\
         [capabilities.clock]\nreason = \"r\"\noptional = true\n\
         [capabilities.random]\nreason = \"r\"\noptional = true\n"
    );
    stage.file(&format!("{access}.wasm"), with_manifest(&guest(name), &manifest))
}

fn steps(target: &Target, steps: &[&str]) -> Request {
    ask(target, "run", serde_json::json!([steps]))
}

fn folder(stage: &Stage) -> PathBuf {
    let folder = stage.files().join("data");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn granted(stage: &Stage, access: &str) -> Policy {
    allow(&[&format!("dir=/data={}:{access}", folder(stage).display())])
}

fn answers(ran: &Ran) -> Vec<String> {
    serde_json::from_value(ran.value()).unwrap()
}

#[tokio::test]
async fn who_may_create_makes_what_is_new_and_changes_nothing_that_is_there() {
    let stage = Stage::new();
    let policy = granted(&stage, "create");
    let data = folder(&stage);
    std::fs::write(data.join("old"), "old").unwrap();
    std::fs::create_dir(data.join("kept")).unwrap();
    let target = stepper(&stage, "create");
    let asked = [
        "read /data/old",
        "write /data/new new",
        "read /data/new",
        "create-new /data/newer newer",
        "grow-new /data/sized 5",
        "mkdir /data/made",
        "write /data/made/inner inner",
    ];
    let ran = stage.run(&steps(&target, &asked).allow(policy.clone())).await;
    assert_eq!(answers(&ran), ["old", "ok", "new", "ok", "ok", "ok", "ok"]);
    let refused = [
        "write /data/old x",
        "write /data/new x",
        "append /data/old x",
        "overwrite /data/old x",
        "set-len /data/old 0",
        "grow-new /data/old 9",
        "touch /data/old",
        "unlink /data/old",
        "rmdir /data/kept",
        "rename /data/old /data/moved",
        "rename /data/new /data/old",
        "link /data/old /data/linked",
        "symlink old /data/pointing",
    ];
    let ran = stage.run(&steps(&target, &refused).allow(policy)).await;
    for (step, answer) in refused.iter().zip(answers(&ran)) {
        assert!(answer.starts_with("error: "), "{step}: {answer}");
    }
    assert!(ran.events().any(|e| matches!(e, Event::Denied(d) if d.asked == "dir=/data:rw")));
    let denied = ran.events().filter(|event| matches!(event, Event::Denied(_))).count();
    assert_eq!(denied, 1, "once for each folder, not for each try");
    assert_eq!(std::fs::read_to_string(data.join("old")).unwrap(), "old");
    assert_eq!(std::fs::read_to_string(data.join("new")).unwrap(), "new");
    assert_eq!(std::fs::metadata(data.join("sized")).unwrap().len(), 5);
    let mut names: Vec<_> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["kept", "made", "new", "newer", "old", "sized"]);
}

#[tokio::test]
async fn what_a_call_changes_is_summed_up_in_its_journal() {
    let stage = Stage::new();
    let target = stepper(&stage, "rw");
    let asked = [
        "write /data/a 12345",
        "append /data/a 678",
        "rename /data/a /data/b",
        "mkdir /data/c",
        "rmdir /data/c",
        "read /data/b",
    ];
    let ran = stage.run(&steps(&target, &asked).allow(granted(&stage, "rw"))).await;
    assert_eq!(answers(&ran).last().unwrap(), "12345678");
    let effects: Vec<_> = ran
        .events()
        .filter_map(|event| match event {
            Event::EffectStarted(started) => Some(format!("{:?}", started.what)),
            Event::EffectEnded(ended) => Some(ended.result.clone()),
            _ => None,
        })
        .collect();
    let folder = format!("{:?}", Effect::Files { folder: "/data".into() });
    assert_eq!(effects, [folder.as_str(), "2 created, 2 changed, 1 removed, 8 bytes written"]);
    // Who only reads has no effect.
    let ran = stage.run(&steps(&target, &["read /data/b"]).allow(granted(&stage, "rw"))).await;
    assert!(!ran.names().contains(&"effect-started"));
}

#[tokio::test]
async fn bytes_files_and_open_files_end_at_their_limits() {
    let stage = Stage::new();
    let target = stepper(&stage, "rw");
    let data = folder(&stage);
    let rw = granted(&stage, "rw");
    let bytes = both(rw.clone(), ceiling(LimitName::FileWriteBytes, 100_000));
    let fine = stage.run(&steps(&target, &["pump /data/a 100000"]).allow(bytes.clone())).await;
    assert_eq!(answers(&fine), ["ok"]);
    for step in ["pump /data/b 100001", "grow-new /data/c 100001"] {
        let ran = stage.run(&steps(&target, &[step]).allow(bytes.clone())).await;
        ran.hit(FaultKind::Budget, LimitName::FileWriteBytes);
    }
    assert!(std::fs::metadata(data.join("b")).unwrap().len() <= 100_000);
    assert_eq!(std::fs::metadata(data.join("c")).unwrap().len(), 0);

    let files = both(rw.clone(), ceiling(LimitName::FilesCreated, 20));
    let fine = steps(&target, &["mkdir /data/d", "files /data/d 19"]).allow(files.clone());
    assert_eq!(answers(&stage.run(&fine).await), ["ok", "ok"]);
    // What is there already is not made again.
    let again = steps(&target, &["files /data/d 19", "files /data/d 19"]).allow(files.clone());
    assert_eq!(answers(&stage.run(&again).await), ["ok", "ok"]);
    let ran = stage.run(&steps(&target, &["mkdir /data/e", "files /data/e 20"]).allow(files)).await;
    ran.hit(FaultKind::Budget, LimitName::FilesCreated);
    assert_eq!(std::fs::read_dir(data.join("e")).unwrap().count(), 19);

    let open = both(rw.clone(), ceiling(LimitName::OpenFiles, 10));
    let many = ["open-many /data/a 10", "close", "open-many /data/a 10", "read-open"];
    let fine = stage.run(&steps(&target, &many).allow(open.clone())).await;
    assert_eq!(answers(&fine)[3].len(), 100_000);
    let ran = stage.run(&steps(&target, &["open-many /data/a 11"]).allow(open)).await;
    ran.hit(FaultKind::Budget, LimitName::OpenFiles);
}

#[tokio::test]
async fn what_is_no_file_and_no_folder_is_not_opened() {
    let stage = Stage::new();
    let target = stepper(&stage, "rw");
    let data = folder(&stage);
    let made = std::process::Command::new("mkfifo").arg(data.join("fifo")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(data.join("socket")).unwrap();
    std::os::unix::fs::symlink("fifo", data.join("pointing")).unwrap();
    let asked = [
        "read /data/fifo",
        "overwrite /data/fifo x",
        "write /data/fifo x",
        "read /data/pointing",
        "read /data/socket",
    ];
    let before = Instant::now();
    let ran = stage.run(&steps(&target, &asked).allow(granted(&stage, "rw"))).await;
    for (step, answer) in asked.iter().zip(answers(&ran)) {
        assert!(answer.starts_with("error: "), "{step}: {answer}");
    }
    assert!(before.elapsed() < Duration::from_secs(20), "nothing waits for the other end");
    // Listing them is harmless.
    let ran = stage.run(&steps(&target, &["list /data"]).allow(granted(&stage, "rw"))).await;
    assert_eq!(answers(&ran), ["fifo pointing socket"]);
}

#[tokio::test]
async fn a_folder_that_is_removed_or_replaced_while_a_session_goes_on_is_told_and_not_left() {
    let stage = Stage::new();
    let target = stepper(&stage, "rw");
    let data = folder(&stage);
    let elsewhere = stage.files().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("secret"), "secret").unwrap();
    let policy = granted(&stage, "rw");
    let prepared = stage.host.prepare(&target, &policy).await.unwrap();
    let session = stage.host.session(&prepared).await.unwrap();
    let function = session.function(Some("run")).unwrap();
    let call = async |step: &str| {
        session.call(&function, &serde_json::json!([[step]]).to_string()).await.unwrap()
    };
    assert!(call("write /data/a a").await.is_ok());
    std::fs::rename(&data, stage.files().join("moved")).unwrap();
    let outcome = call("read /data/a").await;
    assert!(format!("{outcome:?}").contains("removed or replaced"), "{outcome:?}");
    std::os::unix::fs::symlink(&elsewhere, &data).unwrap();
    let outcome = call("read /data/secret").await;
    assert!(format!("{outcome:?}").contains("removed or replaced"), "{outcome:?}");
    std::fs::remove_file(&data).unwrap();
    std::fs::rename(stage.files().join("moved"), &data).unwrap();
    assert!(call("read /data/a").await.is_ok());
}

#[tokio::test]
async fn a_scratch_directory_is_empty_shared_by_the_calls_of_a_run_and_gone_afterwards() {
    let stage = Stage::new();
    let target = stepper(&stage, "rw");
    let policy = allow(&["scratch=/tmp"]);
    let root = stage.home().join("scratch");
    let asked = ["list /tmp", "write /tmp/a a", "mkdir /tmp/b", "list /tmp", "read /data/a"];
    for _ in 0..2 {
        let ran = stage.run(&steps(&target, &asked).allow(policy.clone())).await;
        assert_eq!(answers(&ran)[..4], ["", "ok", "ok", "a b"]);
        assert!(answers(&ran)[4].starts_with("error"), "nothing else is there");
        assert!(!ran.names().contains(&"effect-started"), "it is not of the world");
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
    }
    let prepared = stage.host.prepare(&target, &policy).await.unwrap();
    let session = stage.host.session(&prepared).await.unwrap();
    let function = session.function(Some("run")).unwrap();
    let call = async |step: &str| {
        let outcome = session.call(&function, &serde_json::json!([[step]]).to_string()).await;
        format!("{:?}", outcome.unwrap())
    };
    assert!(call("write /tmp/kept kept").await.contains("ok"));
    assert!(call("read /tmp/kept").await.contains("kept"), "for the run, not for the call");
    assert!(std::fs::read_dir(&root).unwrap().count() > 0);
    drop(session);
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
    // What is written there counts like what is written elsewhere.
    let few = both(policy, ceiling(LimitName::RunFileWriteBytes, 10));
    let ran = stage.run(&steps(&target, &["pump /tmp/a 11"]).allow(few)).await;
    ran.hit(FaultKind::Budget, LimitName::RunFileWriteBytes);
}

#[tokio::test]
async fn frozen_clocks_stand_still_and_virtual_ones_move_by_sleeping_at_once() {
    let stage = Stage::new();
    let target = stepper(&stage, "rw");
    let frozen = allow(&["clock=frozen:2026-01-01T00:00:00Z"]);
    let asked = ["now", "sleep 20", "now", "ticks"];
    let ran = stage.run(&steps(&target, &asked).allow(frozen)).await;
    assert_eq!(answers(&ran), ["1767225600000", "ok", "1767225600000", "0"]);
    let modes = &ran.statement.predicate.grant.as_ref().unwrap().modes;
    assert_eq!(modes["clock"], "frozen:2026-01-01T00:00:00.000000Z");

    let virtual_time = allow(&["clock=virtual:2026-01-01T00:00:00Z"]);
    let before = Instant::now();
    let asked = ["now", "sleep 3600000", "now", "ticks", "sleep 1", "ticks"];
    let ran = stage.run(&steps(&target, &asked).allow(virtual_time)).await;
    let expected = ["1767225600000", "ok", "1767229200000", "3600000", "ok", "3600001"];
    assert_eq!(answers(&ran), expected);
    assert!(before.elapsed() < Duration::from_secs(600));
    assert!(ran.report.usage.wall_us < 30_000_000, "an hour passes at once");
}

#[tokio::test]
async fn seeded_entropy_is_the_same_for_each_run_and_another_for_another_seed() {
    let stage = Stage::new();
    let target = stepper(&stage, "rw");
    let draw = async |flag: &str| {
        let asked = ["random secure", "random insecure", "random seed", "random secure"];
        let ran = stage.run(&steps(&target, &asked).allow(allow(&[flag]))).await;
        let drawn = answers(&ran);
        assert!(drawn.iter().all(|d| drawn.iter().filter(|o| *o == d).count() == 1), "{drawn:?}");
        let grant = ran.statement.predicate.grant.clone().unwrap();
        (drawn, grant.modes.get("random").cloned())
    };
    let (first, mode) = draw("random=seed:one").await;
    assert_eq!(mode.as_deref(), Some("seed:one"));
    assert_eq!(draw("random=seed:one").await.0, first);
    assert_ne!(draw("random=seed:two").await.0, first);
    let (real, mode) = draw("random").await;
    assert!(real != first && mode.is_none());
    assert_ne!(draw("random").await.0, real);
}

#[tokio::test]
async fn through_wasi_0_3_the_same_is_granted_and_the_same_refused() {
    let stage = Stage::new();
    let target = async_stepper(&stage, "create");
    let data = folder(&stage);
    std::fs::write(data.join("old"), "old").unwrap();
    let made = std::process::Command::new("mkfifo").arg(data.join("fifo")).status().unwrap();
    assert!(made.success());
    let asked = [
        "read /data/old",
        "write /data/new new",
        "read /data/new",
        "mkdir /data/made",
        "grow /data/made/sized 5",
    ];
    let policy = granted(&stage, "create");
    let ran = stage.run(&steps(&target, &asked).allow(policy.clone())).await;
    assert_eq!(answers(&ran), ["old", "ok", "new", "ok", "ok"]);
    let refused = [
        "write /data/old x",
        "create /data/old x",
        "overwrite /data/old x",
        "append /data/new x",
        "unlink /data/old",
        "rename /data/old /data/moved",
        "read /data/fifo",
        "overwrite /data/fifo x",
        "read /data/../secret",
    ];
    let ran = stage.run(&steps(&target, &refused).allow(policy)).await;
    for (step, answer) in refused.iter().zip(answers(&ran)) {
        assert!(answer.starts_with("error: "), "{step}: {answer}");
    }
    assert!(ran.events().any(|e| matches!(e, Event::Denied(d) if d.asked == "dir=/data:rw")));
    assert_eq!(std::fs::read_to_string(data.join("old")).unwrap(), "old");
    assert_eq!(std::fs::read_to_string(data.join("new")).unwrap(), "new");

    let target = async_stepper(&stage, "ro");
    let asked = ["read /data/old", "write /data/old x", "create /data/newer x", "mkdir /data/m"];
    let ran = stage.run(&steps(&target, &asked).allow(granted(&stage, "ro"))).await;
    assert_eq!(answers(&ran)[0], "old");
    assert!(answers(&ran)[1..].iter().all(|answer| answer.starts_with("error: ")));
}

#[tokio::test]
async fn through_wasi_0_3_the_same_budgets_hold() {
    let stage = Stage::new();
    let target = async_stepper(&stage, "rw");
    let data = folder(&stage);
    let rw = granted(&stage, "rw");
    let bytes = both(rw.clone(), ceiling(LimitName::FileWriteBytes, 100_000));
    let asked = ["pump /data/a 99997", "append /data/a end"];
    let fine = stage.run(&steps(&target, &asked).allow(bytes.clone())).await;
    assert_eq!(answers(&fine), ["ok", "ok"]);
    let written = std::fs::read_to_string(data.join("a")).unwrap();
    assert!(written.len() == 100_000 && written.ends_with("xend"));
    let ended = fine.events().find_map(|event| match event {
        Event::EffectEnded(ended) => Some(ended.result.clone()),
        _ => None,
    });
    assert_eq!(ended.unwrap(), "1 created, 1 changed, 0 removed, 100000 bytes written");
    for step in ["pump /data/b 100001", "grow /data/c 100001"] {
        let ran = stage.run(&steps(&target, &[step]).allow(bytes.clone())).await;
        ran.hit(FaultKind::Budget, LimitName::FileWriteBytes);
    }
    assert!(std::fs::metadata(data.join("b")).unwrap().len() <= 100_000);
    let files = both(rw.clone(), ceiling(LimitName::FilesCreated, 1));
    let ran = stage.run(&steps(&target, &["mkdir /data/d", "mkdir /data/e"]).allow(files)).await;
    ran.hit(FaultKind::Budget, LimitName::FilesCreated);
    let open = both(rw, ceiling(LimitName::OpenFiles, 10));
    let ran = stage.run(&steps(&target, &["open-many /data/a 11"]).allow(open)).await;
    ran.hit(FaultKind::Budget, LimitName::OpenFiles);
}

#[tokio::test]
async fn through_wasi_0_3_time_and_chance_are_as_the_operator_wants_them() {
    let stage = Stage::new();
    let target = async_stepper(&stage, "rw");
    let policy = allow(&["clock=virtual:2026-01-01T00:00:00Z", "random=seed:one"]);
    let asked = ["now", "sleep 3600000", "now", "ticks", "random"];
    let ran = stage.run(&steps(&target, &asked).allow(policy.clone())).await;
    assert_eq!(answers(&ran)[..4], ["1767225600", "ok", "1767229200", "3600000"]);
    let again = stage.run(&steps(&target, &asked).allow(policy)).await;
    assert_eq!(answers(&again), answers(&ran));
    let frozen = allow(&["clock=frozen:2026-01-01T00:00:00Z"]);
    let ran = stage.run(&steps(&target, &["now", "sleep 20", "now"]).allow(frozen)).await;
    assert_eq!(answers(&ran), ["1767225600", "ok", "1767225600"]);
}
