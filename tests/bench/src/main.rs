//! `just bench`: Longshore against wasmtime alone, side by side in one run, as ratios of medians. See docs/benchmarks.md.
//!
//! Measures only through the public interfaces of the product, and decides nothing about it.

mod cache;
mod compute;
mod crowd;
mod durable;
mod egress;
mod first;
mod harbour;
mod limits;
mod policy;
mod process;
mod product;
mod raw;
mod stats;
mod table;
mod values;
mod warm;

use std::io::Write as _;
use std::time::{Duration, Instant};

use wasmtime::{Result, bail};

/// The interface of the guest that is called.
const INTERFACE: &str = "fixtures:echo/echo@0.1.0";

const USAGE: &str = "\
usage: longshore-bench [--json] [--quick] [--strict] [--only GROUP]...
  --json    the table as JSON
  --quick   fewer rounds: to see that it works, not to quote
  --strict  exit with 1 when a target is missed
  --only    process, warm, values, cache, policy, egress, limits, compute, crowd, durable, or steps (of durable)";

/// What can be measured by itself.
const GROUPS: [&str; 11] = [
    "process", "warm", "values", "cache", "policy", "egress", "limits", "compute", "crowd",
    "durable", "steps",
];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// Rounds, of which each side has its own in turn.
    rounds: usize,
    /// Calls in a round.
    calls: usize,
    /// Processes of each kind.
    processes: usize,
    /// How long one throughput measurement takes.
    slice: Duration,
}

#[derive(Default)]
struct Options {
    json: bool,
    quick: bool,
    strict: bool,
    only: Vec<String>,
}

fn main() -> Result<std::process::ExitCode> {
    let begun = Instant::now();
    let arguments = std::env::args_os().skip(1).collect::<Vec<_>>();
    if arguments.first().is_some_and(|first| first == first::FLAG) {
        first::run(begun, &arguments[1..])?;
        return Ok(std::process::ExitCode::SUCCESS);
    }
    let Some(options) = options(&arguments)? else {
        writeln!(std::io::stdout(), "{USAGE}")?;
        return Ok(std::process::ExitCode::SUCCESS);
    };
    let table = measure(&options)?;
    let mut stdout = std::io::stdout();
    if options.json {
        writeln!(stdout, "{:#}", table.json())?;
    } else {
        write!(stdout, "{}", table.text())?;
    }
    let failed = options.strict && !table.all_met();
    Ok(std::process::ExitCode::from(u8::from(failed)))
}

fn options(arguments: &[std::ffi::OsString]) -> Result<Option<Options>> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--json") => options.json = true,
            Some("--quick") => options.quick = true,
            Some("--strict") => options.strict = true,
            Some("--help" | "-h") => return Ok(None),
            Some("--only") => match arguments.next().and_then(|group| group.to_str()) {
                Some(group) if GROUPS.contains(&group) => options.only.push(group.to_owned()),
                _ => bail!("--only needs the name of a group\n{USAGE}"),
            },
            _ => bail!("`{}` is not an option\n{USAGE}", argument.display()),
        }
    }
    Ok(Some(options))
}

fn measure(options: &Options) -> Result<table::Table> {
    let effort = match options.quick {
        true => Effort { rounds: 3, calls: 100, processes: 5, slice: Duration::from_millis(50) },
        false => {
            Effort { rounds: 21, calls: 500, processes: 41, slice: Duration::from_millis(300) }
        }
    };
    let wanted = |group: &str| options.only.is_empty() || options.only.iter().any(|o| o == group);
    let mut table = table::Table::default();
    if options.only == ["policy"] {
        policy::measure(&mut table, effort)?;
        return Ok(table);
    }
    if options.only == ["durable"] || options.only == ["steps"] {
        durable::measure(&mut table, effort, options.only == ["durable"])?;
        return Ok(table);
    }
    let echo = guest("echo", "guest-echo");
    if wanted("process") {
        let programs = process::Programs::find()?;
        let command = guest("command", "guest-command");
        process::measure(&mut table, effort, &programs, &echo, &command)?;
    }
    let home = tempfile::tempdir()?;
    if wanted("warm") {
        warm::measure(&mut table, effort, home.path(), &echo)?;
    }
    if wanted("values") {
        values::measure(&mut table, effort, home.path(), &echo)?;
    }
    if wanted("cache") {
        cache::measure(&mut table, effort, &echo)?;
    }
    if wanted("policy") {
        policy::measure(&mut table, effort)?;
    }
    if wanted("egress") {
        let guest = guest("egress", "guest-egress");
        egress::measure(&mut table, effort, home.path(), &guest)?;
    }
    if wanted("limits") {
        limits::measure(&mut table, effort, &echo)?;
    }
    if wanted("compute") {
        compute::measure(&mut table, effort, home.path())?;
    }
    if wanted("crowd") {
        crowd::measure(&mut table, effort, home.path(), &echo)?;
    }
    if wanted("durable") {
        durable::measure(&mut table, effort, true)?;
    }
    Ok(table)
}

fn guest(folder: &str, package: &str) -> std::path::PathBuf {
    let folder = longshore_test_support::workspace().join("tests/guests").join(folder);
    longshore_test_support::guests::build_in(&folder, package)
}
