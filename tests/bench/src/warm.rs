//! A warm call of a small action: through the whole path, and as wasmtime alone would make it; and where the difference goes.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore::{Request, Target as Named};
use longshore_journal::{Chain, Journal};
use longshore_model::{
    CallEnded, CallStarted, ComponentIdentity, Event, GrantRecord, Json, Outcome, RunId,
    RunStarted, Timestamp, Usage,
};
use longshore_reference::Digest;
use wasmtime::Result;
use wasmtime::component::Val;

use crate::product::{self, Callee, Product};
use crate::raw::{Metering, Raw};
use crate::stats::{
    self, Round, as_f64, median, ratio, ratio_of_means, round, round_sync, typical,
};
use crate::table::{Table, Target};
use crate::{Effort, INTERFACE};

const GROUP: &str = "Warm call of a small action";
const PARTS: &str = "Where the microseconds of a warm call go";
const THREADS: &str = "Two threads against one";

/// Measures all of it on the component in `file`.
pub(crate) fn measure(table: &mut Table, effort: Effort, home: &Path, file: &Path) -> Result<()> {
    let bytes = std::fs::read(file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let product = Arc::new(runtime.block_on(Product::new(home, file))?);
    let raw = Arc::new(Raw::new(&bytes, Metering::Epochs)?);
    let bare = Raw::new(&bytes, Metering::None)?;
    let ours = runtime.block_on(calls(table, effort, &product, &raw, &bare))?;
    runtime.block_on(parts(table, effort, &product, &raw, ours))?;
    runtime.block_on(whole_run(table, effort, &product, file))?;
    threads(table, effort, &product, &raw)
}

fn callee(product: &Product) -> Result<Callee> {
    product.callee("to-u32", r#"{"v": 7}"#)
}

async fn calls(
    table: &mut Table,
    effort: Effort,
    product: &Product,
    raw: &Raw,
    bare: &Raw,
) -> Result<f64> {
    let callee = callee(product)?;
    let params = [Val::U32(7)];
    let (index, bare_index) = (raw.export(INTERFACE, "to-u32")?, bare.export(INTERFACE, "to-u32")?);
    let (mut ours, mut theirs, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for warm_up in [true, false] {
        for _ in 0..if warm_up { 1 } else { effort.rounds } {
            let session = product.session().await?;
            ours.push(round(effort.calls, async || callee.call(&session).await).await);
            product::close(session).await?;
            raw.tick(true);
            theirs.push(round(effort.calls, async || must(raw.call(&index, &params).await)).await);
            raw.tick(false);
            without.push(
                round(effort.calls, async || must(bare.call(&bare_index, &params).await)).await,
            );
        }
        if warm_up {
            for rounds in [&mut ours, &mut theirs, &mut without] {
                rounds.clear();
            }
        }
    }
    table.note(GROUP, "Longshore, whole path", typical(&ours) / 1e3, "µs");
    table.note(GROUP, "wasmtime alone, epochs on", typical(&theirs) / 1e3, "µs");
    table.note(GROUP, "wasmtime alone, epochs off", typical(&without) / 1e3, "µs");
    let at_most = Target::AtMost(1.25);
    table.target(GROUP, "Longshore / wasmtime, epochs on", ratio(&ours, &theirs), "×", at_most);
    table.note(GROUP, "the same of the means", ratio_of_means(&ours, &theirs), "×");
    table.note(GROUP, "Longshore / wasmtime, epochs off", ratio(&ours, &without), "×");
    Ok(typical(&ours))
}

fn must(values: Result<Vec<Val>>) {
    let values = values.unwrap_or_else(|error| unreachable!("the call fails: {error:#}"));
    assert!(matches!(values[..], [Val::U32(7)]), "{values:?}");
}

/// Each part by itself. What is left over is the sandbox's own frame: scene, limits, streams, the handles of the epochs.
async fn parts(
    table: &mut Table,
    effort: Effort,
    product: &Product,
    raw: &Raw,
    ours: f64,
) -> Result<()> {
    let index = raw.export(INTERFACE, "to-u32")?;
    let params = [Val::U32(7)];
    let mut seen = Vec::new();
    raw.tick(true);
    for _ in 0..effort.rounds * effort.calls {
        seen.push(raw.timed(&index, &params).await?);
    }
    raw.tick(false);
    let of = |part: fn(&crate::raw::Parts) -> f64| median(seen.iter().map(part).collect());
    let wasmtime = [
        ("wasmtime: store with its WASI context", of(|p| p.store)),
        ("wasmtime: instantiate", of(|p| p.instantiate)),
        ("wasmtime: call", of(|p| p.call)),
        ("wasmtime: drop", of(|p| p.drop)),
    ];
    let journal = journal(effort, product).await?;
    let mut known = 0.0;
    for (name, nanoseconds) in wasmtime.iter().chain(&journal.counted) {
        table.note(PARTS, name, nanoseconds / 1e3, "µs");
        known += nanoseconds;
    }
    table.note(PARTS, "the rest: scene, limits, streams, deadline", (ours - known) / 1e3, "µs");
    for (name, nanoseconds) in &journal.within {
        table.note(PARTS, name, nanoseconds / 1e3, "µs");
    }
    Ok(())
}

struct JournalParts {
    /// What a call pays.
    counted: Vec<(&'static str, f64)>,
    /// What is inside of that.
    within: Vec<(&'static str, f64)>,
}

async fn journal(effort: Effort, product: &Product) -> Result<JournalParts> {
    let callee = callee(product)?;
    let events = events(product, &callee);
    let (mut first, mut second, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for round_number in 0..effort.rounds {
        let run = open(product.host.journal(), round_number).await?;
        let times = |rounds: &mut Vec<Round>, event: &Event| {
            let copies = vec![event.clone(); effort.calls];
            let mut copies = copies.into_iter();
            rounds.push(round_sync(effort.calls, || {
                if let Some(event) = copies.next() {
                    run.record(event).unwrap_or_else(|error| unreachable!("{error}"));
                }
            }));
        };
        times(&mut first, &events.0);
        times(&mut second, &events.1);
    }
    serde_json::to_writer(&mut bytes, &events.0)?;
    let mut chain = Chain::new();
    let hash = round_sync(effort.calls * effort.rounds, || {
        black_box(chain.push(black_box(&bytes)));
    });
    let mut buffer = Vec::with_capacity(4 << 10);
    let encode = round_sync(effort.calls * effort.rounds, || {
        buffer.clear();
        let _ = serde_json::to_writer(&mut buffer, black_box(&events.0));
        black_box(&buffer);
    });
    let signature = callee.function.signature()?;
    let values = [Val::U32(7)];
    let json = round_sync(effort.calls * effort.rounds, || {
        let returned = signature.encode_outcome(black_box(&values), 16 << 20);
        if let Ok(longshore_engine::value::Returned::Ok(text)) = returned {
            let _ = black_box(Json::parse(text));
        }
    });
    Ok(JournalParts {
        counted: vec![
            ("journal: the intent of the call", typical(&first)),
            ("journal: its result", typical(&second)),
            ("JSON of the result", json.median),
        ],
        within: vec![
            ("(within one entry: encoding)", encode.median),
            ("(within one entry: SHA-256 of the chain)", hash.median),
        ],
    })
}

fn events(product: &Product, callee: &Callee) -> (Event, Event) {
    let started = Event::CallStarted(CallStarted {
        call: 1_000,
        parent: None,
        component: product.prepared.ready().compiled().digest(),
        function: callee.function.path().to_owned(),
        input: Digest::of(b"7"),
        input_bytes: 8,
        attempt: 1,
    });
    let usage = Usage { wall_us: 17, memory_bytes: 1_114_112, ..Usage::default() };
    let outcome = Outcome::Ok(Json::parse("7").unwrap_or_else(|_| Json::null()));
    (started, Event::CallEnded(CallEnded { call: 1_000, outcome, usage }))
}

async fn open(journal: &Journal, number: usize) -> Result<longshore_journal::Run> {
    let mut entropy = [0; 10];
    entropy[2..].copy_from_slice(&number.to_be_bytes());
    let start = RunStarted {
        run: RunId::new(Timestamp::default(), entropy),
        component: ComponentIdentity {
            digest: Digest::of(b"bench"),
            reference: "bench".to_owned(),
            manifest: None,
            signers: Vec::new(),
        },
        function: "*".to_owned(),
        dependencies: Vec::new(),
        grant: GrantRecord::default(),
        policy: Digest::of(b"bench"),
        input: Json::null(),
        engine: "bench".to_owned(),
        host: "bench".to_owned(),
        seed: None,
        parent: None,
        continues: None,
    };
    Ok(journal.open(start).await?)
}

/// A run of one call from the file's name to the sealed receipt: read, hash, verify, grant, link, call, journal, sign.
async fn whole_run(
    table: &mut Table,
    effort: Effort,
    product: &Product,
    file: &Path,
) -> Result<()> {
    let request = Request::new(Named::File(file.to_owned()), r#"{"v": 7}"#).function("to-u32");
    let mut rounds = Vec::new();
    for _ in 0..effort.rounds {
        rounds.push(
            round(effort.calls / 10, async || {
                let report = product.host.request(&request).await;
                let report = report.unwrap_or_else(|error| unreachable!("{error}"));
                assert!(report.outcome.is_ok(), "{:?}", report.outcome);
            })
            .await,
        );
    }
    table.note(
        GROUP,
        "a whole run of one call, file to signed receipt",
        typical(&rounds) / 1e3,
        "µs",
    );
    Ok(())
}

/// How many calls a second one task makes, and two tasks on two threads.
fn threads(
    table: &mut Table,
    effort: Effort,
    product: &Arc<Product>,
    raw: &Arc<Raw>,
) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (mut ours, mut theirs, mut rate) = (Vec::new(), Vec::new(), Vec::new());
    let mut control = Vec::new();
    for _ in 0..effort.rounds {
        let one = runtime.block_on(control_rate(1, effort.slice))?;
        control.push(runtime.block_on(control_rate(2, effort.slice))? / one);
        let one = runtime.block_on(product_rate(product, 1, effort.slice))?;
        let two = runtime.block_on(product_rate(product, 2, effort.slice))?;
        ours.push(two / one);
        rate.push(two);
        raw.tick(true);
        let one = runtime.block_on(raw_rate(raw, 1, effort.slice))?;
        let two = runtime.block_on(raw_rate(raw, 2, effort.slice))?;
        raw.tick(false);
        theirs.push(two / one);
    }
    table.note(THREADS, "Longshore, calls a second on two threads", median(rate), "/s");
    table.target(THREADS, "Longshore, two threads / one", median(ours), "×", Target::AtLeast(1.8));
    table.note(THREADS, "wasmtime alone, two threads / one", median(theirs), "×");
    table.note(THREADS, "a loop in registers, two threads / one", median(control), "×");
    Ok(())
}

/// What the machine gives two threads that share nothing and ask nothing of the system: the most that a ratio can be here.
async fn control_rate(tasks: usize, slice: Duration) -> Result<f64> {
    let mut running = tokio::task::JoinSet::new();
    let begun = Instant::now();
    for _ in 0..tasks {
        running.spawn(async move {
            let (mut turns, mut state) = (0_usize, 1_u64);
            while begun.elapsed() < slice {
                // About as long as a call.
                for _ in 0..5_000 {
                    state = black_box(state ^ (state << 13) ^ (state >> 7));
                }
                turns += 1;
            }
            Ok(turns)
        });
    }
    total(running, begun).await
}

async fn product_rate(product: &Arc<Product>, tasks: usize, slice: Duration) -> Result<f64> {
    let mut running = tokio::task::JoinSet::new();
    let begun = Instant::now();
    for _ in 0..tasks {
        let product = Arc::clone(product);
        running.spawn(async move {
            let callee = callee(&product)?;
            let session = product.session().await?;
            let mut calls = 0_usize;
            while begun.elapsed() < slice {
                callee.call(&session).await;
                calls += 1;
            }
            product::close(session).await?;
            Ok(calls)
        });
    }
    total(running, begun).await
}

async fn raw_rate(raw: &Arc<Raw>, tasks: usize, slice: Duration) -> Result<f64> {
    let mut running = tokio::task::JoinSet::new();
    let begun = Instant::now();
    for _ in 0..tasks {
        let raw = Arc::clone(raw);
        running.spawn(async move {
            let index = raw.export(INTERFACE, "to-u32")?;
            let mut calls = 0_usize;
            while begun.elapsed() < slice {
                must(raw.call(&index, &[Val::U32(7)]).await);
                calls += 1;
            }
            Ok(calls)
        });
    }
    total(running, begun).await
}

async fn total(mut running: tokio::task::JoinSet<Result<usize>>, begun: Instant) -> Result<f64> {
    let mut calls = 0;
    while let Some(done) = running.join_next().await {
        calls += done??;
    }
    Ok(as_f64(calls) * 1e9 / stats::nanoseconds(begun.elapsed()))
}
