//! Taking more than a share of the host.

use bytes::Bytes;
use longshore::Target;
use longshore::model::{FaultKind, LimitName};
use longshore::policy::Policy;
use longshore_hostile::Resources;

use crate::ground::{Ground, attack, everything, refused, stopped};
use crate::stage::{Ran, allow, both};

/// Where the attack is carried out: a guest in Rust, or a component in text.
fn target(ground: &Ground, what: Resources) -> Target {
    match what {
        Resources::MemoryAtOnce
        | Resources::Stack
        | Resources::Table
        | Resources::Tables
        | Resources::SpinInStart
        | Resources::SpinInRealloc
        | Resources::SpinInPostReturn
        | Resources::TrapInStart
        | Resources::OwnHandles => ground.text(what.name()),
        Resources::Memories => ground.component("memories", &instances("(memory 128)", 40)),
        Resources::Instances => ground.component("instances", &instances("", 1000)),
        _ => ground.guest("host"),
    }
}

fn is_text(what: Resources) -> bool {
    use Resources as R;
    matches!(
        what,
        R::MemoryAtOnce
            | R::Stack
            | R::Table
            | R::Tables
            | R::SpinInStart
            | R::SpinInPostReturn
            | R::TrapInStart
            | R::OwnHandles
            | R::Memories
            | R::Instances
    )
}

/// A component of `count` instances of one module.
fn instances(module: &str, count: usize) -> String {
    let more = "(core instance (instantiate $m))\n".repeat(count - 1);
    format!(
        r#"(component
          (core module $m {module} (func (export "attack")))
          (core instance $i (instantiate $m))
          {more}
          (func (export "attack") (canon lift (core func $i "attack"))))"#
    )
}

/// Carries out `attack`; it must end as is said here.
pub(crate) async fn meet(ground: &Ground, what: Resources) {
    let folder = tempfile::tempdir().unwrap();
    let input = match what {
        _ if is_text(what) => "[]".to_owned(),
        _ => format!("[\"{}\"]", what.name()),
    };
    let deadline = match what {
        Resources::Spin
        | Resources::SpinInStart
        | Resources::SpinInRealloc
        | Resources::SpinInPostReturn
        | Resources::SpinAroundCalls
        | Resources::Sleep
        | Resources::SleepInPoll => 300,
        Resources::BulkMemory => 1_000,
        _ => 20_000,
    };
    let mut request = attack(&target(ground, what), &input, everything(deadline));
    if what == Resources::ReadAtOnce {
        let large = std::fs::File::create(folder.path().join("large")).unwrap();
        large.set_len(1 << 40).unwrap();
        request = request.allow(granted(folder.path(), deadline));
    }
    if matches!(what, Resources::ReadAtOnce | Resources::StdinEnd) {
        request.stdio.stdin = Bytes::from_static(b"standard input");
    }
    if fits_no_pool(ground, what, &request).await {
        return;
    }
    judge(&ground.run(&request).await, what);
}

/// How the call must have ended.
fn judge(ran: &Ran, what: Resources) {
    use Resources as R;
    match what {
        R::Memory | R::MemoryAtOnce | R::Memories => {
            ran.hit(FaultKind::Memory, LimitName::MemoryBytes);
        }
        R::Stack => stopped(ran, FaultKind::Stack, "LS-RUN-005"),
        R::Table | R::Tables => ran.hit(FaultKind::Resources, LimitName::TableElements),
        R::Instances => ran.hit(FaultKind::Resources, LimitName::Instances),
        // Rust keeps a stack of its own in linear memory, which ends before the host's: an access out of bounds.
        R::Spin
        | R::SpinInStart
        | R::SpinInRealloc
        | R::SpinInPostReturn
        | R::SpinAroundCalls
        | R::BulkMemory
        | R::Sleep
        | R::SleepInPoll => ran.hit(FaultKind::Deadline, LimitName::DeadlineMs),
        R::OwnStack
        | R::TrapInStart
        | R::DroppedHandle
        | R::ForgedHandle
        | R::ChildBeforeParent
        | R::DropTwice
        | R::HugeWrite
        | R::RandomFlood => stopped(ran, FaultKind::Trap, "LS-RUN-001"),
        R::OwnHandles | R::HostHandles | R::Headers | R::Pollables => {
            ran.hit(FaultKind::Resources, LimitName::Handles);
        }
        R::StdoutFlood | R::ZeroesFlood => ran.hit(FaultKind::StreamSize, LimitName::StdoutBytes),
        R::StderrFlood => ran.hit(FaultKind::StreamSize, LimitName::StderrBytes),
        R::LogFlood | R::SpanFlood => ran.hit(FaultKind::Budget, LimitName::LogLines),
        R::LogOne => ran.hit(FaultKind::Budget, LimitName::LogBytes),
        R::ReadAtOnce => refused(
            ran,
            "14, StreamError::Closed, StreamError::Closed, StreamError::Closed, 0, 65536, 0, 65536, \
             65536",
        ),
        R::StdinEnd => refused(ran, "14 bytes, then the end"),
        R::Exit => stopped(ran, FaultKind::Exit, "LS-RUN-009"),
    }
}

fn granted(folder: &std::path::Path, deadline: u64) -> Policy {
    let dir = format!("dir=/data={}", folder.display());
    both(everything(deadline), allow(&[&dir]))
}

/// What could never fit into the pool is refused when it is compiled.
async fn fits_no_pool(ground: &Ground, what: Resources, request: &longshore::Request) -> bool {
    if !matches!(what, Resources::Tables | Resources::Instances) {
        return false;
    }
    match ground.stage.host.prepare(&request.target, &request.allow).await {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.code(), "LS-ENG-004");
            assert!(error.to_string().contains("pooling allocator"), "{error}");
            true
        }
    }
}
