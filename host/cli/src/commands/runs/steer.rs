//! Steering runs: going on with them, and telling them something.

use std::time::Duration;

use longshore::journal::{Journal, RunState};
use longshore::model::{Outcome, RunId};
use longshore::policy::Policy;
use longshore::{Approve, Longshore, Resume as With, Running};
use serde_json::json;

use super::named;
use crate::commands::policy::Policies;
use crate::commands::{Done, run::outcome, verify};
use crate::component;
use crate::context::{Context, read_text};
use crate::error::Error;

const RESUME_EXAMPLES: &str = "\
Examples:
  longshore runs resume last
  longshore runs resume --all                 every run that has something to do
  longshore runs resume 019a3c1e-8f2b-7c4d-9e6f-0123456789ab --from ./flow.wasm

A run goes on from its journal with the component and the grant that it began with: what its actions did is not
done again. Flags that it was allowed with are in the journal; values of secret settings are not, give them again.";

const SIGNAL_EXAMPLES: &str = "\
Examples:
  longshore runs signal last paid '{\"amount\": 12}'
  longshore runs signal 019a3c1e-8f2b-7c4d-9e6f-0123456789ab stop

The signal is kept by the journal until the run takes it, wherever and whenever that is.";

const APPROVE_EXAMPLES: &str = "\
Examples:
  longshore runs approve last yes --by ada --comment 'within the budget'
  longshore runs approve last                 shows what is asked";

/// Go on with a run that was interrupted or waits
#[derive(clap::Args, Debug)]
#[command(after_help = RESUME_EXAMPLES)]
pub(crate) struct Resume {
    /// The run's id, or `last`
    #[arg(value_name = "RUN", required_unless_present = "all")]
    run: Option<String>,
    /// Every run that has something to do and that nobody holds
    #[arg(long, conflicts_with_all = ["run", "from", "allow", "set"])]
    all: bool,
    /// The component, where it came from a file that this host keeps no copy of
    #[arg(long, value_name = "FILE")]
    from: Option<String>,
    /// Allow a capability beside what the journal says the run was allowed
    #[arg(short, long, value_name = "CAPABILITY")]
    allow: Vec<String>,
    /// Give a setting its value
    #[arg(short, long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    policies: Policies,
    #[command(flatten)]
    trust: verify::Trust,
}

/// Send a signal to a run
#[derive(clap::Args, Debug)]
#[command(after_help = SIGNAL_EXAMPLES)]
pub(crate) struct Signal {
    /// The run's id, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// The signal's name
    #[arg(value_name = "NAME")]
    name: String,
    /// What it says, as JSON or `@FILE`; `null`, if it says nothing
    #[arg(value_name = "JSON")]
    payload: Option<String>,
}

/// Answer a question of a run, or show what it asks
#[derive(clap::Args, Debug)]
#[command(after_help = APPROVE_EXAMPLES)]
pub(crate) struct Answer {
    /// The run's id, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// One of the question's options
    #[arg(value_name = "CHOICE", requires = "by")]
    choice: Option<String>,
    /// Who answers
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
    /// Which question, where there are several: `CALL.STEP` as it is shown
    #[arg(long, value_name = "CALL.STEP")]
    step: Option<String>,
}

/// Ask a run to end; its workflow may clear up first
#[derive(clap::Args, Debug)]
pub(crate) struct Cancel {
    /// The run's id, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Wait until a run has ended, and give its result
#[derive(clap::Args, Debug)]
pub(crate) struct Wait {
    /// The run's id, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// No longer than so many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

/// A host that tells runs something, and runs nothing.
fn teller(context: &Context) -> Result<Longshore, Error> {
    Ok(context.builder()?.store(context.store()?).build()?)
}

pub(super) async fn resume(args: Resume, context: &Context) -> Done {
    let host = context
        .builder()?
        .trust(context.trust(args.trust.trust.as_deref(), args.trust.key.as_deref())?)
        .policy(context.policy(&args.policies)?)
        .store(context.store()?)
        .build()?;
    let Some(run) = &args.run else { return resume_all(&host, context).await };
    let run = named(run, host.journal()).await?;
    let mut allow = Policy::default();
    for flag in &args.allow {
        allow.allow_flag(flag)?;
    }
    for flag in &args.set {
        allow.set_flag(flag)?;
    }
    let target = match &args.from {
        Some(from) => Some(component::target(from, context).await?),
        None => None,
    };
    let running = host.resume(run, With { target, allow }).await?;
    let report = running.finish().await?;
    let shown = outcome::Shown {
        report: &report,
        is_command: false,
        receipt: None,
        forgotten: Vec::new(),
        observed: None,
    };
    shown.print(&host, None, context.output).await?;
    Ok(outcome::exit(&report.outcome))
}

/// How many runs go on at once.
const AT_ONCE: usize = 256;

/// Goes on with everything that has something to do, until all of it has ended, waits for somebody, or cannot go on.
async fn resume_all(host: &Longshore, context: &Context) -> Done {
    let mut rows = Vec::new();
    let mut worst = 0;
    loop {
        let going = host.resume_due(AT_ONCE).await?;
        if going.is_empty() {
            break;
        }
        for (run, resumed) in going {
            let (word, code) = ended(host, run, resumed).await;
            worst = worst.max(code);
            if !context.output.is_json() {
                context.output.say(&format!("{run}  {word}"));
            }
            rows.push(json!({ "run": run, "state": word }));
        }
    }
    if rows.is_empty() && !context.output.is_json() {
        context.output.say("no run has anything to do");
        return Ok(0);
    }
    context.output.result(&json!({ "runs": rows }), || format!("{} went on", rows.len()))?;
    Ok(worst)
}

/// Waits until a run has ended or waits for somebody; how it stands then, and the exit status for it.
async fn ended(
    host: &Longshore,
    run: RunId,
    resumed: Result<Running, longshore::Error>,
) -> (String, u8) {
    let told = |error: &longshore::Error| (format!("{}: {error}", error.code()), 7);
    let running = match resumed {
        Ok(running) => running,
        Err(error) => return told(&error),
    };
    let mut finished = std::pin::pin!(running.finish());
    loop {
        tokio::select! {
            report = &mut finished => return match report {
                Ok(report) => (report.outcome.word().to_owned(), outcome::exit(&report.outcome)),
                Err(error) => told(&error),
            },
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
        let row = host.journal().summary(run).await.ok().flatten();
        // A timer far away is somebody's to wait for, too: the next `resume --all`.
        if row.is_some_and(|row| row.state == RunState::Waiting) {
            return ("waiting".to_owned(), 0);
        }
    }
}

pub(super) async fn signal(args: Signal, context: &Context) -> Done {
    let host = teller(context)?;
    let run = named(&args.run, host.journal()).await?;
    let payload = match args.payload.as_deref().and_then(|text| text.strip_prefix('@')) {
        Some(path) => read_text(path.as_ref())?,
        None => args.payload.unwrap_or_default(),
    };
    host.signal(run, &args.name, &payload, None).await?;
    told(&host, run, "signalled", context).await
}

pub(super) async fn cancel(args: Cancel, context: &Context) -> Done {
    let host = teller(context)?;
    let run = named(&args.run, host.journal()).await?;
    host.cancel(run, &args.reason).await?;
    told(&host, run, "asked to end", context).await
}

pub(super) async fn approve(args: Answer, context: &Context) -> Done {
    let host = teller(context)?;
    let run = named(&args.run, host.journal()).await?;
    let (Some(choice), Some(by)) = (args.choice, args.by) else {
        return questions(&host, run, context).await;
    };
    let hint = "write it as `CALL.STEP`, as `longshore runs approve RUN` shows it";
    let which = args.step.as_deref().map(|step| {
        let parsed =
            step.split_once('.').and_then(|(c, s)| Some((c.parse().ok()?, s.parse().ok()?)));
        parsed.ok_or_else(|| Error::bad(format!("`{step}` is no step"), hint))
    });
    let which = which.transpose()?;
    host.approve(run, Approve { choice, by, comment: args.comment, which }).await?;
    told(&host, run, "answered", context).await
}

async fn questions(host: &Longshore, run: RunId, context: &Context) -> Done {
    let open = host.approvals(run).await?;
    let document = json!({ "run": run, "questions": open.iter().map(|open| json!({
        "step": format!("{}.{}", open.call, open.step),
        "question": &open.approval,
    })).collect::<Vec<_>>() });
    context.output.result(&document, || {
        let line = |open: &longshore::OpenApproval| {
            let (options, step) = (open.approval.options.join(" / "), open.step);
            let due = open
                .approval
                .due
                .map_or_else(String::new, |due| format!(" until {}", due.rfc3339()));
            format!("{}.{step}  {}  [{options}]{due}", open.call, open.approval.question)
        };
        let lines: Vec<_> = open.iter().map(line).collect();
        if lines.is_empty() { "nothing is asked".to_owned() } else { lines.join("\n") }
    })?;
    Ok(0)
}

/// Says that a letter was posted, and what will come of it.
async fn told(host: &Longshore, run: RunId, word: &str, context: &Context) -> Done {
    let state = host.journal().summary(run).await?.map(|row| row.state);
    let held = state == Some(RunState::Open);
    let document = json!({ "run": run, "told": word, "held": held });
    context.output.result(&document, || match held {
        true => format!("{run}  {word}"),
        false => format!("{run}  {word}; it goes on with `longshore runs resume {run}`"),
    })?;
    Ok(0)
}

pub(super) async fn wait(args: Wait, journal: &Journal, context: &Context) -> Done {
    let mut run = named(&args.run, journal).await?;
    let began = std::time::Instant::now();
    loop {
        let row = journal.summary(run).await?;
        if row.as_ref().is_some_and(|row| row.state == RunState::Continued)
            && let Some(next) = journal.read(run).await?.continued()
        {
            run = next.run;
            continue;
        }
        if row.is_none_or(|row| row.ended.is_some()) {
            break;
        }
        if args.timeout.is_some_and(|most| began.elapsed() >= Duration::from_secs(most)) {
            let hint = "wait longer, or see `longshore runs show` for what it waits for";
            return Err(Error::bad(format!("the run `{run}` has not ended"), hint));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let history = journal.read(run).await?;
    let Some(end) = history.end() else { return Err(Error::NoRun { run: run.to_string() }) };
    let document = json!({ "run": run, "outcome": &end.outcome });
    context.output.result(&document, || match &end.outcome {
        Outcome::Ok(value) | Outcome::Failed(value) => value.as_str().to_owned(),
        Outcome::Fault(fault) => format!("{}: {}", fault.kind.code(), fault.message),
    })?;
    Ok(outcome::exit(&end.outcome))
}
