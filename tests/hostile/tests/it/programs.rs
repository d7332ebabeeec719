//! Making programs of the host do what was not granted, and leaving the scratch directory.

use std::time::{Duration, Instant};

use longshore::model::{FaultKind, LimitName};
use longshore::policy::Policy;
use longshore_hostile::Programs;

use crate::ground::{Ground, attack, denials, refused};
use crate::stage::{allow, both, ceiling};

/// What the operator allows: `echo` with one word, and the script of the attack.
fn granted(what: Programs) -> Policy {
    let script = |script: &str| {
        let mut policy = Policy::default();
        policy.allow_flag(&format!("exec=sh -c {script}")).unwrap();
        policy
    };
    let own = match what {
        Programs::OpenFiles | Programs::OutputFlood | Programs::Hang | Programs::LeftBehind => {
            script("**")
        }
        _ => Policy::default(),
    };
    let limit = match what {
        Programs::Hang => ceiling(LimitName::DeadlineMs, 500),
        Programs::StartFlood => ceiling(LimitName::Processes, 5),
        Programs::ScratchFlood => ceiling(LimitName::FileWriteBytes, 4 << 20),
        _ => ceiling(LimitName::DeadlineMs, 20_000),
    };
    let always = allow(&["clock", "random", "exec=echo *", "scratch=/tmp", "env=LANG"]);
    both(both(own, limit), always)
}

/// Carries out `attack`; it must end as is said here.
pub(crate) async fn meet(ground: &Ground, what: Programs) {
    let input = format!("[\"{}\"]", what.name());
    let ran = ground.run(&attack(&ground.guest("programs"), &input, granted(what))).await;
    let denied = denials(&ran).len();
    match what {
        Programs::OutputFlood => ran.hit(FaultKind::Budget, LimitName::ProcessOutputBytes),
        Programs::Hang => ran.hit(FaultKind::Deadline, LimitName::DeadlineMs),
        Programs::StartFlood => ran.hit(FaultKind::Budget, LimitName::Processes),
        Programs::ScratchFlood => ran.hit(FaultKind::Budget, LimitName::FileWriteBytes),
        Programs::OtherProgram => {
            refused(&ran, "denied");
            assert_eq!(denied, 9);
        }
        Programs::Options => {
            refused(&ran, "denied");
            assert_eq!(denied, 6);
        }
        Programs::ShellWords => refused(&ran, "said"),
        // A wildcard takes any word; the system takes none with a NUL.
        Programs::Nul => refused(&ran, "denied, failed, denied"),
        Programs::Environment => refused(&ran, "denied"),
        // Standard streams, and the folder that `ls` lists.
        Programs::OpenFiles => refused(&ran, "4 open"),
        Programs::LeftBehind => refused(&ran, "left"),
        Programs::ScratchClimb => {
            refused(&ran, "PermissionDenied, NotFound, PermissionDenied, NotFound");
        }
        Programs::ScratchBefore => refused(&ran, "nothing"),
    }
    nothing_runs("8765").await;
    nothing_runs("600").await;
    let left: Vec<_> = std::fs::read_dir(ground.stage.home().join("scratch")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// No process sleeps for so many seconds, as only those of the attack do. The system takes a moment to bury the dead.
async fn nothing_runs(seconds: &str) {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let lines = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let line = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&line).into_owned())
        });
        let sleeping = format!("sleep\0{seconds}\0");
        if !lines.into_iter().any(|line| line == sleeping) {
            return;
        }
        assert!(Instant::now() < until, "`sleep {seconds}` is left behind");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
