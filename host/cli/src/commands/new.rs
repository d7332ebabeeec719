//! `longshore new`: a project to begin with.

use std::path::PathBuf;

use clap::ValueEnum;
use longshore_build::{Scaffold, SdkSource, Template};
use serde_json::json;

use super::Done;
use crate::context::Context;
use crate::error::Error;

const EXAMPLES: &str = "\
Examples:
  longshore new hello                       an action with one operation, in ./hello
  longshore new pipeline --kind workflow    a workflow, for calling actions
  longshore new hello --sdk ~/longshore/guest-sdk     with the SDK from its sources

Then:
  cd hello && cargo test && longshore run . --input '{\"name\": \"Ada\"}'";

/// Lay out a new component in Rust
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Its name: lower-case words joined by `-`
    #[arg(value_name = "NAME")]
    name: String,
    /// An action, whose functions are operations, or a workflow, which calls them
    #[arg(long, value_enum, default_value_t = Kind::Action)]
    kind: Kind,
    /// The folder [default: one of that name, here]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// The folder of the guest SDK's sources, instead of its released version
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Action,
    Workflow,
}

pub(crate) fn run(args: Args, context: &Context) -> Done {
    let template = match args.kind {
        Kind::Action => Template::Action,
        Kind::Workflow => Template::Workflow,
    };
    let sdk = match args.sdk {
        // The project may be moved: a relative path would be lost.
        Some(path) => SdkSource::Path(
            path.canonicalize()
                .map_err(|source| Error::Read { path: path.display().to_string(), source })?,
        ),
        None => SdkSource::default(),
    };
    let folder = args.path.unwrap_or_else(|| PathBuf::from(&args.name));
    let scaffold = Scaffold { template, name: args.name, sdk };
    let written = longshore_build::new(&folder, &scaffold)?;
    let files: Vec<_> = written.iter().map(|path| path.display().to_string()).collect();
    let document = json!({ "folder": folder.display().to_string(), "files": files });
    context.output.result(&document, || files.join("\n"))?;
    if !context.output.is_json() {
        let folder = folder.display();
        context.output.say(&format!("next: cd {folder} && cargo test && longshore build"));
    }
    Ok(0)
}
