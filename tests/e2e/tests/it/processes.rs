//! Programs of the host: only those that are granted, with arguments that are granted, in an empty folder, without the host's
//! environment, within their bounds, and gone with their call.

use std::time::{Duration, Instant};

use longshore::model::{Effect, Event, FaultKind, LimitName};
use longshore::policy::Policy;
use longshore::{Request, Target};

use crate::artifacts::{ACTION, guest, with_manifest};
use crate::stage::{Ran, Stage, allow, ask, both, ceiling};

fn starter(stage: &Stage) -> Target {
    stage.file("processes.wasm", guest("processes"))
}

fn start(target: &Target, program: &str, arguments: &[&str]) -> Request {
    ask(target, "run", serde_json::json!([program, arguments, "", []]))
}

/// How it ended, and what it wrote to its streams.
fn told(ran: &Ran) -> [String; 3] {
    serde_json::from_value(ran.value()).unwrap()
}

fn shell() -> Policy {
    allow(&["exec=/bin/sh -c **"])
}

#[tokio::test]
async fn without_a_grant_no_program_is_started_and_the_hint_says_what_would_allow_it() {
    let stage = Stage::new();
    let (error, _) = stage.refused(&start(&starter(&stage), "true", &[])).await;
    assert_eq!(error.code(), "LS-POL-010");
    assert!(error.hint().unwrap().contains("exec=PROGRAM"), "{error:?}");
}

#[tokio::test]
async fn a_program_is_started_with_granted_arguments_and_no_others() {
    let stage = Stage::new();
    let target = starter(&stage);
    let policy = allow(&["exec=echo hello *", "exec=/bin/cat"]);
    let ran = stage.run(&start(&target, "echo", &["hello", "secret"]).allow(policy.clone())).await;
    assert_eq!(told(&ran), ["exited 0", "hello secret\n", ""]);
    let effect = ran.events().find_map(|event| match event {
        Event::EffectStarted(started) => Some(started.what.clone()),
        _ => None,
    });
    let Some(Effect::Process { command, .. }) = effect else { panic!("{effect:?}") };
    assert_eq!(command, "echo hello *", "what matched a wildcard is not shown");
    let before = &ran.names()[..=ran.names().iter().position(|n| *n == "effect-ended").unwrap()];
    assert_eq!(before[before.len() - 2..], ["effect-started", "effect-ended"]);
    // The run's own input is the caller's to choose; what the effect adds must not repeat it.
    let effects = ran.events().filter(|e| e.name().starts_with("effect"));
    let kept: String = effects.map(|event| format!("{event:?}")).collect();
    assert!(kept.contains("echo") && !kept.contains("secret"), "arguments may be secret");

    let input = serde_json::json!(["cat", [], "through", []]);
    let ran = stage.run(&ask(&target, "run", input).allow(policy.clone())).await;
    assert_eq!(told(&ran), ["exited 0", "through", ""]);
    for (program, arguments) in [
        ("echo", &["hello"][..]),
        ("echo", &["hello", "-e"]),
        ("echo", &["hello", "a", "b"]),
        ("echo", &["other", "a"]),
        ("/bin/echo", &["hello", "a"]),
        ("../bin/echo", &["hello", "a"]),
        ("cat", &["/etc/passwd"]),
        ("sh", &["-c", "true"]),
    ] {
        let ran = stage.run(&start(&target, program, arguments).allow(policy.clone())).await;
        assert!(told(&ran)[0].starts_with("denied: "), "{program} {arguments:?}");
        assert!(ran.names().contains(&"denied") && !ran.names().contains(&"effect-started"));
    }
}

#[tokio::test]
async fn a_program_gets_an_empty_folder_only_the_named_environment_and_no_open_file() {
    let stage = Stage::with(|builder| {
        builder.environment(|name| (name == "GREETING").then(|| "good morning".to_owned()))
    });
    let target = starter(&stage);
    let policy = both(shell(), allow(&["env=GREETING", "env=UNSET"]));
    let script = "env | grep -v -e PWD -e SHLVL -e '^_='; ls -A; umask; ls /proc/self/fd | wc -l";
    let input = |names: &[&str]| serde_json::json!(["sh", ["-c", script], "", names]);
    let request = ask(&target, "run", input(&["GREETING", "UNSET"])).allow(policy.clone());
    let ran = stage.run(&request).await;
    // Standard streams and the folder that `ls` reads.
    assert_eq!(told(&ran), ["exited 0", "GREETING=good morning\n0077\n4\n", ""]);
    let kept = format!("{:?}", ran.history.entries()[0]);
    assert!(!kept.contains("good morning"));
    let ran = stage.run(&ask(&target, "run", input(&["HOME"])).allow(policy)).await;
    assert!(told(&ran)[0].starts_with("denied: the variable `HOME`"));
}

#[tokio::test]
async fn files_are_exchanged_through_the_scratch_directory_which_goes_with_the_run() {
    let stage = Stage::new();
    let manifest = format!(
        "{ACTION}[[capabilities.scratch]]\npath = \"/tmp\"\nreason = \"r\"\n\
         [[capabilities.exec]]\nprogram = \"cp\"\narguments = [\"given\", \"*\"]\nreason = \"r\"\n"
    );
    let target = stage.file("exchange.wasm", with_manifest(&guest("processes"), &manifest));
    let input = serde_json::json!(["hello", "cp", ["given", "taken"], "/tmp/taken"]);
    let policy = allow(&["scratch=/tmp", "exec=cp **"]);
    let ran = stage.run(&ask(&target, "exchange", input).allow(policy)).await;
    assert_eq!(ran.value(), serde_json::json!(["exited 0", "hello"]));
    let left: Vec<_> = std::fs::read_dir(stage.home().join("scratch")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_program_and_what_it_started_end_with_the_call() {
    let stage = Stage::new();
    let target = starter(&stage);
    let marks = stage.files().join("marks");
    std::fs::create_dir(&marks).unwrap();
    let policy = both(shell(), ceiling(LimitName::DeadlineMs, 1_500));
    stage.host.prepare(&target, &policy).await.unwrap();
    // One that waits in the background and one in front: none of them may live to leave its mark, and while the program lives
    // nor may one in a session of its own. (What leaves its group and outlives its parent is not found again: docs/grants.md.)
    let mark = |name: &str| marks.join(name).display().to_string();
    let long = format!(
        "(sleep 4; echo > {}) & setsid sh -c 'sleep 4; echo > {}' & sleep 60",
        mark("deadline1"),
        mark("deadline2")
    );
    let before = Instant::now();
    let ran = stage.run(&start(&target, "sh", &["-c", &long]).allow(policy.clone())).await;
    ran.hit(FaultKind::Deadline, LimitName::DeadlineMs);
    assert!(before.elapsed() < Duration::from_secs(20));
    let short = format!("(sleep 4; echo > {}) & sleep 0.2; echo done", mark("ended"));
    let ran = stage.run(&start(&target, "sh", &["-c", &short]).allow(policy)).await;
    assert_eq!(told(&ran), ["exited 0", "done\n", ""]);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let left: Vec<_> = std::fs::read_dir(&marks).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_program_is_bounded_in_time_memory_files_and_output() {
    let stage = Stage::new();
    let target = starter(&stage);
    let cpu = both(shell(), ceiling(LimitName::ProcessCpuMs, 1_000));
    let ran = stage.run(&start(&target, "sh", &["-c", "while :; do :; done"]).allow(cpu)).await;
    assert!(told(&ran)[0].starts_with("signaled "), "{:?}", told(&ran));

    let file = both(shell(), ceiling(LimitName::FileWriteBytes, 4096));
    let script = "head -c 100000 /dev/zero > big; wc -c < big";
    let ran = stage.run(&start(&target, "sh", &["-c", script]).allow(file)).await;
    assert_eq!(told(&ran)[1].trim(), "4096");

    let memory = both(shell(), ceiling(LimitName::ProcessMemoryBytes, 64 << 20));
    let script = "x=0123456789abcdef; while :; do x=$x$x; done";
    let ran = stage.run(&start(&target, "sh", &["-c", script]).allow(memory)).await;
    assert!(told(&ran)[0] != "exited 0", "{:?}", told(&ran)[0]);

    let output = both(shell(), ceiling(LimitName::ProcessOutputBytes, 10_000));
    let script = ["-c", "head -c 10000 /dev/zero"];
    let ran = stage.run(&start(&target, "sh", &script).allow(output.clone())).await;
    assert_eq!(told(&ran)[1].len(), 10_000);
    let ran = stage.run(&start(&target, "sh", &["-c", "cat /dev/zero"]).allow(output)).await;
    ran.hit(FaultKind::Budget, LimitName::ProcessOutputBytes);

    let input = both(shell(), ceiling(LimitName::ProcessInputBytes, 100));
    let long = format!(": {}", "x".repeat(200));
    let ran = stage.run(&start(&target, "sh", &["-c", &long]).allow(input)).await;
    ran.hit(FaultKind::Budget, LimitName::ProcessInputBytes);
    let none = both(shell(), ceiling(LimitName::Processes, 0));
    let ran = stage.run(&start(&target, "sh", &["-c", "true"]).allow(none)).await;
    ran.hit(FaultKind::Budget, LimitName::Processes);
}

#[tokio::test]
async fn a_granted_program_that_is_not_there_is_told_before_the_guest_runs() {
    let stage = Stage::new();
    let target = starter(&stage);
    for (flag, hint) in [
        ("exec=no-such-program", "/usr/bin"),
        ("exec=/no/such/program", "name the file"),
        ("exec=/etc/passwd", "name the file"),
    ] {
        let request = start(&target, "true", &[]).allow(allow(&[flag]));
        let error = stage.rejected(&request).await;
        assert_eq!(error.code(), "LS-ENG-017", "{flag}: {error:?}");
        assert!(error.hint().unwrap().contains(hint), "{flag}");
    }
}
