//! A hundred records as JSON in, call, JSON out, against the call on values that are already there.

use std::path::Path;

use longshore::Target as Named;
use longshore_engine::value::Returned;
use wasmtime::Result;
use wasmtime::component::Val;
use wasmtime::error::Context as _;

use crate::product;
use crate::raw::{Metering, Raw};
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
    let (input, mixed) = (input(true), input(false));
    let params = signature.decode(&input)?;
    let mut spare = params.clone();
    let raw = Raw::new(&std::fs::read(file)?, Metering::Epochs)?;
    let index = raw.export(INTERFACE, "to-points")?;
    let (mut store, instance) = raw.instance().await?;
    let callee = instance.get_func(&mut store, index).context("not a function")?;
    let mut results = vec![Val::Bool(false)];
    let (mut alone, mut whole, mut over, mut decode, mut unordered, mut encode) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
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
                    let read = signature.decode_over(&input, &mut spare);
                    read.unwrap_or_else(|error| unreachable!("{error}"));
                    let called = callee.call_async(&mut store, &spare, &mut results).await;
                    called.unwrap_or_else(|error| unreachable!("{error:#}"));
                    assert!(matches!(
                        signature.encode_outcome(&results, MOST),
                        Ok(Returned::Ok(_))
                    ));
                })
                .await,
            );
            over.push(round_sync(calls, || {
                assert!(signature.decode_over(&input, &mut spare).is_ok());
            }));
            decode.push(round_sync(calls, || {
                assert!(std::hint::black_box(signature.decode(&input)).is_ok());
            }));
            unordered.push(round_sync(calls, || {
                assert!(std::hint::black_box(signature.decode(&mixed)).is_ok());
            }));
            encode.push(round_sync(calls, || {
                assert!(std::hint::black_box(signature.encode_outcome(&results, MOST)).is_ok());
            }));
        }
        if warm_up {
            for rounds in
                [&mut alone, &mut whole, &mut over, &mut decode, &mut unordered, &mut encode]
            {
                rounds.clear();
            }
        }
    }
    table.note(GROUP, "the dynamic call alone", typical(&alone) / 1e3, "µs");
    table.note(GROUP, "JSON in, call, JSON out", typical(&whole) / 1e3, "µs");
    table.note(GROUP, "(JSON in, over the last arguments)", typical(&over) / 1e3, "µs");
    table.note(GROUP, "(JSON in, anew)", typical(&decode) / 1e3, "µs");
    table.note(GROUP, "(JSON in, fields in another order)", typical(&unordered) / 1e3, "µs");
    table.note(GROUP, "(JSON out)", typical(&encode) / 1e3, "µs");
    table.target(GROUP, "JSON / call alone", ratio(&whole, &alone), "×", Target::AtMost(1.5));
    Ok(())
}

/// About 7 KB: text that needs no escapes, fractions that need all their digits, fields in the order of the type, as
/// Longshore writes them, or in another.
fn input(in_order: bool) -> String {
    let point = |n: u32| {
        let (x, y) = (n * 7_919, f64::from(n) / 7.0);
        let label = match n % 4 {
            0 => "null".to_owned(),
            _ => format!("\"record number {n}\""),
        };
        match in_order {
            true => format!(r#"{{"x":{x},"y-axis":{y:?},"label":{label}}}"#),
            false => format!(r#"{{"label":{label},"x":{x},"y-axis":{y:?}}}"#),
        }
    };
    format!(r#"{{"v":[{}]}}"#, (0..100).map(point).collect::<Vec<_>>().join(","))
}
