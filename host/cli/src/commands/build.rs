//! `longshore build`: from an author's folder to a component with its manifest inside.

use std::path::PathBuf;

use serde_json::json;

use super::Done;
use crate::component::{self, Talk, Wishes};
use crate::context::Context;
use crate::files;
use crate::render::size;

const EXAMPLES: &str = "\
Examples:
  longshore build                    the folder one stands in
  longshore build hello -o hello.wasm
  longshore build --locked           in CI: change no lockfile, or fail

Runs cargo for `wasm32-wasip2`, or what `[build]` in `longshore.toml` names; pins the components that
a workflow calls in `longshore.lock`; embeds the manifest. The component is
`target/longshore/NAME.wasm`.";

/// Build the component in a folder
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder with `longshore.toml`
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// Also write the component here
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Cargo's profile
    #[arg(long, default_value = "release")]
    profile: String,
    /// Change no lockfile: fail where one would have to be
    #[arg(long)]
    locked: bool,
    /// Look for newer versions of dependencies
    #[arg(long, conflicts_with = "locked")]
    update: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Done {
    let wishes = Wishes {
        talk: Talk::Always,
        profile: Some(args.profile),
        locked: args.locked,
        update: args.update,
    };
    let built = component::build(&args.folder, wishes, context).await?;
    let path = match args.output {
        Some(path) => {
            files::replace(&path, &built.bytes)?;
            path
        }
        None => built.path.clone(),
    };
    let warnings: Vec<_> = built.warnings.iter().map(ToString::to_string).collect();
    let document = json!({
        "path": path.display().to_string(),
        "digest": built.digest,
        "bytes": built.bytes.len(),
        "name": built.manifest.package.name,
        "version": built.manifest.package.version,
        "lock-changed": built.lock_changed,
        "wit": built.wit.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "warnings": warnings,
    });
    context.output.result(&document, || path.display().to_string())?;
    if !context.output.is_json() {
        let package = &built.manifest.package;
        let length = size(built.bytes.len() as u64);
        let (name, version) = (&package.name, &package.version);
        context.output.say(&format!("built {name} {version}, {length}, {}", built.digest));
    }
    Ok(0)
}
