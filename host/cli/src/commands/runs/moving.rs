//! `longshore runs move`: a run goes on with another version of its workflow.

use longshore::model::RunId;
use serde_json::json;

use super::named;
use crate::commands::policy::Policies;
use crate::commands::{Done, verify};
use crate::component;
use crate::context::Context;

const EXAMPLES: &str = "\
Examples:
  longshore rehearse registry.example.com/flows/order:1.1.0
  longshore runs move last --to registry.example.com/flows/order:1.1.0
  longshore runs resume last

The history is repeated against the new version first. Where that asks for something else, nothing changes, and the step
is named.";

/// Let a run that did not end go on with another version of its workflow
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Move {
    /// The run's id, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// The version: a reference, a component file, or a folder to build
    #[arg(long, value_name = "TARGET")]
    to: String,
    #[command(flatten)]
    policies: Policies,
    #[command(flatten)]
    trust: verify::Trust,
}

pub(super) async fn run(args: Move, context: &Context) -> Done {
    let target = component::target(&args.to, context).await?;
    let host = context
        .builder()?
        .trust(context.trust(args.trust.trust.as_deref(), args.trust.key.as_deref())?)
        .policy(context.policy(&Policies::default())?)
        .store(context.store()?)
        .build()?;
    let run: RunId = named(&args.run, host.journal()).await?;
    let moved = host.move_run(run, &target, &context.policy(&args.policies)?).await?;
    let document = json!({ "run": moved.run, "from": moved.from, "to": moved.to });
    context.output.result(&document, || {
        format!("{}  moved to {}; it goes on with `longshore runs resume {0}`", moved.run, moved.to)
    })?;
    Ok(0)
}
