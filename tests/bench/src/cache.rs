//! The cache of compiled code: compiling against loading what was compiled before.

use std::path::Path;
use std::time::Instant;

use longshore::Target as Named;
use wasmtime::Result;

use crate::Effort;
use crate::product;
use crate::stats::{median, nanoseconds};
use crate::table::Table;

const GROUP: &str = "The cache of compiled code";

/// Measures it on the component in `file`, each time with a new host: cold in an empty home, warm in the same again.
pub(crate) fn measure(table: &mut Table, effort: Effort, file: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let home = tempfile::tempdir()?;
        cold.push(runtime.block_on(compile(home.path(), file))?);
        warm.push(runtime.block_on(compile(home.path(), file))?);
    }
    let (cold, warm) = (median(cold), median(warm));
    table.note(GROUP, "new host, compile", cold / 1e6, "ms");
    table.note(GROUP, "new host, load what was compiled", warm / 1e6, "ms");
    table.note(GROUP, "compile / load", cold / warm, "×");
    Ok(())
}

async fn compile(home: &Path, file: &Path) -> Result<f64> {
    let begun = Instant::now();
    let host = product::host(home).build()?;
    host.compile(&Named::File(file.to_owned())).await?;
    Ok(nanoseconds(begun.elapsed()))
}
