//! `longshore pull`: a component becomes a file.

use std::path::PathBuf;

use longshore::trust::TrustPolicy;
use serde_json::json;

use super::{Done, verify};
use crate::component;
use crate::context::Context;
use crate::error::Error;
use crate::files::{self, Privacy};
use crate::render::size;

const EXAMPLES: &str = "\
Examples:
  longshore pull 127.0.0.1:5000/hello:0.1.0 --key longshore.pub
  longshore pull registry.example.com/team/hello:0.1.0 -o hello.wasm
  longshore pull registry.example.com/team/hello:0.1.0 --insecure-unverified -o -

A file carries no signature, and naming a file is an act of trust: so what is pulled is verified
first, and `longshore run FILE` asks nobody.";

/// Pull a component from a registry into a file
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to pull: `[registry/]repository:tag`, or with `@sha256:…`
    #[arg(value_name = "REF")]
    reference: String,
    /// Where to; `-` is standard output [default: the repository's last part, with `.wasm`]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file if it is there
    #[arg(long)]
    force: bool,
    /// Take it although nobody vouches for it
    #[arg(long, conflicts_with_all = ["key", "trust"])]
    insecure_unverified: bool,
    #[command(flatten)]
    trust: verify::Trust,
}

pub(crate) async fn run(args: Args, context: &Context) -> Done {
    let trust = match args.insecure_unverified {
        true => TrustPolicy::insecure_accept_anything(),
        false => context.trust(args.trust.trust.as_deref(), args.trust.key.as_deref())?,
    };
    let host = context.builder()?.trust(trust).build()?;
    let reference = args.reference.parse()?;
    let (resolved, fetched) = component::fetch(&host, &reference, context).await?;
    let verified = host.trust().verify(fetched, context.now().unix_s())?;
    let bytes = verified.bytes();
    let path = args.output.unwrap_or_else(|| {
        let path = resolved.reference.repository().path();
        PathBuf::from(format!("{}.wasm", path.rsplit('/').next().unwrap_or(path)))
    });
    if path.as_os_str() == "-" {
        if context.output.is_json() {
            let hint = "leave out `--json`, or name a file with `-o`";
            return Err(Error::bad("`-o -` and `--json` both want standard output", hint));
        }
        context.output.bytes(bytes)?;
        return Ok(0);
    }
    match args.force {
        true => files::replace(&path, bytes)?,
        false => files::create(&path, bytes, Privacy::Public)?,
    }
    let document = json!({
        "reference": resolved.reference.to_string(),
        "component": verified.digest(),
        "signers": verified.signers(),
        "path": path.display().to_string(),
        "bytes": bytes.len(),
    });
    context.output.result(&document, || path.display().to_string())?;
    if !context.output.is_json() {
        let length = size(bytes.len() as u64);
        context.output.say(&format!("pulled {length}, {}", verified.digest()));
    }
    Ok(0)
}
