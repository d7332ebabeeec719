//! `longshore run`: the main job, from a name to a sealed receipt.

mod observe;
pub(crate) mod outcome;
mod plan;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use longshore::engine::Watcher;
use longshore::journal::{Seen, Subscription};
use longshore::model::{Event, Stream, Timestamp};
use longshore::policy::{Mode, Policy};
use longshore::{Admitted, Builder, Longshore, Report, Request, Running};
use serde::Serialize;

use super::policy::Policies;
use super::{Done, verify};
use crate::component;
use crate::context::{Context, bounded, read_text};
use crate::error::Error;
use crate::output::Output;
use crate::signal::{self, Signal};
use crate::stores;

/// Standard input beyond this is refused, in bytes.
const MAX_STDIN: u64 = 64 << 20;

const EXAMPLES: &str = "\
Examples:
  longshore run ./hello.wasm --input '{\"name\": \"Ada\"}'
  longshore run . --function greet --input @input.json        builds the folder first
  longshore run 127.0.0.1:5000/hello:0.1.0 --key longshore.pub --input -
  longshore run ./tool.wasm -- --flag argument < in.txt > out.txt     a wasi:cli command

What a component asks for must also be allowed, by the policy or here:
  longshore run ./fetch.wasm --allow http=https://example.com --allow clock
  longshore run ./index.wasm --allow dir=/data=./corpus:ro --allow env=TZ --set chunk-size=400
  longshore run ./flow.wasm --allow 'acme:web/fetch::http=https://example.com'  for a dependency

  longshore run ./api.wasm --allow secret=api --secret api=env:API_KEY@https://api.example.com

  longshore run ./fetch.wasm --dry-run       decides, says what would be granted, runs nothing
  longshore run ./fetch.wasm --allow 'http=https://*' --observe     says what would have sufficed

The result is JSON on standard output; what the component itself prints goes to standard error, but
for commands. Every run has a receipt: `longshore receipt show last`.";

/// Run a component, or a command, under a grant
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to run: a reference, a component file, or a folder to build
    #[arg(value_name = "TARGET")]
    target: String,
    /// Arguments of a command, after `--`
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
    /// Which function: its name, or `interface#name`; not needed where there is only one
    #[arg(short, long, value_name = "NAME")]
    function: Option<String>,
    /// The function's arguments: a JSON object by name or array, `@FILE`, or `-` for standard input
    #[arg(short, long, value_name = "JSON")]
    input: Option<String>,
    /// Allow a capability: `clock`, `random`, `env=NAME`, `dir=/guest=./host[:rw]`, `http=SCOPE`
    #[arg(short, long, value_name = "CAPABILITY")]
    allow: Vec<String>,
    /// Say where a secret is kept and where it may be put: `NAME=SOURCE@https://HOST#HEADER`
    #[arg(long, value_name = "BINDING")]
    secret: Vec<String>,
    /// Say where a bucket of keys and values is kept: `BUCKET=memory`, `=sqlite:PATH`,
    /// `=redis:env:NAME`, `=postgres:env:NAME`
    #[arg(long, value_name = "PLACE")]
    keyvalue: Vec<String>,
    /// Say where a container of objects is kept: `CONTAINER=memory`, `=folder:PATH`
    #[arg(long, value_name = "PLACE")]
    blobstore: Vec<String>,
    /// Hold components to their manifests (`enforce`), or let pass what the operator allows and tell
    /// what the manifests forgot (`count`)
    #[arg(long, value_name = "MODE")]
    mode: Option<Mode>,
    /// Give a setting its value
    #[arg(short, long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    policies: Policies,
    /// The label of the data that the run is about, for policies that ask for it
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    #[command(flatten)]
    trust: verify::Trust,
    /// Decide and say what would be granted; run nothing, journal nothing
    #[arg(long)]
    dry_run: bool,
    /// Let pass what is allowed though the manifest forgot it, and say what manifest and policy would
    /// have sufficed
    #[arg(long, conflicts_with = "dry_run")]
    observe: bool,
    /// Write the journal to standard error as it grows, an entry a line, as JSON
    #[arg(long)]
    events: bool,
    /// Also write the sealed receipt to this file
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    receipt: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Done {
    let mut ask = Policy::default();
    for flag in &args.allow {
        ask.allow_flag(flag)?;
    }
    for flag in &args.secret {
        ask.secret_flag(flag)?;
    }
    for flag in &args.set {
        ask.set_flag(flag)?;
    }
    let mut policy = context.policy(&args.policies)?;
    if let Some(label) = &args.label {
        policy.set_label(label);
    }
    let mode = args.observe.then_some(Mode::Count).or(args.mode);
    if let Some(mode) = mode {
        ask.set_mode(mode);
    }
    let target = component::target(&args.target, context).await?;
    let mode = mode.unwrap_or_else(|| policy.mode());
    let mut builder = context
        .builder()?
        .trust(context.trust(args.trust.trust.as_deref(), args.trust.key.as_deref())?)
        .policy(policy);
    builder = kept(builder, &args, context)?;
    if !args.dry_run {
        builder = builder.store(context.store()?);
    }
    let host = builder.build()?;
    let mut request = Request::new(target, input(args.input.as_deref())?).allow(ask);
    request.function.clone_from(&args.function);
    if args.dry_run {
        return plan::run(&host, &request, context).await;
    }
    let admitted = host.admit(request).await;
    let mut admitted = admitted.map_err(|error| without_input(&args, error))?;
    let printed = stdio(&mut admitted, &args, context.output)?;
    let is_command = admitted.function().is_command();
    let watched = args.observe.then(|| observe::Watched::of(admitted.prepared()));
    let caught = signal::caught().map_err(Error::Setup)?;
    let running = admitted.start().await?;
    let (report, signal) = follow(running, args.events, caught, context.output).await?;
    if let Some(path) = &args.receipt {
        crate::files::replace(path, &report.receipt)?;
    }
    let receipt = args.receipt.as_deref();
    let forgotten = match mode {
        Mode::Count => forgotten(&host, &report).await,
        Mode::Enforce => Vec::new(),
    };
    let observed = watched.map(|watched| watched.after(&report.uses));
    let shown = outcome::Shown { report: &report, is_command, receipt, forgotten, observed };
    shown.print(&host, printed.as_deref(), context.output).await?;
    let code = outcome::exit(&report.outcome);
    // The store finishes what it was handed before the process may end.
    drop(host);
    Ok(signal.map_or(code, signal::end_by))
}

/// Where buckets and containers are kept: as the settings say, and over them the flags.
fn kept(mut builder: Builder, args: &Args, context: &Context) -> Result<Builder, Error> {
    let settings = context.settings()?;
    if !args.keyvalue.is_empty() {
        let mut buckets = settings.keyvalue.clone();
        for flag in &args.keyvalue {
            let hint =
                "such as `--keyvalue notes=memory` or `--keyvalue notes=redis:env:NOTES_URL`";
            buckets.flag(flag).map_err(|why| Error::bad(format!("`--keyvalue`: {why}"), hint))?;
        }
        builder = builder.keyvalue(Arc::new(context.buckets(&buckets)?));
    }
    if !args.blobstore.is_empty() {
        let mut containers = settings.blobstore.clone();
        for flag in &args.blobstore {
            let hint = "such as `--blobstore pages=memory` or `--blobstore pages=folder:./pages`";
            let bad = |why| Error::bad(format!("`--blobstore`: {why}"), hint);
            containers.flag(flag).map_err(bad)?;
        }
        let containers = stores::containers(&context.home()?, &containers);
        builder = builder.blobstore(Arc::new(containers));
    }
    Ok(builder)
}

/// The text of `--input`.
fn input(given: Option<&str>) -> Result<String, Error> {
    match given {
        None => Ok(String::new()),
        Some("-") => text(bounded(io::stdin().lock(), MAX_STDIN)),
        Some(given) => match given.strip_prefix('@') {
            Some(path) => read_text(path.as_ref()),
            None => Ok(given.to_owned()),
        },
    }
}

fn text(bytes: io::Result<Vec<u8>>) -> Result<String, Error> {
    let fail = |source| Error::Read { path: "standard input".to_owned(), source };
    let invalid = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text");
    bytes.and_then(|bytes| String::from_utf8(bytes).map_err(invalid)).map_err(fail)
}

/// The error that an empty text is no JSON, in words of the command line.
fn without_input(args: &Args, error: longshore::Error) -> Error {
    if args.input.is_some() || error.code() != "LS-VAL-010" {
        return error.into();
    }
    if !args.arguments.is_empty() {
        let hint = "give a function its arguments as JSON, with `--input`";
        return Error::bad("only a command takes arguments after `--`", hint);
    }
    let target = &args.target;
    let hint = format!(
        "give its arguments as JSON with `--input`; `longshore inspect {target} --schema` shows \
         what it takes"
    );
    Error::bad("the function takes arguments, and none were given", hint)
}

/// What a command printed, where it is kept for the JSON document.
type Printed = Option<Arc<Mutex<Vec<u8>>>>;

/// Connects the call's streams: a command's to ours, a function's output to standard error. A
/// command's input is read only once it is known to be one: nobody else would read it.
fn stdio(admitted: &mut Admitted, args: &Args, output: Output) -> Result<Printed, Error> {
    let is_command = admitted.function().is_command();
    if !is_command && !args.arguments.is_empty() {
        let function = admitted.function().path().to_owned();
        let hint = "give a function its arguments as JSON, with `--input`";
        return Err(Error::bad(
            format!("`{function}` is no command and takes none after `--`"),
            hint,
        ));
    }
    if is_command && args.input.is_some() {
        let hint = "give a command its arguments after `--`, and its input on standard input";
        return Err(Error::bad("the component is a command, which takes no `--input`", hint));
    }
    let kept: Printed = (is_command && output.is_json()).then(Arc::default);
    let stdio = admitted.stdio();
    if is_command {
        let name = args.target.rsplit(['/', '\\']).next().unwrap_or(&args.target);
        stdio.arguments = std::iter::once(name.to_owned()).chain(args.arguments.clone()).collect();
        if !io::stdin().is_terminal() {
            let fail = |source| Error::Read { path: "standard input".to_owned(), source };
            stdio.stdin = bounded(io::stdin().lock(), MAX_STDIN).map_err(fail)?.into();
        }
    }
    stdio.watcher = Some(watcher(is_command, kept.clone()));
    Ok(kept)
}

fn watcher(is_command: bool, kept: Printed) -> Watcher {
    Arc::new(move |stream, bytes| {
        crate::output::guest_wrote(bytes);
        // A reader that has gone away must not stop the run: its output is in the journal.
        let _ = match (stream, is_command, &kept) {
            (Stream::Stdout, true, Some(kept)) => {
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
                Ok(())
            }
            (Stream::Stdout, true, None) => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes).and_then(|()| stdout.flush())
            }
            _ => io::stderr().lock().write_all(bytes),
        };
    })
}

/// Waits for the end of the run. An interrupt ends it, and its receipt is sealed nonetheless; a
/// second one ends this process.
async fn follow(
    mut running: Running,
    events: bool,
    caught: impl Future<Output = Signal>,
    output: Output,
) -> Result<(Report, Option<Signal>), Error> {
    let cancel = running.cancel();
    let work = async {
        if events {
            stream(running.events(), output).await;
        }
        running.finish().await
    };
    let mut work = pin!(work);
    let signal = tokio::select! {
        biased;
        report = &mut work => return Ok((report?, None)),
        signal = caught => signal,
    };
    cancel.cancel();
    let again = signal::caught().map_err(Error::Setup)?;
    tokio::select! {
        report = work => Ok((report?, Some(signal))),
        second = again => std::process::exit(signal::end_by(second).into()),
    }
}

/// An entry of the journal as a line.
#[derive(Serialize)]
struct Line<'e> {
    seq: u64,
    at: Timestamp,
    event: &'e Event,
}

async fn stream(events: &mut Subscription, output: Output) {
    while let Some(seen) = events.next().await {
        let line = match &seen {
            Seen::Entry(entry) => {
                let line = Line { seq: entry.seq, at: entry.at, event: &entry.event };
                serde_json::to_string(&line).unwrap_or_default()
            }
            Seen::Missed(count) => format!("{{\"missed\":{count}}}"),
        };
        output.say(&line);
        if matches!(&seen, Seen::Entry(entry) if matches!(entry.event, Event::RunEnded(_))) {
            return;
        }
    }
}

/// The host's journal entry of what was denied while it ran.
async fn denials(host: &Longshore, report: &Report) -> Vec<longshore::model::Denied> {
    let Ok(history) = host.journal().read(report.run).await else { return Vec::new() };
    let entries = history.into_entries().into_iter();
    entries.filter_map(|e| if let Event::Denied(d) = e.event { Some(d) } else { None }).collect()
}

/// What passed though no manifest asks for it, each once.
async fn forgotten(host: &Longshore, report: &Report) -> Vec<longshore::model::Forgotten> {
    let Ok(history) = host.journal().read(report.run).await else { return Vec::new() };
    let mut told: Vec<longshore::model::Forgotten> = Vec::new();
    for entry in history.into_entries() {
        if let Event::Forgotten(forgotten) = entry.event
            && !told.iter().any(|own| own.used == forgotten.used)
        {
            told.push(forgotten);
        }
    }
    told
}
