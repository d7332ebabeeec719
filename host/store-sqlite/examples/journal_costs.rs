//! What the journal costs: per record, per run in memory, per run and per sync in SQLite, and to
//! open the file.
//!
//! `cargo run --release -p longshore-store-sqlite --example journal_costs -- FOLDER`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_journal::{Durability, Journal, SealedReceipt, Store};
use longshore_model::{CallEnded, Clock, Event, Json, Outcome, Timestamp, Usage};
use longshore_reference::Digest;
use longshore_store_contract::{Appends, call, end, run_id, runtime, start};
use longshore_store_sqlite::SqliteStore;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_us(1_700_000_000_000_000)
    }
}

fn ended(n: u32) -> Event {
    let outcome = Outcome::Ok(Json::null());
    Event::CallEnded(CallEnded { call: n, outcome, usage: Usage::default() })
}

fn report(what: &str, time: Duration, count: u32) {
    println!("{:>12.3} µs  {what}", time.as_secs_f64() * 1e6 / f64::from(count));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn in_memory() {
    let journal = Journal::in_memory(Arc::new(Still));
    let records = 200_000;
    let run = journal.open(start(run_id(0))).await.unwrap();
    let began = Instant::now();
    for n in 0..records {
        run.record(call(n)).unwrap();
    }
    report("one record (call-started), in memory", began.elapsed(), records);
    let runs = 50_000;
    let starts: Vec<_> = (1..=runs).map(|n| start(run_id(u64::from(n)))).collect();
    let began = Instant::now();
    for start in starts {
        let run = journal.open(start).await.unwrap();
        run.record(call(0)).unwrap();
        run.record(ended(0)).unwrap();
        run.close(end()).await.unwrap();
    }
    report("one run of four entries, in memory", began.elapsed(), runs);
}

/// A process's whole life: open, one run, one receipt, close.
async fn life(path: &Path, n: u64) -> [Duration; 3] {
    let began = Instant::now();
    let store = Arc::new(SqliteStore::open(path).unwrap());
    store.ready().await.unwrap();
    let opened = began.elapsed();
    let journal = Journal::new(store, Arc::new(Still));
    let run = journal.open(start(run_id(n))).await.unwrap();
    run.record(call(0)).unwrap();
    run.record(ended(0)).unwrap();
    let closed = run.close(end()).await.unwrap();
    let history = closed.history().await.unwrap();
    let bytes = history.head().to_string().into_bytes();
    let sealer = Box::new(move |_| Ok(SealedReceipt { digest: Digest::of(&bytes), bytes }));
    journal.seal(&closed, sealer).await.unwrap();
    let sealed = began.elapsed();
    drop((run, closed, journal));
    [opened, sealed, began.elapsed()]
}

async fn in_sqlite(folder: PathBuf) {
    let path = folder.join("costs.db");
    let mut lives = Vec::new();
    for n in 0..200 {
        lives.push(life(&path, n).await);
    }
    let of = |index: usize| median(lives.iter().map(|life| life[index]).collect());
    report("open an existing file", of(0), 1);
    report("… and one pure run with its receipt", of(1), 1);
    report("… and close it", of(2), 1);

    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let mut appends = Appends::new(run_id(1_000));
    let mut times = Vec::new();
    for _ in 0..500 {
        let began = Instant::now();
        store.append(appends.add(2, 300, Durability::Synced)).await.unwrap();
        times.push(began.elapsed());
    }
    report("a synced append of two records, one run (median)", median(times), 1);
    let began = Instant::now();
    let tasks: Vec<_> = (0..64_u64)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut appends = Appends::new(run_id(2_000 + n));
                for _ in 0..100 {
                    store.append(appends.add(2, 300, Durability::Synced)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    report("the same, 64 runs at once", began.elapsed(), 6_400);

    let journal = Journal::new(store, Arc::new(Still));
    let run = journal.open(start(run_id(5_000))).await.unwrap();
    for n in 0..20_000 {
        run.record(call(n)).unwrap();
    }
    run.close(end()).await.unwrap();
    let began = Instant::now();
    journal.read(run_id(5_000)).await.unwrap();
    report("one entry read back, checked and decoded", began.elapsed(), 20_002);
}

fn main() {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder).unwrap();
    runtime().block_on(async {
        in_memory().await;
        in_sqlite(folder.path().to_owned()).await;
    });
}
