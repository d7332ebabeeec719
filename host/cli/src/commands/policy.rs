//! `longshore policy`: what the operator allows, checked, tested and shown. Decides nothing itself.

use std::path::{Path, PathBuf};

use longshore::policy::{Cases, Environment, Finding, Policy, Ran, SCHEMA};
use serde_json::{Value, json};

use super::Done;
use crate::context::{Context, read_text};
use crate::error::Error;
use crate::output::Tone;
use crate::render::table;

const CHECK_EXAMPLES: &str = "\
Examples:
  longshore policy check policy.toml
  longshore policy check policies/             every .cedar and .toml file in it

Exit status 2 where a file cannot be used. Warnings do not change it.";

const TEST_EXAMPLES: &str = "\
Examples:
  longshore policy test cases.toml
  longshore policy test cases.toml --policy policies/

A case says who asks for what, and what should come of it:
  [[case]]
  name = \"the fetcher reaches its API\"
  component = \"registry.example.com/tools/fetch:1.0.0\"
  publisher = [\"acme\"]
  environment = \"production\"
  request = \"http=https://api.example.com\"
  expect = \"permit\"
  by = [\"policy.toml:5\"]

Exit status 1 where a case does not come out as expected; see docs/policy.md.";

const SHOW_EXAMPLES: &str = "\
Examples:
  longshore policy show
  longshore policy show --cedar --policy policy.toml --allow clock > policy.cedar
  longshore policy show --profile production --cedar";

/// Check, test and show what the operator allows
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    Check(Check),
    Test(Test),
    Show(Show),
    Schema(Schema),
}

/// Read policies and tell every mistake in them
#[derive(clap::Args, Debug)]
#[command(after_help = CHECK_EXAMPLES)]
pub(crate) struct Check {
    /// Policy files in TOML or Cedar, or folders of them
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Put test cases to policies
#[derive(clap::Args, Debug)]
#[command(after_help = TEST_EXAMPLES)]
pub(crate) struct Test {
    /// The cases
    #[arg(value_name = "CASES")]
    cases: PathBuf,
    /// Policies besides those that the cases name: files or folders
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
}

/// Show the policies in force
#[derive(clap::Args, Debug)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct Show {
    /// As Cedar, translated where they are written in TOML or as flags
    #[arg(long)]
    cedar: bool,
    /// Allow a capability, as for `longshore run`
    #[arg(short, long, value_name = "CAPABILITY")]
    allow: Vec<String>,
    #[command(flatten)]
    policies: Policies,
}

/// Print the schema that Cedar policies are validated against
#[derive(clap::Args, Debug)]
pub(crate) struct Schema {}

/// Which policies are in force, and where.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Policies {
    /// What is allowed: files in TOML or Cedar or folders of them, instead of the settings'
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Vec<PathBuf>,
    /// Also the policies of this profile: `development`, `staging` or `production`
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<Environment>,
    /// What this host is for; its profile's name unless given
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<Environment>,
}

pub(crate) fn run(command: Command, context: &Context) -> Done {
    match command {
        Command::Check(args) => check(&args, context),
        Command::Test(args) => test(&args, context),
        Command::Show(args) => show(&args, context),
        Command::Schema(Schema {}) => {
            let document = json!({ "schema": SCHEMA });
            context.output.result(&document, || SCHEMA.to_owned())?;
            Ok(0)
        }
    }
}

fn check(args: &Check, context: &Context) -> Done {
    let (mut shown, mut lines, mut mistakes) = (Vec::new(), Vec::new(), 0);
    for path in files(&args.files)? {
        let (text, name) = (read_text(&path)?, path.display().to_string());
        let (policy, findings) = Policy::examine(&text, &name);
        mistakes += findings.iter().filter(|f| matches!(f, Finding::Mistake(_))).count();
        if !context.output.is_json() {
            findings.iter().for_each(|finding| say(finding, context));
        }
        let count = policy.len();
        lines
            .push([name.clone(), format!("{count} polic{}", if count == 1 { "y" } else { "ies" })]);
        let findings: Vec<_> = findings.iter().map(finding).collect();
        shown.push(json!({ "file": name, "policies": count, "findings": findings }));
    }
    let document = json!({ "ok": mistakes == 0, "files": shown });
    context.output.result(&document, || table(&lines))?;
    Ok(if mistakes == 0 { 0 } else { 2 })
}

fn say(finding: &Finding, context: &Context) {
    match finding {
        Finding::Mistake(error) => {
            context.output.headline(error.code(), &error.to_string());
            context.output.hint(error.hint().as_deref());
        }
        Finding::Warning(misread) => {
            context.output.warn(&misread.to_string());
            context.output.hint(misread.suggestion.as_deref());
        }
    }
}

fn finding(finding: &Finding) -> Value {
    match finding {
        Finding::Mistake(error) => json!({
            "code": error.code(),
            "message": error.to_string(),
            "hint": error.hint(),
            "line": error.misread().map(|misread| misread.line),
            "column": error.misread().map(|misread| misread.column),
        }),
        Finding::Warning(misread) => json!({
            "message": misread.to_string(),
            "hint": misread.suggestion,
            "line": misread.line,
            "column": misread.column,
        }),
    }
}

fn test(args: &Test, context: &Context) -> Done {
    let (text, name) = (read_text(&args.cases)?, args.cases.display().to_string());
    let cases = Cases::from_toml(&text, &name)?;
    let folder = args.cases.parent().unwrap_or(Path::new(""));
    let named = cases.policies.iter().map(|file| folder.join(file)).chain(args.policy.clone());
    let mut policy = cases.profile.map(Policy::profile).unwrap_or_default();
    for path in files(&named.collect::<Vec<_>>())? {
        policy.merge(read(&path)?);
    }
    let ran: Vec<_> = cases.cases.iter().map(|case| (case, case.run(&policy))).collect();
    let failed = ran.iter().filter(|(_, ran)| !ran.differences.is_empty()).count();
    let passed = ran.len() - failed;
    let shown: Vec<_> = ran
        .iter()
        .map(|(case, ran)| {
            json!({
                "name": case.name,
                "line": case.line,
                "ok": ran.differences.is_empty(),
                "differences": ran.differences,
                "granted": ran.decision.permitted.iter().map(|p| p.scope.to_string()).collect::<Vec<_>>(),
                "by": decided(ran),
            })
        })
        .collect();
    let document = json!({ "passed": passed, "failed": failed, "cases": shown });
    context.output.result(&document, || {
        let mut text = String::new();
        for (case, ran) in &ran {
            let word = match ran.differences.is_empty() {
                true => context.output.tone(Tone::Good, "ok    "),
                false => context.output.tone(Tone::Bad, "FAILED"),
            };
            text.push_str(&format!("{word}  {name}:{}  {}\n", case.line, case.name));
            for difference in &ran.differences {
                text.push_str(&format!("        {difference}\n"));
            }
        }
        format!("{text}{passed} passed, {failed} failed")
    })?;
    Ok(u8::from(failed > 0))
}

/// The policies that decided, each once.
fn decided(ran: &Ran) -> Vec<&str> {
    let decision = &ran.decision;
    let mut ids: Vec<&str> = match decision.permits() {
        true => decision.permitted.iter().flat_map(|p| &p.by).map(AsRef::as_ref).collect(),
        false => decision.forbidden_by.iter().map(AsRef::as_ref).collect(),
    };
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn show(args: &Show, context: &Context) -> Done {
    let mut policy = context.policy(&args.policies)?;
    for flag in &args.allow {
        policy.allow_flag(flag)?;
    }
    let entries: Vec<_> = policy.entries().collect();
    let document = json!({
        "digest": policy.digest(),
        "environment": policy.circumstances().environment.as_str(),
        "policies": entries.iter().map(|entry| json!({
            "id": entry.id,
            "effect": entry.effect,
            "cedar": entry.cedar,
        })).collect::<Vec<_>>(),
    });
    context.output.result(&document, || {
        if args.cedar {
            let texts: Vec<_> = entries.iter().map(|entry| entry.cedar.trim_end()).collect();
            return texts.join("\n\n");
        }
        let rows: Vec<_> = entries
            .iter()
            .map(|e| [e.effect.to_owned(), e.id.to_string(), e.summary.clone()])
            .collect();
        match rows.is_empty() {
            true => "nothing is allowed".to_owned(),
            false => table(&rows),
        }
    })?;
    Ok(0)
}

/// The policy in a file: Cedar where its name says so, TOML otherwise.
pub(crate) fn read(path: &Path) -> Result<Policy, Error> {
    let (text, name) = (read_text(path)?, path.display().to_string());
    Ok(match is_cedar(path) {
        true => Policy::from_cedar(&text, &name)?,
        false => Policy::from_toml(&text, &name)?,
    })
}

fn is_cedar(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "cedar")
}

/// The files that are named, and those in the folders that are named, by name.
pub(crate) fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let fail = |source| Error::Read { path: path.display().to_string(), source };
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let ours = is_cedar(&path) || path.extension().is_some_and(|e| e == "toml");
            if ours && path.is_file() {
                inside.push(path);
            }
        }
        inside.sort();
        files.append(&mut inside);
    }
    Ok(files)
}
