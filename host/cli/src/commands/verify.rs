//! `longshore verify`: who vouches for a component, by the trust policy in force.

use std::path::PathBuf;

use serde_json::json;

use super::Done;
use crate::component;
use crate::context::Context;
use crate::render::table;

const EXAMPLES: &str = "\
Examples:
  longshore verify 127.0.0.1:5000/hello:0.1.0 --key longshore.pub
  longshore verify registry.example.com/team/hello:0.1.0          by the trust policy in force
  longshore verify registry.example.com/team/hello:0.1.0 --trust trust.json";

/// Check who vouches for a component in a registry
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to check: `[registry/]repository:tag`, or with `@sha256:…`
    #[arg(value_name = "REF")]
    reference: String,
    #[command(flatten)]
    pub(crate) trust: Trust,
}

/// Whom to trust.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Trust {
    /// Trust this public key for everything, instead of a trust policy
    #[arg(long, value_name = "PUB", conflicts_with = "trust")]
    pub(crate) key: Option<PathBuf>,
    /// The trust policy to go by, instead of the one in the settings
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Done {
    let trust = context.trust(args.trust.trust.as_deref(), args.trust.key.as_deref())?;
    let host = context.builder()?.trust(trust).build()?;
    let reference = args.reference.parse()?;
    let (resolved, fetched) = component::fetch(&host, &reference, context).await?;
    let verified = host.trust().verify(fetched, context.now().unix_s())?;
    let document = json!({
        "reference": resolved.reference.to_string(),
        "manifest": resolved.manifest.digest,
        "component": verified.digest(),
        "signers": verified.signers(),
        "policy": verified.policy(),
    });
    context.output.result(&document, || {
        let mut rows = vec![
            ["verified".to_owned(), resolved.reference.to_string()],
            ["component".to_owned(), verified.digest().to_string()],
        ];
        rows.extend(verified.signers().iter().map(|s| ["signed by".to_owned(), signer(s)]));
        if verified.signers().is_empty() {
            rows.push(["signed by".to_owned(), "nobody: the policy accepts anything".to_owned()]);
        }
        table(&rows)
    })?;
    Ok(0)
}

/// A signer in words.
pub(crate) fn signer(signer: &longshore::reference::Signer) -> String {
    match &signer.key {
        Some(key) => format!("{} (key {key})", signer.name),
        None => signer.name.clone(),
    }
}
