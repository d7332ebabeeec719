//! What it costs a warm call that it is bounded: the same call of wasmtime with every limit that Longshore sets on a store, and
//! with none. What Longshore does beside that is in `warm`.

use std::path::Path;

use wasmtime::Result;
use wasmtime::component::Val;

use crate::raw::{Metering, Raw};
use crate::stats::{ratio, round, typical};
use crate::table::{Table, Target};
use crate::{Effort, INTERFACE};

const GROUP: &str = "Limits and checks on a warm call";

/// Measures it on the component in `file`.
pub(crate) fn measure(table: &mut Table, effort: Effort, file: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bytes = std::fs::read(file)?;
    let sides = [Raw::new(&bytes, Metering::Limits)?, Raw::new(&bytes, Metering::None)?];
    let mut seen = [Vec::new(), Vec::new()];
    runtime.block_on(async {
        for warm_up in [true, false] {
            for _ in 0..if warm_up { 1 } else { effort.rounds } {
                for (side, seen) in sides.iter().zip(&mut seen) {
                    let index = side.export(INTERFACE, "to-u32")?;
                    side.tick(true);
                    seen.push(
                        round(effort.calls, async || {
                            let called = side.call(&index, &[Val::U32(7)]).await;
                            called.unwrap_or_else(|error| unreachable!("{error:#}"));
                        })
                        .await,
                    );
                    side.tick(false);
                }
            }
            if warm_up {
                seen.iter_mut().for_each(Vec::clear);
            }
        }
        Ok::<_, wasmtime::Error>(())
    })?;
    let [on, off] = seen;
    table.note(GROUP, "on", typical(&on) / 1e3, "µs");
    table.note(GROUP, "off", typical(&off) / 1e3, "µs");
    table.target(GROUP, "on / off", ratio(&on, &off), "×", Target::AtMost(1.10));
    Ok(())
}
