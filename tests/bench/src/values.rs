//! A hundred records as JSON in, call, JSON out, against the call on values that are already there.

use std::path::Path;

use longshore::Target as Named;
use longshore_engine::value::Returned;
use serde_json::json;
use wasmtime::Result;
use wasmtime::component::Val;
use wasmtime::error::Context as _;

use crate::product;
use crate::raw::Raw;
use crate::stats::{ratio, round, round_sync, typical};
use crate::table::{Table, Target};
use crate::{Effort, INTERFACE};

const GROUP: &str = "A hundred records as JSON";
const MOST: usize = 16 << 20;

/// Measures it on the component in `file`.
pub(crate) fn measure(table: &mut Table, effort: Effort, home: &Path, file: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(records(table, effort, home, file))
}

async fn records(table: &mut Table, effort: Effort, home: &Path, file: &Path) -> Result<()> {
    let host = product::host(home).build()?;
    let compiled = host.compile(&Named::File(file.to_owned())).await?;
    let function = compiled.function(Some("to-points"))?;
    let signature = function.signature()?;
    let input = input();
    let params = signature.decode(&input)?;
    let raw = Raw::new(&std::fs::read(file)?, true)?;
    let index = raw.export(INTERFACE, "to-points")?;
    let (mut store, instance) = raw.instance().await?;
    let callee = instance.get_func(&mut store, &index).context("not a function")?;
    let mut results = vec![Val::Bool(false)];
    let (mut alone, mut whole, mut decode, mut encode) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let calls = effort.calls;
    for warm_up in [true, false] {
        for _ in 0..if warm_up { 1 } else { effort.rounds } {
            alone.push(
                round(calls, async || {
                    let called = callee.call_async(&mut store, &params, &mut results).await;
                    called.unwrap_or_else(|error| unreachable!("{error:#}"));
                })
                .await,
            );
            whole.push(
                round(calls, async || {
                    let params = signature.decode(&input);
                    let params = params.unwrap_or_else(|error| unreachable!("{error}"));
                    let called = callee.call_async(&mut store, &params, &mut results).await;
                    called.unwrap_or_else(|error| unreachable!("{error:#}"));
                    assert!(matches!(
                        signature.encode_outcome(&results, MOST),
                        Ok(Returned::Ok(_))
                    ));
                })
                .await,
            );
            decode.push(round_sync(calls, || {
                assert!(std::hint::black_box(signature.decode(&input)).is_ok());
            }));
            encode.push(round_sync(calls, || {
                assert!(std::hint::black_box(signature.encode_outcome(&results, MOST)).is_ok());
            }));
        }
        if warm_up {
            for rounds in [&mut alone, &mut whole, &mut decode, &mut encode] {
                rounds.clear();
            }
        }
    }
    table.note(GROUP, "the dynamic call alone", typical(&alone) / 1e3, "µs");
    table.note(GROUP, "JSON in, call, JSON out", typical(&whole) / 1e3, "µs");
    table.note(GROUP, "(JSON in)", typical(&decode) / 1e3, "µs");
    table.note(GROUP, "(JSON out)", typical(&encode) / 1e3, "µs");
    table.target(GROUP, "JSON / call alone", ratio(&whole, &alone), "×", Target::AtMost(1.5));
    Ok(())
}

/// About 7 KB, with text that needs no escapes and fractions that need all their digits.
fn input() -> String {
    let point = |n: u32| {
        json!({
            "x": n * 7_919,
            "y-axis": f64::from(n) / 7.0,
            "label": (n % 4 != 0).then(|| format!("record number {n}")),
        })
    };
    json!({ "v": (0..100).map(point).collect::<Vec<_>>() }).to_string()
}
