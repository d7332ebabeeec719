//! `longshore doctor`: does this installation work? Tries what a run needs, and says what is missing.

use std::path::Path;
use std::time::Duration;

use longshore::model::Outcome;
use longshore::ports::KeyValueError;
use longshore::{Longshore, Report, Request, Target};
use longshore_store_postgres::{Options, PostgresStore};
use longshore_store_sqlite::SqliteStore;
use serde::Serialize;
use serde_json::json;

use super::Done;
use super::policy::Policies;
use crate::context::{Context, variable};
use crate::error::Error;
use crate::files::{self, Privacy};
use crate::output::Tone;
use crate::render::table;

const EXAMPLES: &str = "\
Examples:
  longshore doctor
  longshore doctor --json

Uses no network. What is `absent` is not needed to run components; what `failed` is.";

/// A component that exports `next: func(value: u32) -> u32` and adds one:
///
/// ```text
/// (component
///   (core module $m
///     (func (export "next") (param i32) (result i32)
///       (i32.add (local.get 0) (i32.const 1))))
///   (core instance $i (instantiate $m))
///   (func (export "next") (param "value" u32) (result u32)
///     (canon lift (core func $i "next"))))
/// ```
const PROBE: &[u8] = b"\0asm\r\0\x01\0\
    \x01\x29\0asm\x01\0\0\0\x01\x06\x01\x60\x01\x7f\x01\x7f\x03\x02\x01\0\
    \x07\x08\x01\x04next\0\0\x0a\x09\x01\x07\0\x20\0\x41\x01\x6a\x0b\
    \x02\x04\x01\0\0\0\x06\x0a\x01\0\0\x01\0\x04next\
    \x07\x0c\x01\x40\x01\x05value\x79\0\x79\x08\x06\x01\0\0\0\0\0\
    \x0b\x0a\x01\0\x04next\x01\0\0";

/// Programs of others that help, and for what.
const TOOLS: [(&str, &str); 4] = [
    ("cargo", "builds components in Rust: https://rustup.rs"),
    ("git", "records the revision that a component was built from"),
    ("cosign", "verifies our signatures, and makes signatures that we verify"),
    ("oras", "reads and writes the same registries"),
];

/// Check that this installation works
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Ok,
    Failed,
    Absent,
}

pub(crate) async fn run(_: Args, context: &Context) -> Done {
    let mut checks = vec![
        check("settings", settings(context)),
        check("state folder", state(context)),
        check("trust policy", trust(context)),
        check("policy", policy(context)),
        check("journal", journal(context).await),
        check("buckets", buckets(context).await),
    ];
    let ran = probe(context).await;
    let sealed = ran.as_ref().ok().map(|(host, report)| seal(host, report));
    checks.push(check("engine", ran.map(|(_, report)| format!("ran {}", report.run))));
    checks.extend(sealed.map(|sealed| check("receipts", sealed)));
    checks.extend(TOOLS.map(|(name, purpose)| tool(name, purpose)));
    let failed = checks.iter().filter(|c| c.status == Status::Failed).count();
    let document = json!({
        "ok": failed == 0,
        "version": longshore::VERSION,
        "checks": checks,
    });
    context.output.result(&document, || text(&checks, context))?;
    match (failed, context.output.is_json()) {
        (0, _) => Ok(0),
        (_, true) => Ok(7),
        (failed, false) => Err(Error::Unwell { failed, checks: checks.len() }),
    }
}

fn check(name: &'static str, found: Result<String, Error>) -> Check {
    match found {
        Ok(detail) => Check { name, status: Status::Ok, detail, hint: None },
        Err(error) => {
            let shown = error.shown();
            let mut detail = format!("{}: {}", shown.code, shown.message);
            for cause in &shown.causes {
                detail.push_str(": ");
                detail.push_str(cause);
            }
            Check { name, status: Status::Failed, detail, hint: shown.hint }
        }
    }
}

fn settings(context: &Context) -> Result<String, Error> {
    let settings = context.settings()?;
    let file = settings.home.join("config.toml");
    let registry = settings.registry.as_deref().unwrap_or("no default registry");
    let file = if file.exists() { file.display().to_string() } else { "defaults".to_owned() };
    Ok(format!("{file}; {registry}{}", if settings.offline { "; offline" } else { "" }))
}

fn state(context: &Context) -> Result<String, Error> {
    let home = &context.settings()?.home;
    let shown = home.display().to_string();
    std::fs::create_dir_all(home)
        .map_err(|source| longshore::Error::Home { path: shown.clone(), source })?;
    let mut name = [0; 8];
    getrandom::fill(&mut name).map_err(|e| longshore::Error::Entropy(e.to_string()))?;
    let file = home.join(format!(".doctor-{:016x}", u64::from_le_bytes(name)));
    files::create(&file, b"written by `longshore doctor`", Privacy::Private)?;
    let _ = std::fs::remove_file(&file);
    Ok(shown)
}

fn trust(context: &Context) -> Result<String, Error> {
    let policy = context.trust(None, None)?;
    let path = &context.settings()?.trust_policy.path;
    Ok(match path.exists() {
        true => format!("{}, {}", path.display(), policy.digest()),
        false => format!("none at `{}`: only files that are named are run", path.display()),
    })
}

fn policy(context: &Context) -> Result<String, Error> {
    let policy = context.policy(&Policies::default())?;
    let path = &context.settings()?.policy.path;
    Ok(match path.exists() {
        true => format!("{}, {}", path.display(), policy.digest()),
        false => format!("none at `{}`: only what `--allow` allows", path.display()),
    })
}

async fn journal(context: &Context) -> Result<String, Error> {
    if let Some(options) = context.server()? {
        // Somebody looks at it: not for half a minute.
        let options = Options { patience: Duration::from_secs(5), ..options };
        let shown = options.address.to_string();
        PostgresStore::open(options)?.ready().await?;
        return Ok(shown);
    }
    let path = context.home()?.journal();
    SqliteStore::open(&path)?.ready().await?;
    Ok(path.display().to_string())
}

/// Tries where buckets of keys and values are kept, for as long as somebody would look at it.
async fn buckets(context: &Context) -> Result<String, Error> {
    let buckets = context.buckets(&context.settings()?.keyvalue)?;
    let mut found = Vec::new();
    for (bucket, tried) in buckets.try_each(Duration::from_secs(5)).await {
        if let Err(KeyValueError::Unavailable(why)) = tried {
            return Err(Error::BucketLost { bucket: bucket.to_owned(), why });
        }
        found.push(bucket);
    }
    Ok(if found.is_empty() { "none".to_owned() } else { found.join(", ") })
}

/// Runs the probe the whole way, from a file to a receipt, with a journal that is not kept.
async fn probe(context: &Context) -> Result<(Longshore, Report), Error> {
    let home = context.home()?.path().to_owned();
    let file = home.join("doctor.wasm");
    files::replace(&file, PROBE)?;
    let host = context.builder()?.build()?;
    let report = host.request(&Request::new(Target::File(file.clone()), "[41]")).await;
    let _ = std::fs::remove_file(&file);
    let report = report?;
    match &report.outcome {
        Outcome::Ok(value) if value.as_str() == "42" => Ok((host, report)),
        other => {
            let found = format!("the probe ended with `{}`", other.word());
            Err(longshore::engine::Error::Setup(found).into())
        }
    }
}

/// Checks the probe's receipt with the key that others would check it with.
fn seal(host: &Longshore, report: &Report) -> Result<String, Error> {
    let signer = host.signer()?;
    let key = signer.public_key();
    longshore::receipt::verify(&report.receipt, key)?;
    Ok(format!("sealed with the key {}", key.key_id()))
}

fn tool(name: &'static str, purpose: &str) -> Check {
    let path = variable("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|p| is_program(p));
    match found {
        Some(path) => {
            Check { name, status: Status::Ok, detail: path.display().to_string(), hint: None }
        }
        None => Check { name, status: Status::Absent, detail: format!("it {purpose}"), hint: None },
    }
}

fn is_program(path: &Path) -> bool {
    let Ok(data) = path.metadata() else { return false };
    #[cfg(unix)]
    let runs = std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let runs = true;
    data.is_file() && runs
}

fn text(checks: &[Check], context: &Context) -> String {
    let rows: Vec<_> = checks
        .iter()
        .map(|check| {
            let word = match check.status {
                Status::Ok => "ok",
                Status::Failed => "FAILED",
                Status::Absent => "absent",
            };
            [word.to_owned(), check.name.to_owned(), check.detail.clone()]
        })
        .collect();
    for check in checks.iter().filter(|check| check.status == Status::Failed) {
        if let Some(hint) = &check.hint {
            let label = context.output.tone(Tone::Strong, "hint");
            context.output.say(&format!("{}: {label}: {hint}", check.name));
        }
    }
    table(&rows)
}
