//! Whole processes: `longshore run` against the bare host, from `fork` to the exit, with their peak memory.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use wasmtime::error::Context as _;
use wasmtime::{Result, ensure};

use crate::stats::{as_f64, median, nanoseconds};
use crate::table::{Table, Target};
use crate::{Effort, INTERFACE};

const GROUP: &str = "A whole process: `longshore run` against a bare host";
const START: &str = "Start of a process";
const MIB: f64 = 1_048_576.0;

/// What one process took.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// From before its start to after its end, in nanoseconds.
    wall: f64,
    /// Its largest resident set, in bytes.
    peak: f64,
}

/// Where the measured programs are.
pub(crate) struct Programs {
    /// The product's binary, as it is shipped.
    pub(crate) longshore: PathBuf,
    /// The host of wasmtime alone.
    pub(crate) bare: PathBuf,
}

impl Programs {
    /// Builds the product's binary, unless `LONGSHORE_BIN` names one; the bare host lies beside this program.
    #[allow(clippy::disallowed_methods, reason = "benchmarks are configured by their environment")]
    pub(crate) fn find() -> Result<Self> {
        let beside = std::env::current_exe()?;
        let folder = beside.parent().context("a program lies in a folder")?;
        let bare = folder.join("bare-host");
        if !bare.is_file() {
            cargo(&["build", "--release", "-p", "longshore-bench", "--bin", "bare-host"])?;
        }
        let longshore = match std::env::var_os("LONGSHORE_BIN") {
            Some(named) => PathBuf::from(named),
            None => {
                cargo(&["build", "--release", "-p", "longshore-cli"])?;
                folder.join("longshore")
            }
        };
        Ok(Self { longshore, bare })
    }
}

#[allow(clippy::disallowed_methods, reason = "cargo says which cargo it is")]
fn cargo(arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(arguments)
        .current_dir(longshore_test_support::workspace())
        .status()?;
    ensure!(status.success(), "cargo {}: {status}", arguments.join(" "));
    Ok(())
}

/// Measures on the components `echo` (which returns a value) and `command` (which prints).
///
/// Comes first of all measurements: a new process counts the memory of the one that started it until it has its own, so this
/// one must still be smaller than what it measures.
pub(crate) fn measure(
    table: &mut Table,
    effort: Effort,
    programs: &Programs,
    echo: &Path,
    command: &Path,
) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let code = folder.path().join("echo.cwasm");
    let mut compile = Command::new(&programs.bare);
    compile.arg("compile").arg(echo).arg(&code);
    once(&mut compile, folder.path())?;

    let bare = || {
        let mut bare = Command::new(&programs.bare);
        bare.arg("run").arg(&code).args([INTERFACE, "to-string", "hello"]);
        bare
    };
    let run = || {
        let mut run = longshore(programs, folder.path());
        run.arg("run").arg(echo).args(["--function", "to-string", "--input", r#"{"v":"hello"}"#]);
        run
    };
    let version = || {
        let mut version = longshore(programs, folder.path());
        version.arg("--version");
        version
    };
    let (mut ours, mut theirs, mut versions) = (Vec::new(), Vec::new(), Vec::new());
    once(&mut run(), folder.path())?; // fills the cache, makes the keys and the journal
    for _ in 0..effort.processes {
        theirs.push(once(&mut bare(), folder.path())?);
        ours.push(once(&mut run(), folder.path())?);
        versions.push(once(&mut version(), folder.path())?);
    }
    let smallest = theirs.iter().map(|cost| cost.peak).fold(f64::INFINITY, f64::min);
    ensure!(own_peak()? < smallest, "this process has outgrown what it measures");

    let pairs = || ours.iter().zip(&theirs);
    let of = |costs: &[Cost], what: fn(&Cost) -> f64| median(costs.iter().map(what).collect());
    let wall = median(pairs().map(|(a, b)| a.wall / b.wall).collect());
    let peak = median(pairs().map(|(a, b)| a.peak / b.peak).collect());
    table.note(GROUP, "longshore run, wall", of(&ours, |c| c.wall) / 1e6, "ms");
    table.note(GROUP, "bare host, wall", of(&theirs, |c| c.wall) / 1e6, "ms");
    table.target(GROUP, "wall, longshore / bare", wall, "×", Target::AtMost(1.3));
    table.note(GROUP, "longshore run, peak memory", of(&ours, |c| c.peak) / MIB, "MiB");
    table.note(GROUP, "bare host, peak memory", of(&theirs, |c| c.peak) / MIB, "MiB");
    table.target(GROUP, "peak memory, longshore / bare", peak, "×", Target::AtMost(1.3));

    let first = first_instruction(effort, folder.path(), command)?;
    let version = of(&versions, |c| c.wall) / 1e6;
    table.target(START, "main to the guest's first output", first, "ms", Target::AtMost(3.0));
    table.target(START, "longshore --version, wall", version, "ms", Target::AtMost(10.0));
    let size = as_f64(usize::try_from(std::fs::metadata(&programs.longshore)?.len())?) / 1e6;
    table.target(START, "longshore, stripped", size, "MB", Target::AtMost(40.0));
    Ok(())
}

fn longshore(programs: &Programs, folder: &Path) -> Command {
    let mut command = Command::new(&programs.longshore);
    command
        .env_clear()
        .env("HOME", folder)
        .env("LONGSHORE_HOME", folder.join("home"))
        .current_dir(folder);
    command
}

/// Runs a command to its end; one that fails is no measurement.
fn once(command: &mut Command, folder: &Path) -> Result<Cost> {
    let errors = folder.join("stderr");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&errors)?);
    let begun = Instant::now();
    let child = command.spawn().with_context(|| format!("{command:?}"))?;
    let (status, peak) = wait(child.id())?;
    let wall = nanoseconds(begun.elapsed());
    let said = || std::fs::read_to_string(&errors).unwrap_or_default();
    ensure!(status == 0, "{command:?} ended with wait status {status}: {}", said());
    Ok(Cost { wall, peak })
}

/// Waits for a child: its wait status and its peak memory, which `std` does not tell.
fn wait(pid: u32) -> Result<(i32, f64)> {
    let pid = libc::pid_t::try_from(pid)?;
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: `pid` is a child that nobody else waits for (the `Child` is dropped unwaited), and both pointers are to
        // live locals of the types that wait4(2) writes.
        let waited = unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) };
        if waited == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error.into());
        }
    }
    // SAFETY: zeroed, which is a valid `rusage`, and then written by wait4.
    let usage = unsafe { usage.assume_init() };
    Ok((status, peak(&usage)?))
}

fn own_peak() -> Result<f64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a live local of the type that getrusage(2) writes.
    let done = unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    ensure!(done == 0, "getrusage: {}", io::Error::last_os_error());
    // SAFETY: zeroed, which is a valid `rusage`, and then written by getrusage.
    peak(&unsafe { usage.assume_init() })
}

/// Linux counts KiB, macOS bytes.
fn peak(usage: &libc::rusage) -> Result<f64> {
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    Ok(as_f64(usize::try_from(usage.ru_maxrss)? * unit))
}

/// The median over new processes of this program, each of which does what the command does and looks at the clock.
fn first_instruction(effort: Effort, folder: &Path, command: &Path) -> Result<f64> {
    let me = std::env::current_exe()?;
    let once = || -> Result<f64> {
        let mut child = Command::new(&me);
        child.arg(crate::first::FLAG).arg(folder.join("first-home")).arg(command);
        let output = child.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{child:?}: {said}");
        Ok(String::from_utf8(output.stdout)?.trim().parse::<f64>()? / 1e6)
    };
    once()?; // fills the cache
    let times = (0..effort.processes).map(|_| once()).collect::<Result<Vec<_>>>()?;
    Ok(median(times))
}
