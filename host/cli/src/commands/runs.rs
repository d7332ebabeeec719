//! `longshore runs`: what ran here, what it did, and what it shall do next.

mod age;
mod moving;
mod prune;
mod steer;
mod timeline;

use longshore::journal::{History, Journal, Named, RunFilter, RunState, RunSummary};
use longshore::model::{Event, RunId, Timestamp};
use serde::Serialize;
use serde_json::json;

use super::Done;
use crate::context::Context;
use crate::error::Error;
use crate::render::{duration, table};

const LIST_EXAMPLES: &str = "\
Examples:
  longshore runs list
  longshore runs list --state fault --limit 5
  longshore runs list --component registry.example.com/acme/hello --since 2d
  longshore runs list --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  longshore runs show last
  longshore runs show 019a3c1e-8f2b-7c4d-9e6f-0123456789ab --json

The journal is checked while it is read: every entry's hash, and that none is missing.";

/// List, show, steer and remove what runs here
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    List(List),
    Show(Show),
    Prune(prune::Prune),
    Resume(steer::Resume),
    Signal(steer::Signal),
    Approve(steer::Answer),
    Cancel(steer::Cancel),
    Wait(steer::Wait),
    Move(moving::Move),
    Export(Export),
}

/// List runs, newest first
#[derive(clap::Args, Debug)]
#[command(after_help = LIST_EXAMPLES)]
pub(crate) struct List {
    /// Only those that stand so
    #[arg(long, value_parser = ["open", "waiting", "interrupted", "diverged", "ok", "failed", "fault", "continued"])]
    state: Option<String>,
    /// Only those of this component: a digest, or a name with or without version
    #[arg(long, value_name = "REFERENCE|DIGEST")]
    component: Option<String>,
    /// Only those that started then or later: `2d` ago, or `2026-11-21T12:00:00Z`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those that started before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only those older than this one: the last of the page before
    #[arg(long, value_name = "RUN")]
    before: Option<RunId>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

/// Show a run: its grant, its steps with times and sizes, its denials, its end
#[derive(clap::Args, Debug)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct Show {
    /// The run's id, or `last`
    #[arg(value_name = "RUN")]
    run: String,
}

/// Write a run to one file: history, components, input; secrets are in no journal
#[derive(clap::Args, Debug)]
pub(crate) struct Export {
    /// The run's id, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// The file
    #[arg(short, long, value_name = "FILE")]
    output: std::path::PathBuf,
}

pub(crate) async fn run(command: Command, context: &Context) -> Done {
    let journal = context.journal()?;
    match command {
        Command::List(args) => list(&args, &journal, context).await,
        Command::Show(args) => show(&args, &journal, context).await,
        Command::Prune(args) => prune::run(&args, &journal, context).await,
        Command::Resume(args) => steer::resume(args, context).await,
        Command::Signal(args) => steer::signal(args, context).await,
        Command::Approve(args) => steer::approve(args, context).await,
        Command::Cancel(args) => steer::cancel(args, context).await,
        Command::Move(args) => moving::run(args, context).await,
        Command::Wait(args) => steer::wait(args, &journal, context).await,
        Command::Export(args) => export(&args, &journal, context).await,
    }
}

/// The run that `text` names: an id, or `last`.
pub(crate) async fn named(text: &str, journal: &Journal) -> Result<RunId, Error> {
    let missing = || Error::NoRun { run: text.to_owned() };
    if text == "last" {
        let newest = RunFilter { limit: 1, ..RunFilter::default() };
        return Ok(journal.runs(&newest).await?.first().ok_or_else(missing)?.run);
    }
    let hint = "give a run's id as `longshore runs list` shows it, or `last`";
    let run: RunId = text.parse().map_err(|e| Error::bad(format!("{e}"), hint))?;
    journal.summary(run).await?.map(|row| row.run).ok_or_else(missing)
}

async fn list(args: &List, journal: &Journal, context: &Context) -> Done {
    let time = |text: &Option<String>| {
        text.as_deref().map(|text| age::point(text, context.now())).transpose()
    };
    let filter = RunFilter {
        state: args.state.as_deref().and_then(RunState::parse),
        component: args.component.as_deref().map(component).transpose()?,
        since: time(&args.since)?,
        until: time(&args.until)?,
        before: args.before,
        limit: args.limit,
        ..RunFilter::default()
    };
    let runs = journal.runs(&filter).await?;
    let document = json!({ "runs": runs.iter().map(Row::of).collect::<Vec<_>>() });
    if runs.is_empty() && !context.output.is_json() {
        context.output.say("no runs");
        return Ok(0);
    }
    context.output.result(&document, || {
        let head = ["RUN", "STARTED", "STATE", "TOOK", "FUNCTION", "COMPONENT"];
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(runs.iter().map(|run| {
            let took = run.ended.map_or_else(String::new, |end| took(run.started, end));
            [
                run.run.to_string(),
                seconds(run.started),
                run.state.to_string(),
                took,
                run.function.rsplit('#').next().unwrap_or_default().to_owned(),
                unpinned(&run.reference).to_owned(),
            ]
        }));
        table(&rows)
    })?;
    Ok(0)
}

/// A component as a filter names it.
fn component(text: &str) -> Result<Named, Error> {
    if !text.starts_with("sha256:") {
        return Ok(Named::Reference(text.to_owned()));
    }
    let hint = "give a digest such as `sha256:` and 64 hexadecimal digits, or a name";
    text.parse().map(Named::Digest).map_err(|e| Error::bad(format!("{e}"), hint))
}

async fn export(args: &Export, journal: &Journal, context: &Context) -> Done {
    let run = named(&args.run, journal).await?;
    // It gives away what ran here already: nobody needs to vouch for it again.
    let anything = longshore::trust::TrustPolicy::insecure_accept_anything();
    let host = context.builder()?.trust(anything).store(context.store()?).build()?;
    let bytes = host.export(run).await?;
    crate::files::replace(&args.output, &bytes)?;
    let document = json!({ "run": run, "file": args.output, "bytes": bytes.len() });
    context.output.result(&document, || {
        let size = crate::render::size(bytes.len() as u64);
        format!("{run}  {size} in {}", args.output.display())
    })?;
    Ok(0)
}

async fn show(args: &Show, journal: &Journal, context: &Context) -> Done {
    let run = named(&args.run, journal).await?;
    let history = journal.read(run).await?;
    let receipt = journal.receipt(run).await?.map(|stored| stored.receipt.digest);
    // Of a run that is under way elsewhere the journal cannot tell; what lists it can.
    let state = journal.summary(run).await?.map_or(history.summary().state, |row| row.state);
    let document = json!({
        "run": Row { state: state.as_str(), ..Row::of(history.summary()) },
        "receipt": receipt.map(|digest| json!({ "digest": digest })),
        "entries": entries(&history),
    });
    context.output.result(&document, || timeline::text(&history, state, receipt))?;
    Ok(0)
}

/// A run's row as JSON.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row<'r> {
    run: RunId,
    state: &'static str,
    component: String,
    reference: &'r str,
    function: &'r str,
    started: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    entries: u64,
    head: String,
    /// Who holds it, while somebody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_on: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wake_at: Option<String>,
}

impl<'r> Row<'r> {
    fn of(row: &'r RunSummary) -> Self {
        Self {
            run: row.run,
            state: row.state.as_str(),
            component: row.component.to_string(),
            reference: &row.reference,
            function: &row.function,
            started: row.started.rfc3339(),
            ended: row.ended.map(Timestamp::rfc3339),
            entries: row.entries,
            head: row.head.to_string(),
            host: row.lease.map(|lease| lease.host.to_string()),
            waits_on: row.waiting.map(|waiting| waiting.on.as_str()),
            wake_at: row.waiting.and_then(|waiting| waiting.wake_at).map(Timestamp::rfc3339),
        }
    }
}

/// An entry of the journal as JSON.
#[derive(Serialize)]
struct Line<'e> {
    seq: u64,
    at: String,
    event: &'e Event,
}

fn entries(history: &History) -> Vec<Line<'_>> {
    let line = |e: &'_ longshore::journal::Entry| (e.seq, e.at.rfc3339());
    let entries = history.entries().iter();
    entries.map(|e| (line(e), &e.event)).map(|((seq, at), event)| Line { seq, at, event }).collect()
}

/// From one point in time to another, in words.
fn took(from: Timestamp, to: Timestamp) -> String {
    duration(to.unix_us().saturating_sub(from.unix_us()))
}

/// A point in time to the second.
fn seconds(at: Timestamp) -> String {
    let text = at.rfc3339();
    format!("{}Z", text.split('.').next().unwrap_or(&text))
}

/// A reference without its digest, for people.
fn unpinned(reference: &str) -> &str {
    reference.split('@').next().unwrap_or(reference)
}
