//! What is taken from a program before its first instruction: a process group of its own, so that it and what it starts are
//! stopped together; bounds on processor, memory, files and processes; new privileges; and every open file of the host.

use longshore_model::Limits;
use tokio::process::{Child, Command};

/// Open files of a program.
const OPEN_FILES: u64 = 256;
/// Processes and threads that a program may add to those of the host's user.
const MORE_PROCESSES: u64 = 64;

/// The bounds of one program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    cpu_seconds: u64,
    memory: u64,
    file: u64,
    processes: u64,
}

impl Bounds {
    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            cpu_seconds: limits.process_cpu_ms.div_ceil(1_000).max(1),
            memory: limits.process_memory_bytes,
            file: limits.file_write_bytes,
            processes: processes_of_this_user().saturating_add(MORE_PROCESSES),
        }
    }
}

/// How many processes and threads the user of the host has now: the kernel's bound counts them all.
#[cfg(target_os = "linux")]
fn processes_of_this_user() -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let user = rustix::process::getuid().as_raw();
    let Ok(entries) = std::fs::read_dir("/proc") else { return 4096 };
    let own = entries.flatten().filter(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().bytes().all(|b| b.is_ascii_digit())
            && entry.metadata().is_ok_and(|found| found.uid() == user)
    });
    let threads = |process: std::fs::DirEntry| {
        std::fs::read_dir(process.path().join("task")).map_or(1, |tasks| tasks.count() as u64)
    };
    own.map(threads).sum()
}

#[cfg(not(target_os = "linux"))]
fn processes_of_this_user() -> u64 {
    4096
}

/// Makes `command` confine its child before it becomes the program.
#[cfg(unix)]
pub(super) fn prepare(command: &mut Command, bounds: &Bounds) {
    command.process_group(0);
    let bounds = *bounds;
    // SAFETY: the closure runs between fork and exec, where only what is async-signal-safe may be called: `confine` makes plain
    // system calls on values that were computed before, and neither allocates, locks nor unwinds.
    unsafe {
        command.pre_exec(move || confine(&bounds));
    }
}

#[cfg(not(unix))]
pub(super) fn prepare(_: &mut Command, _: &Bounds) {}

#[cfg(unix)]
fn confine(bounds: &Bounds) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let set = |resource: Resource, most: u64| {
        // A bound is lowered, never raised: the host's own may be narrower.
        let hard = getrlimit(resource).maximum.map_or(most, |own| own.min(most));
        setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) })
    };
    set(Resource::Core, 0)?;
    set(Resource::Cpu, bounds.cpu_seconds)?;
    set(Resource::Fsize, bounds.file)?;
    set(Resource::Nofile, OPEN_FILES)?;
    #[cfg(not(target_os = "openbsd"))]
    set(Resource::As, bounds.memory)?;
    set(Resource::Nproc, bounds.processes)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    #[cfg(target_os = "linux")]
    {
        rustix::thread::set_no_new_privs(true)?;
        close_others();
    }
    Ok(())
}

/// Lets nothing through that the host has open: all but the three standard streams close when the program begins.
#[cfg(target_os = "linux")]
fn close_others() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: the call takes three integers and touches no memory; it marks descriptors of this process, which is about to
    // become another program, and closes none of them now. Kernels before 5.11 refuse it: what the host opens has the mark.
    let _ = unsafe {
        libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    };
}

/// A program and everything in its process group; stopped when dropped.
#[derive(Debug)]
pub(super) struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

#[cfg(unix)]
impl Group {
    pub(super) fn of(child: &Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        Self { leader: leader.and_then(rustix::process::Pid::from_raw) }
    }

    /// Stops them all. Once, and before the program is reaped: then its number may become another's.
    pub(super) fn kill(&mut self) {
        let Some(leader) = self.leader.take() else { return };
        // Those that left for a group of their own are found by their parents, while these live.
        for pid in descendants(leader) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(not(unix))]
impl Group {
    pub(super) fn of(_: &Child) -> Self {
        Self {}
    }

    pub(super) fn kill(&mut self) {}
}

/// Waits until the program has ended, and does not reap it.
#[cfg(unix)]
pub(super) async fn ended(child: &Child) -> std::io::Result<()> {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let Some(id) = id else { return Ok(()) };
    #[cfg(target_os = "linux")]
    if let Ok(fd) = rustix::process::pidfd_open(id, rustix::process::PidfdFlags::empty()) {
        let readable = tokio::io::Interest::READABLE;
        // SAFETY: the descriptor is owned by what it is handed to, which closes it, and nobody else has it.
        let fd = unsafe { tokio::io::unix::AsyncFd::register_with_interest(fd, readable) }?;
        fd.readable().await?.retain_ready();
        return Ok(());
    }
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(id), look)?.is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) async fn ended(_: &Child) -> std::io::Result<()> {
    Ok(())
}

/// The children of `leader`, their children and so on, as the kernel lists them.
#[cfg(target_os = "linux")]
fn descendants(leader: rustix::process::Pid) -> Vec<rustix::process::Pid> {
    let mut found = vec![leader];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        next += 1;
        let tasks = format!("/proc/{}/task", parent.as_raw_nonzero());
        let Ok(tasks) = std::fs::read_dir(tasks) else { continue };
        for task in tasks.flatten() {
            let children = std::fs::read_to_string(task.path().join("children"));
            let children = children.unwrap_or_default();
            let pids = children.split_whitespace().filter_map(|word| word.parse().ok());
            found.extend(pids.filter_map(rustix::process::Pid::from_raw));
        }
    }
    found.split_off(1)
}

#[cfg(all(unix, not(target_os = "linux")))]
fn descendants(_: rustix::process::Pid) -> Vec<rustix::process::Pid> {
    Vec::new()
}
