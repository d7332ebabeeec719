//! Many guests at once on two threads: how long after its deadline a guest in a tight loop is stopped, and how long the small
//! calls of a neighbour take meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use longshore::policy::Policy;
use longshore::{Longshore, Target as Named};
use longshore_engine::Allocation;
use longshore_model::{FaultKind, Outcome};
use tokio::runtime::Runtime;
use wasmtime::error::Context as _;
use wasmtime::{Result, bail};

use crate::product::{self, Callee, Product};
use crate::stats::{nanoseconds, percentile};
use crate::table::{Table, Target};
use crate::{Effort, compute};

const DEADLINES: &str = "64 guests in tight loops on two threads";
const NEIGHBOURS: &str = "Small calls while four others use up their time, on two threads";
const GUESTS: usize = 64;
const DEADLINE: Duration = Duration::from_millis(300);
const BURNERS: usize = 4;
/// Between two requests of the neighbour's client.
const PACE: Duration = Duration::from_micros(500);

/// Measures both; `echo` is the file of the small guest.
pub(crate) fn measure(table: &mut Table, effort: Effort, home: &Path, echo: &Path) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let kernels = compute::write(home)?;
    let host = product::host(&home.join("crowd")).allocation(Allocation::Pooling).build()?;
    deadlines(table, effort, &runtime, &host, &kernels)?;
    neighbours(table, effort, &runtime, &host, &kernels, echo)
}

fn deadlines(
    table: &mut Table,
    effort: Effort,
    runtime: &Runtime,
    host: &Longshore,
    kernels: &Path,
) -> Result<()> {
    let mut late = Vec::new();
    for _ in 0..(effort.rounds / 3).max(1) {
        late.extend(runtime.block_on(crowd(host, kernels))?);
    }
    let of = |share| percentile(late.clone(), share) / 1e6;
    table.note(DEADLINES, "stopped after the deadline, median", of(0.5), "ms");
    table.target(DEADLINES, "the same, 99th percentile", of(0.99), "ms", Target::AtMost(5.0));
    table.note(DEADLINES, "the same, the last of all", of(1.0), "ms");
    Ok(())
}

/// How many nanoseconds after their deadlines the guests' callers had the answer.
async fn crowd(host: &Longshore, kernels: &Path) -> Result<Vec<f64>> {
    let deadline_ms = u64::try_from(DEADLINE.as_millis())?;
    let prepared = compute::stopped_after(host, kernels, deadline_ms).await?;
    let product = Product { host: host.clone(), prepared };
    let callee = Arc::new(product.callee("spin", "[]")?);
    let session = Arc::new(product.session().await?);
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..GUESTS {
        let (callee, session) = (Arc::clone(&callee), Arc::clone(&session));
        running.spawn(async move {
            let begun = Instant::now();
            let outcome = session.call_with(&callee.function, &callee.arguments).await;
            (outcome, begun.elapsed())
        });
    }
    let mut late = Vec::new();
    while let Some(ended) = running.join_next().await {
        let (outcome, took) = ended?;
        match outcome {
            Outcome::Fault(fault) if fault.kind == FaultKind::Deadline => {}
            other => bail!("it was not stopped at its deadline: {other:?}"),
        }
        late.push(nanoseconds(took.saturating_sub(DEADLINE)));
    }
    let session = Arc::into_inner(session).context("a call still has the session")?;
    product::close(session).await?;
    Ok(late)
}

fn neighbours(
    table: &mut Table,
    effort: Effort,
    runtime: &Runtime,
    host: &Longshore,
    kernels: &Path,
    echo: &Path,
) -> Result<()> {
    let small = Named::File(echo.to_owned());
    let prepared = runtime.block_on(host.prepare(&small, &Policy::default()))?;
    let product = Arc::new(Product { host: host.clone(), prepared });
    let callee = Arc::new(product.callee("to-u32", r#"{"v": 7}"#)?);
    let slice = effort.slice * 4;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for round in 0..=effort.rounds.div_ceil(3) {
        let one = served(runtime, &product, &callee, slice)?;
        let burners = Burners::start(runtime, host, kernels)?;
        let other = served(runtime, &product, &callee, slice)?;
        burners.stop(runtime)?;
        // The first warms up.
        if round > 0 {
            alone.extend(one);
            beside.extend(other);
        }
    }
    let of = |times: &Vec<f64>, share| percentile(times.clone(), share) / 1e3;
    table.note(NEIGHBOURS, "alone, median", of(&alone, 0.5), "µs");
    table.note(NEIGHBOURS, "beside them, median", of(&beside, 0.5), "µs");
    let (one, other) = (of(&alone, 0.99), of(&beside, 0.99));
    table.note(NEIGHBOURS, "alone, 99th percentile", one, "µs");
    table.note(NEIGHBOURS, "beside them, 99th percentile", other, "µs");
    table.target(NEIGHBOURS, "beside / alone", other / one, "×", Target::AtMost(2.0));
    Ok(())
}

/// Asks from a thread of its own, at a pace, and waits for each answer, as a client would: the time from the question to the
/// answer, with the waking of whoever answers.
fn served(
    runtime: &Runtime,
    product: &Arc<Product>,
    callee: &Arc<Callee>,
    slice: Duration,
) -> Result<Vec<f64>> {
    let session = Arc::new(runtime.block_on(product.session())?);
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < slice {
        std::thread::sleep(PACE);
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        let (callee, session) = (Arc::clone(callee), Arc::clone(&session));
        let asked = Instant::now();
        runtime.spawn(async move {
            callee.call(&session).await;
            drop(session);
            let _ = answer.send(());
        });
        answered.recv()?;
        times.push(nanoseconds(asked.elapsed()));
    }
    let session = Arc::into_inner(session).context("a call still has the session")?;
    runtime.block_on(product::close(session))?;
    Ok(times)
}

/// Guests that use up their time, again and again.
struct Burners {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Result<()>>>,
}

impl Burners {
    fn start(runtime: &Runtime, host: &Longshore, kernels: &Path) -> Result<Self> {
        let deadline_ms = u64::try_from(DEADLINE.as_millis())?;
        let prepared = runtime.block_on(compute::stopped_after(host, kernels, deadline_ms))?;
        let stop = Arc::new(AtomicBool::new(false));
        let one = || {
            let (stop, host, prepared) = (Arc::clone(&stop), host.clone(), prepared.clone());
            runtime.spawn(async move {
                let product = Product { host, prepared };
                let callee = product.callee("spin", "[]")?;
                let session = product.session().await?;
                while !stop.load(Ordering::Relaxed) {
                    let outcome = session.call_with(&callee.function, &callee.arguments).await;
                    if outcome.is_ok() {
                        bail!("a loop without end has ended: {outcome:?}");
                    }
                }
                product::close(session).await
            })
        };
        let tasks = (0..BURNERS).map(|_| one()).collect();
        // Until all of them compute.
        std::thread::sleep(Duration::from_millis(20));
        Ok(Self { stop, tasks })
    }

    fn stop(self, runtime: &Runtime) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            runtime.block_on(task)??;
        }
        Ok(())
    }
}
