//! `longshore sign`: vouches for a component in a registry.

use std::path::{Path, PathBuf};

use longshore::Longshore;
use longshore::reference::{Descriptor, Reference};
use longshore::trust::{annotations_for, sign_component};
use serde::Serialize;
use serde_json::json;

use super::Done;
use crate::context::{Context, PASSWORD, private_key};
use crate::error::Error;

const EXAMPLES: &str = "\
Examples:
  longshore sign 127.0.0.1:5000/hello:0.1.0 --key longshore.key
  LONGSHORE_KEY_PASSWORD=… longshore sign registry.example.com/hello:0.1.0 --key release.key

The signature is bound to the repository and the tag: a copy elsewhere, or under another version, is
not covered by it. It is a Sigstore bundle beside the component, as cosign 3 writes it:
  cosign verify --key longshore.pub --insecure-ignore-tlog=true REF";

/// Sign a component in a registry
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to sign: `[registry/]repository:tag`, or with `@sha256:…`
    #[arg(value_name = "REF")]
    reference: String,
    #[command(flatten)]
    pub(crate) key: Key,
}

/// The key to sign with.
#[derive(clap::Args, Debug)]
pub(crate) struct Key {
    /// The private key, as `longshore key generate` or cosign writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The environment variable with the key's password
    #[arg(long, value_name = "NAME", default_value = PASSWORD)]
    pub(crate) password_env: String,
}

/// A signature that was made.
#[derive(Debug, Serialize)]
pub(crate) struct Signature {
    reference: String,
    manifest: String,
    signature: String,
    key: String,
    annotations: std::collections::BTreeMap<String, String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Done {
    let reference = context.reference(&args.reference)?;
    let host = context.looker()?;
    let resolved = host.registry().resolve(&reference).await?;
    let made = sign(&host, &reference, &resolved.manifest, &args.key, context).await?;
    if reference.tag().is_none() {
        let text = "no tag was named, so the signature states no version: most trust policies \
                    ask for one";
        context.output.warn(text);
    }
    context.output.result(&json!(made), || resolved.reference.to_string())?;
    if !context.output.is_json() {
        context.output.say(&format!("signed with the key {}", made.key));
    }
    Ok(0)
}

/// Signs `subject`, which is what `reference` names, and attaches the signature to it.
pub(crate) async fn sign(
    host: &Longshore,
    reference: &Reference,
    subject: &Descriptor,
    key: &Key,
    context: &Context,
) -> Result<Signature, Error> {
    let private = private_key(Path::new(&key.key), &key.password_env)?;
    let annotations = annotations_for(reference);
    let bundle = sign_component(&private, subject.digest, &annotations)?;
    let created = context.now().rfc3339();
    let repository = reference.repository();
    let attached = host.registry().attach(repository, subject, bundle.into(), &created).await?;
    Ok(Signature {
        reference: reference.clone().pinned(subject.digest).to_string(),
        manifest: subject.digest.to_string(),
        signature: attached.to_string(),
        key: private.public_key().key_id().to_string(),
        annotations,
    })
}
