//! From `main` to the guest: a new process that puts a host together with its state on disk, runs a command through the whole
//! path, and notes when the guest's first output arrives. An upper bound for its first instruction.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use longshore::{Request, Target};
use wasmtime::error::Context as _;
use wasmtime::{Result, bail, ensure};

use crate::product;
use crate::stats::nanoseconds;

/// The argument that makes of this program such a process.
pub(crate) const FLAG: &str = "--first-output";

/// Prints the nanoseconds from `begun`, the first line of `main`, to the first output of the guest.
pub(crate) fn run(begun: Instant, arguments: &[OsString]) -> Result<()> {
    let [home, file] = arguments else { bail!("usage: {FLAG} HOME COMPONENT") };
    let first = Arc::new(OnceLock::new());
    let seen = Arc::clone(&first);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let host = product::host(Path::new(home)).build()?;
        let target = Target::File(Path::new(file).to_owned());
        let arguments = vec!["guest".to_owned(), "first".to_owned()];
        let mut request = Request::new(target, "").command(arguments, bytes::Bytes::new());
        request.stdio.watcher = Some(Arc::new(move |_, _| {
            let _ = seen.set(begun.elapsed());
        }));
        Ok::<_, wasmtime::Error>(host.request(&request).await?)
    })?;
    ensure!(report.outcome.is_ok(), "{:?}", report.outcome);
    let first = first.get().context("the guest printed nothing")?;
    writeln!(std::io::stdout(), "{}", nanoseconds(*first))?;
    Ok(())
}
