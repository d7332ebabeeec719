//! Durable workflows: steps with and without effects against what the disk can do, repeating, resuming, and many runs that sleep.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore::{Longshore, Report, Resume};
use longshore_journal::RunState;
use longshore_model::RunId;
use longshore_store_sqlite::SqliteStore;
use wasmtime::Result;

use crate::Effort;
use crate::harbour::Harbour;
use crate::stats::{as_f64, median};
use crate::table::{Table, Target};

const STEPS: &str = "Durable workflows: steps";
const AGAIN: &str = "Durable workflows: repeating";
const ASLEEP: &str = "Durable workflows: asleep";

/// Runs at once.
const AT_ONCE: usize = 64;
/// A page as SQLite writes it.
const PAGE: usize = 4_096;
/// Longer than any measurement.
const PATIENT: Duration = Duration::from_secs(3_600);

/// So many steps without effects (`Repeat` of one `Pure`), and what comes after them.
fn pure(steps: usize, after: &str) -> String {
    let ops = if after.is_empty() { 1 } else { 2 };
    format!("[{ops},18,{steps},1,2,7{after}]")
}

/// So many steps with an effect each (`Repeat` of one `Effect`).
fn effects(steps: usize) -> String {
    format!("[1,18,{steps},1,0,7]")
}

/// Waits for a signal on channel 0.
const SIGNAL: &str = ",10,0";

/// Measures the steps, or `all` of it, on the disk that has the temporary folder.
pub(crate) fn measure(table: &mut Table, effort: Effort, all: bool) -> Result<()> {
    let harbour = Harbour::new()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir_in(harbour.home.path())?;
        let store = Arc::new(SqliteStore::open(folder.path().join("steps.db"))?);
        let host = harbour.host(store, PATIENT)?;
        without_effects(table, effort, &harbour, &host).await?;
        one_by_one(table, effort, &harbour, &host, folder.path()).await?;
        at_once(table, effort, &harbour, &host, folder.path()).await?;
        if !all {
            return Ok(());
        }
        again(table, effort, &harbour, folder.path()).await?;
        asleep(table, effort, &harbour, folder.path()).await
    })
}

async fn run(harbour: &Harbour, host: &Longshore, ops: &str) -> Result<(Report, f64)> {
    let request = harbour.request(ops)?;
    let begun = Instant::now();
    let report = host.request(&request).await?;
    let seconds = begun.elapsed().as_secs_f64();
    assert!(report.outcome.is_ok(), "{:?}", report.outcome);
    Ok((report, seconds))
}

async fn without_effects(
    table: &mut Table,
    effort: Effort,
    harbour: &Harbour,
    host: &Longshore,
) -> Result<()> {
    let steps = effort.calls * 20;
    let (mut rates, mut frame) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds.min(5) {
        frame.push(run(harbour, host, &pure(0, "")).await?.1);
        let (_, seconds) = run(harbour, host, &pure(steps, "")).await?;
        rates.push(as_f64(steps) / (seconds - frame[frame.len() - 1]));
    }
    table.note(STEPS, "a run without a step", median(frame) * 1e3, "ms");
    let (name, least) = ("without effects, one run, sequential", Target::AtLeast(15_000.0));
    table.target(STEPS, name, median(rates), "steps/s", least);
    Ok(())
}

/// How often a second a page is appended to a file and synced.
fn syncs(file: &mut std::fs::File, times: usize) -> Result<f64> {
    let page = vec![0x5a; PAGE];
    let begun = Instant::now();
    for _ in 0..times {
        file.write_all(&page)?;
        file.sync_data()?;
    }
    Ok(as_f64(times) / begun.elapsed().as_secs_f64())
}

async fn one_by_one(
    table: &mut Table,
    effort: Effort,
    harbour: &Harbour,
    host: &Longshore,
    folder: &Path,
) -> Result<()> {
    let steps = effort.calls;
    let mut file = std::fs::File::create(folder.join("syncs"))?;
    let (mut ours, mut disk, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds.min(9) {
        let before = syncs(&mut file, steps / 2)?;
        let (_, seconds) = run(harbour, host, &effects(steps)).await?;
        let after = syncs(&mut file, steps / 2)?;
        let (rate, syncs) = (as_f64(steps) / seconds, f64::midpoint(before, after));
        ours.push(rate);
        disk.push(syncs);
        ratios.push(rate / syncs);
    }
    table.note(STEPS, "with an effect each, one run, sequential", median(ours), "steps/s");
    table.note(STEPS, "the disk: a page appended and synced", median(disk), "/s");
    let name = "with an effect each / the disk's syncs";
    table.target(STEPS, name, median(ratios), "×", Target::AtLeast(0.8));
    Ok(())
}

async fn at_once(
    table: &mut Table,
    effort: Effort,
    harbour: &Harbour,
    host: &Longshore,
    folder: &Path,
) -> Result<()> {
    let steps = effort.calls / 5;
    let (mut ours, mut ratios) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds.min(5) {
        let begun = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (host, request) = (host.clone(), harbour.request(&effects(steps))?);
            tasks.spawn(async move { host.request(&request).await });
        }
        let mut runs = Vec::new();
        while let Some(report) = tasks.join_next().await {
            runs.push(report??.run);
        }
        let rate = as_f64(steps * AT_ONCE) / begun.elapsed().as_secs_f64();
        let seconds = inserted(host, &runs, folder, round).await?;
        ours.push(rate);
        ratios.push(rate / (as_f64(steps * AT_ONCE) / seconds));
    }
    table.note(STEPS, "with an effect each, 64 runs at once", median(ours), "steps/s");
    let name = "64 runs at once / SQLite's own batched inserts of the same bytes";
    table.target(STEPS, name, median(ratios), "×", Target::AtLeast(0.5));
    Ok(())
}

/// How long SQLite takes to insert what these runs recorded: an entry of each run to a transaction, each transaction synced.
async fn inserted(host: &Longshore, runs: &[RunId], folder: &Path, round: usize) -> Result<f64> {
    let mut columns = Vec::new();
    for run in runs {
        columns.push(host.journal().all_records(*run).await?);
    }
    let mut database = rusqlite::Connection::open(folder.join(format!("plain-{round}.db")))?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE entries (run BLOB, \
         seq INTEGER, at INTEGER, hash BLOB, bytes BLOB, PRIMARY KEY (run, seq)) WITHOUT ROWID;",
    )?;
    let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
    let begun = Instant::now();
    // A step with an effect is four entries; one sync is shared by a step of each run.
    for step in (0..longest).step_by(4) {
        let transaction = database.transaction()?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5)")?;
            for (run, records) in runs.iter().zip(&columns) {
                for record in records.iter().skip(step).take(4) {
                    insert.execute(rusqlite::params![
                        &run.as_bytes()[..],
                        i64::try_from(record.seq).unwrap_or(0),
                        i64::try_from(record.at.unix_us()).unwrap_or(0),
                        &record.hash.as_bytes()[..],
                        &record.bytes[..],
                    ])?;
                }
            }
        }
        transaction.commit()?;
    }
    Ok(begun.elapsed().as_secs_f64())
}

async fn until_waiting(host: &Longshore, run: RunId) -> Result<()> {
    loop {
        let row = host.journal().summary(run).await?;
        if row.is_some_and(|row| row.state == RunState::Waiting) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn again(table: &mut Table, effort: Effort, harbour: &Harbour, folder: &Path) -> Result<()> {
    let steps = effort.calls * 20;
    let store = Arc::new(SqliteStore::open(folder.join("again.db"))?);
    let (mut resumed, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds.min(5) {
        // On a runtime of its own, which goes with all that watches the run.
        let run = tokio::task::block_in_place(|| {
            let apart = tokio::runtime::Runtime::new()?;
            let run = apart.block_on(async {
                let first = harbour.host(store.clone(), Duration::ZERO)?;
                let running = first.start(harbour.request(&pure(steps, SIGNAL))?).await?;
                let run = running.id();
                until_waiting(&first, run).await?;
                Ok::<_, wasmtime::Error>(run)
            });
            apart.shutdown_background();
            run
        })?;
        let host = harbour.host(store.clone(), PATIENT)?;
        // Code is loaded, as it is in a host that has worked before.
        host.prepare(&harbour.target(), &longshore::policy::Policy::default()).await.ok();
        let begun = Instant::now();
        let verdict = host.rehearse(run, &harbour.target()).await?;
        rates.push(as_f64(steps) / begun.elapsed().as_secs_f64());
        assert!(verdict.is_good(), "{verdict:?}");
        host.signal(run, "channel-0", "[1]", None).await?;
        let begun = Instant::now();
        let report = match host.resume(run, Resume::default()).await {
            Ok(running) => running.finish().await?,
            Err(error) => return Err(error.into()),
        };
        resumed.push(begun.elapsed().as_secs_f64());
        assert!(report.outcome.is_ok(), "{:?}", report.outcome);
    }
    table.target(AGAIN, "repeating", median(rates), "steps/s", Target::AtLeast(50_000.0));
    let name = format!("a run of {steps} steps goes on, and ends");
    table.target(AGAIN, &name, median(resumed) * 1e3, "ms", Target::AtMost(300.0));
    Ok(())
}

/// Resident memory, in bytes.
fn resident() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = text.split(' ').nth(1).unwrap_or("0").parse()?;
    Ok(as_f64(pages * PAGE))
}

async fn asleep(table: &mut Table, effort: Effort, harbour: &Harbour, folder: &Path) -> Result<()> {
    let count = effort.calls * 200;
    let store = Arc::new(SqliteStore::open(folder.join("asleep.db"))?);
    let host = harbour.host(store, Duration::ZERO)?;
    let before = resident()?;
    let ops = format!("[1{SIGNAL}]");
    let (mut watched, mut last) = (Vec::new(), None);
    let mut tasks = tokio::task::JoinSet::new();
    for place in 0..count {
        let (host, request) = (host.clone(), harbour.request(&ops)?);
        tasks.spawn(async move { (place, host.start(request).await) });
        if tasks.len() < AT_ONCE && place + 1 < count {
            continue;
        }
        while let Some(started) = tasks.join_next().await {
            let (place, running) = started?;
            let running = running?;
            last = Some(running.id());
            if place % (count / 200).max(1) == 0 {
                watched.push(running);
            }
        }
    }
    if let Some(run) = last {
        until_waiting(&host, run).await?;
    }
    for running in &watched {
        until_waiting(&host, running.id()).await?;
    }
    // Those that were started last may still be on their way out of memory.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = resident()?;
    let name = format!("{count} sleeping runs: resident memory of the process");
    table.target(ASLEEP, &name, used / f64::from(1 << 20), "MiB", Target::AtMost(1_024.0));
    let each = (used - before) / as_f64(count);
    table.note(ASLEEP, "for each of them", each, "bytes");
    let mut woken = Vec::new();
    for running in watched {
        let begun = Instant::now();
        host.signal(running.id(), "channel-0", "[1]", None).await?;
        let report = running.finish().await?;
        woken.push(begun.elapsed().as_secs_f64() * 1e3);
        assert!(report.outcome.is_ok(), "{:?}", report.outcome);
    }
    table.target(ASLEEP, "one is woken, and ends", median(woken), "ms", Target::AtMost(10.0));
    Ok(())
}
