//! `just sim`: many seeds, on all processors, with progress; a failing one prints the line that repeats it.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use longshore_sim::{Harbour, Stage, play, play_boundaries};

const USAGE: &str = "\
usage: longshore-sim [--seeds N] [--from N] [--jobs N] | --seed N | --boundaries N
  --seeds N       how many seeds, 10000 if this is not said
  --from N        the first of them, 0 if this is not said
  --jobs N        how many at once, one for each processor if this is not said
  --seed N        this one, with what came of it
  --boundaries N  this one, with a death at each of its records";

struct Options {
    seeds: u64,
    from: u64,
    jobs: usize,
    boundaries: bool,
    one: bool,
}

fn options() -> Result<Option<Options>, String> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options { seeds: 10_000, from: 0, jobs, boundaries: false, one: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64, String> {
            let next = words.next().ok_or_else(|| format!("`{word}` needs a number\n{USAGE}"))?;
            next.parse().map_err(|_| format!("`{next}` is no number\n{USAGE}"))
        };
        match word.as_str() {
            "--seeds" => options.seeds = number()?,
            "--from" => options.from = number()?,
            "--jobs" => options.jobs = usize::try_from(number()?).unwrap_or(1).max(1),
            "--seed" | "--boundaries" => {
                (options.from, options.seeds, options.jobs, options.one) = (number()?, 1, 1, true);
                options.boundaries = word == "--boundaries";
            }
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("`{word}` is not an option\n{USAGE}")),
        }
    }
    Ok(Some(options))
}

/// What all threads share.
#[derive(Default)]
struct Score {
    next: AtomicU64,
    done: AtomicU64,
    records: AtomicU64,
    runs: AtomicUsize,
    effects: AtomicUsize,
    hosts: AtomicUsize,
    virtual_s: AtomicU64,
    failed: Mutex<Vec<u64>>,
}

impl Score {
    fn line(&self) -> String {
        let read = |n: &AtomicUsize| n.load(Ordering::Relaxed);
        format!(
            "{} seeds, {} hosts, {} runs, {} records, {} effects, {} h of virtual time, {} failed",
            self.done.load(Ordering::Relaxed),
            read(&self.hosts),
            read(&self.runs),
            self.records.load(Ordering::Relaxed),
            read(&self.effects),
            self.virtual_s.load(Ordering::Relaxed) / 3_600,
            self.failed.lock().map_or(0, |failed| failed.len()),
        )
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn worker(harbour: &Harbour, options: &Options, score: &Score) {
    let stage = Stage::new(harbour).telling(options.one && !options.boundaries);
    loop {
        let place = score.next.fetch_add(1, Ordering::Relaxed);
        if place >= options.seeds {
            return;
        }
        let seed = options.from + place;
        let played = catch_unwind(AssertUnwindSafe(|| match options.boundaries {
            true => play_boundaries(&stage, seed).map(|records| {
                say(&format!("seed {seed}: dies at each of {records} records"));
            }),
            false => play(&stage, seed).map(|tale| {
                score.records.fetch_add(tale.records, Ordering::Relaxed);
                score.runs.fetch_add(tale.runs, Ordering::Relaxed);
                score.effects.fetch_add(tale.effects, Ordering::Relaxed);
                score.hosts.fetch_add(tale.hosts, Ordering::Relaxed);
                score.virtual_s.fetch_add(tale.passed.as_secs(), Ordering::Relaxed);
                if options.one {
                    say(&format!("seed {seed}: {tale:#?}"));
                }
            }),
        }));
        score.done.fetch_add(1, Ordering::Relaxed);
        let wrong = match played {
            Ok(Ok(())) => continue,
            Ok(Err(wrong)) => wrong,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                format!("a panic: {}", text.unwrap_or("of no text"))
            }
        };
        let how = if options.boundaries { "--boundaries" } else { "--seed" };
        say(&format!("FAILED: just sim {how} {seed}   # {wrong}"));
        score.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(seed);
    }
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            say(USAGE);
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            say(&wrong);
            return ExitCode::from(2);
        }
    };
    let harbour = Harbour::new();
    let (score, began) = (Score::default(), Instant::now());
    std::thread::scope(|scope| {
        let jobs = options.jobs.min(usize::try_from(options.seeds).unwrap_or(usize::MAX));
        let workers: Vec<_> =
            (0..jobs).map(|_| scope.spawn(|| worker(&harbour, &options, &score))).collect();
        let mut told = Instant::now();
        while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(50));
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                say(&format!("{:>5} s: {}", began.elapsed().as_secs(), score.line()));
            }
        }
    });
    let failed = score.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).len();
    say(&format!("{:>5} s: {}", began.elapsed().as_secs(), score.line()));
    ExitCode::from(u8::from(failed > 0))
}
