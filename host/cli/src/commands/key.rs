//! `longshore key`: keys to sign with.

use std::path::PathBuf;

use longshore::trust::PrivateKey;
use serde_json::json;

use super::Done;
use crate::context::{Context, PASSWORD, variable};
use crate::error::Error;
use crate::files::{self, Privacy};

const EXAMPLES: &str = "\
Examples:
  longshore key generate                        longshore.key and longshore.pub, here
  LONGSHORE_KEY_PASSWORD=… longshore key generate --out keys/release
  longshore key generate --out ci --password-env CI_KEY_PASSWORD

The private key is a P-256 key in cosign's encrypted format, readable by you alone; hand out the
public one. Without a password in the environment it is encrypted with the empty one: then the file
itself is the secret.";

/// Make keys to sign components with
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    Generate(Generate),
}

/// Make a key pair: NAME.key, private, and NAME.pub
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Generate {
    /// Path of the two files, without their endings
    #[arg(long, value_name = "NAME", default_value = "longshore")]
    out: PathBuf,
    /// The environment variable with the password to encrypt it with
    #[arg(long, value_name = "NAME", default_value = PASSWORD)]
    password_env: String,
}

pub(crate) fn run(command: Command, context: &Context) -> Done {
    let Command::Generate(args) = command;
    let with = |ending: &str| {
        let mut name = args.out.clone().into_os_string();
        name.push(ending);
        PathBuf::from(name)
    };
    let (private, public) = (with(".key"), with(".pub"));
    // Both are looked for first: a pair of two halves that do not belong together helps nobody.
    if let Some(there) = [&private, &public].into_iter().find(|path| path.exists()) {
        return Err(Error::Exists { path: there.display().to_string() });
    }
    let (mut entropy, mut salt) = ([0; 32], [0; 56]);
    for bytes in [&mut entropy[..], &mut salt[..]] {
        let fail = |error: getrandom::Error| longshore::Error::Entropy(error.to_string());
        getrandom::fill(bytes).map_err(fail)?;
    }
    let password = variable(&args.password_env);
    let key = PrivateKey::generate(&entropy)?;
    let secret = password.as_ref().map(|p| p.as_encoded_bytes()).unwrap_or_default();
    let pem = key.to_encrypted_pem(secret, &salt)?;
    files::create(&private, pem.as_bytes(), Privacy::Private)?;
    files::create(&public, key.public_key().to_pem().as_bytes(), Privacy::Public)?;
    let id = key.public_key().key_id();
    let document = json!({
        "private": private.display().to_string(),
        "public": public.display().to_string(),
        "key": id,
        "encrypted": !secret.is_empty(),
    });
    context.output.result(&document, || format!("{}\n{}", private.display(), public.display()))?;
    if !context.output.is_json() {
        context.output.say(&format!("the key {id}"));
        if secret.is_empty() {
            let text = format!(
                "`{}` is not set, so the key's password is empty: keep the file safe",
                args.password_env
            );
            context.output.warn(&text);
        }
    }
    Ok(0)
}
