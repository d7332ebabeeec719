//! Guests that compute: through Longshore against wasmtime under the same metering, and what each way of being able to stop a
//! guest costs against none.

use std::path::{Path, PathBuf};

use longshore::policy::Policy;
use longshore::{Prepared, Target as Named};
use longshore_engine::Allocation;
use wasmtime::component::Val;
use wasmtime::error::Context as _;
use wasmtime::{Result, bail};

use crate::Effort;
use crate::product::{self, Product};
use crate::raw::{Metering, Raw};
use crate::stats::{ratio, round, typical};
use crate::table::{Table, Target};

const GROUP: &str = "A guest that computes";
const STOPPING: &str = "What it costs that a guest can be stopped";
const TEXT: &str = include_str!("kernels.wat");
/// A quarter of the rounds of a hash.
const ROUND: &str = "
        (local.set $a (i32.add (local.get $a) (local.get $b)))
        (local.set $d (i32.rotl (i32.xor (local.get $d) (local.get $a)) (i32.const 16)))
        (local.set $c (i32.add (local.get $c) (local.get $d)))
        (local.set $b (i32.rotl (i32.xor (local.get $b) (local.get $c)) (i32.const 12)))";

/// A function, and an input that takes it some milliseconds.
const KERNELS: [(&str, u32); 4] =
    [("registers", 2_000_000), ("sieve", 1_000_000), ("calls", 27), ("rounds", 80_000)];

/// The component of all kernels; with `look`, it reads a word of its memory where it would have to look whether to stop.
fn component(look: bool) -> Result<Vec<u8>> {
    let check = if look { "(drop (i32.load (i32.const 0)))" } else { "" };
    let text = TEXT.replace(";;@check", check).replace(";;@rounds", &ROUND.repeat(20));
    wat::parse_str(&text).context("the kernels are a component")
}

/// Writes the component of all kernels below `home`.
pub(crate) fn write(home: &Path) -> Result<PathBuf> {
    let file = home.join("kernels.wasm");
    std::fs::write(&file, component(false)?)?;
    Ok(file)
}

/// Measures it.
pub(crate) fn measure(table: &mut Table, effort: Effort, home: &Path) -> Result<()> {
    // The executor of a host that makes many calls; a guest that computes goes beside its threads.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let file = write(home)?;
    let (own, plain, looking) = (home.join("compute"), component(false)?, component(true)?);
    runtime.block_on(async move {
        let host = product::host(&own).allocation(Allocation::Pooling).build()?;
        let prepared = host.prepare(&Named::File(file), &Policy::default()).await?;
        let product = Product { host, prepared };
        let ways = Ways {
            none: Raw::new(&plain, Metering::None)?,
            epochs: Raw::new(&plain, Metering::Epochs)?,
            fuel: Raw::new(&plain, Metering::Fuel)?,
            loads: Raw::new(&looking, Metering::None)?,
        };
        let mut costs = Vec::new();
        for (name, n) in KERNELS {
            costs.extend(kernel(table, effort, &product, &ways, name, n).await?);
        }
        for (label, over) in costs {
            table.note(STOPPING, &label, over, "%");
        }
        Ok(())
    })
}

/// wasmtime with each way of stopping a guest.
struct Ways {
    none: Raw,
    epochs: Raw,
    fuel: Raw,
    /// A read where an epoch would be looked at. A page that is taken away stops such a guest; wasmtime has no such thing.
    loads: Raw,
}

/// One function on all sides; the rows for what it costs that it can be stopped.
async fn kernel(
    table: &mut Table,
    effort: Effort,
    product: &Product,
    ways: &Ways,
    name: &'static str,
    n: u32,
) -> Result<Vec<(String, f64)>> {
    let callee = product.callee(name, &format!("[{n}]"))?;
    let calls = (effort.calls / 100).max(2);
    let sides = [&ways.epochs, &ways.none, &ways.fuel, &ways.loads];
    let mut seen = sides.map(|_| Vec::new());
    let mut ours = Vec::new();
    for warm_up in [true, false] {
        for _ in 0..if warm_up { 1 } else { effort.rounds } {
            let session = product.session().await?;
            ours.push(round(calls, async || callee.call(&session).await).await);
            product::close(session).await?;
            for (side, seen) in sides.iter().zip(&mut seen) {
                let index = side.root_export(name)?;
                side.tick(true);
                seen.push(
                    round(calls, async || {
                        let called = side.call(&index, &[Val::U32(n)]).await;
                        called.unwrap_or_else(|error| unreachable!("{error:#}"));
                    })
                    .await,
                );
                side.tick(false);
            }
        }
        if warm_up {
            ours.clear();
            seen.iter_mut().for_each(Vec::clear);
        }
    }
    let [epochs, none, fuel, loads] = seen;
    let label = |text: &str| format!("{name}: {text}");
    table.note(GROUP, &label("Longshore"), typical(&ours) / 1e6, "ms");
    let same = ratio(&ours, &epochs);
    table.target(GROUP, &label("Longshore / wasmtime, epochs"), same, "×", Target::AtMost(1.02));
    let ways = [("epochs", &epochs), ("fuel", &fuel), ("reads of a page", &loads)];
    let over = |rounds: &Vec<_>| (ratio(rounds, &none) - 1.0) * 100.0;
    Ok(ways.map(|(way, rounds)| (label(way), over(rounds))).into())
}

/// A component that is stopped after `deadline_ms`.
pub(crate) async fn stopped_after(
    host: &longshore::Longshore,
    file: &Path,
    deadline_ms: u64,
) -> Result<Prepared> {
    let mut policy = Policy::default();
    policy.ceiling(longshore_model::LimitName::DeadlineMs, deadline_ms);
    let prepared = host.prepare(&Named::File(file.to_owned()), &policy).await?;
    let allowed = prepared.ready().grant().limits().deadline_ms;
    if allowed != deadline_ms {
        bail!("the deadline is {allowed} ms, not {deadline_ms}");
    }
    Ok(prepared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_way_computes_the_same() {
        let (plain, looking) = (component(false).unwrap(), component(true).unwrap());
        let sides = [
            Raw::new(&plain, Metering::None).unwrap(),
            Raw::new(&plain, Metering::Fuel).unwrap(),
            Raw::new(&looking, Metering::None).unwrap(),
        ];
        for (name, n, result) in
            [("sieve", 1000, Some(168)), ("calls", 20, Some(6765)), ("rounds", 10, None)]
        {
            let mut all = Vec::new();
            for side in &sides {
                let index = side.root_export(name).unwrap();
                let values = side.call(&index, &[Val::U32(n)]).await.unwrap();
                let [Val::U32(value)] = values[..] else { panic!("{values:?}") };
                all.push(value);
            }
            assert!(all.iter().all(|value| *value == result.unwrap_or(all[0])), "{name}: {all:?}");
        }
    }
}
