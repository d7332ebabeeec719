//! `longshore push`: a component goes to a registry, unsigned.

use std::path::PathBuf;

use serde_json::json;

use super::Done;
use crate::component;
use crate::context::Context;

const EXAMPLES: &str = "\
Examples:
  longshore push hello.wasm 127.0.0.1:5000/hello:0.1.0
  longshore push . registry.example.com/team/hello:0.1.0   builds the folder first

The layout is the one of all wasm artifacts, so that oras, crane and wkg read it. The same component
always gets the same digest. Nobody who trusts signatures runs it before `longshore sign`.";

/// Push a component to a registry
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A component file, or a folder to build
    #[arg(value_name = "FILE|FOLDER")]
    component: PathBuf,
    /// Where to: `[registry/]repository:tag`
    #[arg(value_name = "REF")]
    reference: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Done {
    let reference = context.reference(&args.reference)?;
    let path = component::file(&args.component, context)?;
    let host = context.looker()?;
    let pushed = component::push(&host, &path, &reference, context).await?;
    let document = json!({
        "reference": pushed.reference.to_string(),
        "manifest": pushed.manifest.digest,
    });
    context.output.result(&document, || pushed.reference.to_string())?;
    Ok(0)
}
