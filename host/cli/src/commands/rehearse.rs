//! `longshore replay` and `longshore rehearse`: histories repeated without doing anything.

use std::path::PathBuf;

use longshore::Verdict;
use longshore::model::{Outcome, RunId};
use serde_json::json;

use super::policy::Policies;
use super::{Done, verify};
use crate::component;
use crate::context::{Context, read_bytes};
use crate::error::Error;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 30;

const REPLAY_EXAMPLES: &str = "\
Examples:
  longshore runs export last -o run.json
  longshore replay run.json

Repeats the run in the file with the components in it. Nothing is done: what actions did is in the history.";

const REHEARSE_EXAMPLES: &str = "\
Examples:
  longshore rehearse registry.example.com/flows/order:1.1.0
  longshore rehearse ./target/longshore/order.wasm --run 019a3c1e-8f2b-7c4d-9e6f-0123456789ab

Without --run, all runs of the same function that have not ended. Nothing is done, and no run is moved.";

/// Repeat the run in an exported file
#[derive(clap::Args, Debug)]
#[command(after_help = REPLAY_EXAMPLES)]
pub(crate) struct Replay {
    /// The file that `longshore runs export` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Repeat runs against a new version of their workflow, to see which could go on with it
#[derive(clap::Args, Debug)]
#[command(after_help = REHEARSE_EXAMPLES)]
pub(crate) struct Rehearse {
    /// The new version: a reference, a component file, or a folder to build
    #[arg(value_name = "TARGET")]
    target: String,
    /// This run, and others that are given so
    #[arg(long = "run", value_name = "RUN")]
    runs: Vec<RunId>,
    #[command(flatten)]
    trust: verify::Trust,
}

pub(crate) async fn replay(args: Replay, context: &Context) -> Done {
    let file = read_bytes(&args.file, MAX_FILE)?;
    let host = context.looker()?;
    let (run, verdict) = host.replay(&file).await?;
    let document = json!({ "run": run, "verdict": document(&verdict) });
    context.output.result(&document, || format!("{run}  {}", told(&verdict)))?;
    Ok(if verdict.is_good() { 0 } else { 6 })
}

pub(crate) async fn rehearse(args: Rehearse, context: &Context) -> Done {
    let target = component::target(&args.target, context).await?;
    let host = context
        .builder()?
        .trust(context.trust(args.trust.trust.as_deref(), args.trust.key.as_deref())?)
        .policy(context.policy(&Policies::default())?)
        .store(context.store()?)
        .build()?;
    let runs = match args.runs.is_empty() {
        false => args.runs,
        true => {
            let compiled = host.compile(&target).await?;
            let known = |function: &str| compiled.function(Some(function)).is_ok();
            let rows = host.unfinished(100_000).await?;
            rows.into_iter().filter(|row| known(&row.function)).map(|row| row.run).collect()
        }
    };
    if runs.is_empty() {
        let hint = "`longshore runs list` shows what there is";
        return Err(Error::bad("no run that has not ended has such a function", hint));
    }
    let (mut rows, mut lines, mut good) = (Vec::new(), Vec::new(), true);
    for run in runs {
        let verdict = host.rehearse(run, &target).await?;
        good &= verdict.is_good();
        lines.push(format!("{run}  {}", told(&verdict)));
        rows.push(json!({ "run": run, "verdict": document(&verdict) }));
    }
    context.output.result(&json!({ "runs": rows }), || lines.join("\n"))?;
    Ok(if good { 0 } else { 6 })
}

fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::GoesOn => "goes on: every step is the same".to_owned(),
        Verdict::Ends { same: true, .. } => "ends with the same outcome".to_owned(),
        Verdict::Ends { outcome: Outcome::Fault(fault), .. } => {
            format!("ends with another outcome: {}: {}", fault.kind.code(), fault.message)
        }
        Verdict::Ends { outcome, .. } => format!("ends with another outcome: {}", outcome.word()),
        Verdict::Diverges(divergence) => format!("diverges {divergence}"),
    }
}

fn document(verdict: &Verdict) -> serde_json::Value {
    match verdict {
        Verdict::GoesOn => json!("goes-on"),
        Verdict::Ends { outcome, same } => json!({ "ends": outcome, "same": same }),
        Verdict::Diverges(divergence) => json!({ "diverges": divergence }),
    }
}
