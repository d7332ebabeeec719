//! `longshore publish`: build, push and sign in one go.

use std::path::PathBuf;

use serde_json::json;

use super::{Done, sign};
use crate::component;
use crate::context::Context;

const EXAMPLES: &str = "\
Examples:
  longshore publish . 127.0.0.1:5000/hello:0.1.0 --key longshore.key
  longshore publish hello.wasm registry.example.com/team/hello:0.1.0 --key release.key

It is `longshore build`, `longshore push` and `longshore sign` in one command; the key is opened
before anything is pushed.";

/// Build, push and sign a component
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A folder to build, or a component file
    #[arg(value_name = "FOLDER|FILE")]
    component: PathBuf,
    /// Where to: `[registry/]repository:tag`
    #[arg(value_name = "REF")]
    reference: String,
    #[command(flatten)]
    key: sign::Key,
}

pub(crate) async fn run(args: Args, context: &Context) -> Done {
    let reference = context.reference(&args.reference)?;
    crate::context::private_key(&args.key.key, &args.key.password_env)?;
    let path = component::file(&args.component, context)?;
    let host = context.looker()?;
    let pushed = component::push(&host, &path, &reference, context).await?;
    let signature = sign::sign(&host, &reference, &pushed.manifest, &args.key, context).await?;
    let document = json!({
        "reference": pushed.reference.to_string(),
        "manifest": pushed.manifest.digest,
        "signature": signature,
    });
    context.output.result(&document, || pushed.reference.to_string())?;
    Ok(0)
}
