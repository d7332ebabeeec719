//! How a run ended, as it is shown, and its exit status.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use longshore::model::{Fault, FaultKind, Forgotten, Json, Outcome, RunId, Usage};
use longshore::policy::Observed;
use longshore::reference::Digest;
use longshore::{Longshore, Report};
use serde::Serialize;

use crate::error::Error;
use crate::output::{Output, Tone};
use crate::render::{brief, duration, indent, size};

/// A finished run, and what is to be said of it.
pub(crate) struct Shown<'r> {
    pub(crate) report: &'r Report,
    pub(crate) is_command: bool,
    pub(crate) receipt: Option<&'r Path>,
    /// What passed though the manifest does not ask for it.
    pub(crate) forgotten: Vec<Forgotten>,
    /// What would have sufficed, where somebody asked.
    pub(crate) observed: Option<Vec<Observed>>,
}

/// The JSON document of a run.
#[derive(Serialize)]
struct Document<'r> {
    run: RunId,
    outcome: Ending<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    #[serde(skip_serializing_if = "<[Forgotten]>::is_empty")]
    forgotten: &'r [Forgotten],
    usage: &'r Usage,
    journal: Digest,
    receipt: Receipt,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed: Option<&'r [Observed]>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Ending<'r> {
    Ok(&'r Json),
    Failed(&'r Json),
    Fault(CodedFault<'r>),
}

#[derive(Serialize)]
struct CodedFault<'r> {
    code: &'static str,
    #[serde(flatten)]
    fault: &'r Fault,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

#[derive(Serialize)]
struct Receipt {
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

/// The exit status of an outcome (`docs/errors.md`, "Exit codes").
pub(crate) fn exit(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Ok(_) => 0,
        Outcome::Failed(_) => 1,
        Outcome::Fault(fault) => match fault.kind {
            FaultKind::Exit => 1,
            FaultKind::Denied => 4,
            FaultKind::Host => 7,
            _ => 6,
        },
    }
}

impl Shown<'_> {
    /// Prints the result, and the summary beside it.
    pub(crate) async fn print(
        &self,
        host: &Longshore,
        printed: Option<&Mutex<Vec<u8>>>,
        output: Output,
    ) -> Result<(), Error> {
        if output.is_json() {
            return output.document(&self.document(printed));
        }
        match &self.report.outcome {
            Outcome::Ok(_) if self.is_command => {}
            Outcome::Ok(value) if io::stdout().is_terminal() => {
                output.text(&indent(value.as_str()))?;
            }
            Outcome::Ok(value) => output.text(value.as_str())?,
            Outcome::Failed(value) => {
                let label = output.tone(Tone::Bad, "failed");
                output.say(&format!("{label}: {}", brief(value.as_str(), 4_000)));
            }
            Outcome::Fault(fault) => self.fault(fault, output),
        }
        if !self.report.outcome.is_ok() {
            for denied in super::denials(host, self.report).await {
                let label = output.tone(Tone::Bad, "denied");
                output.say(&format!("  {label}: `{}`: {}", denied.asked, denied.rule));
                output.say(&format!("    {}: {}", output.tone(Tone::Strong, "hint"), denied.hint));
            }
        }
        for forgotten in &self.forgotten {
            let label = output.tone(Tone::Bad, "forgotten");
            output.say(&format!("  {label}: the manifest does not ask for `{}`", forgotten.used));
            let manifest = forgotten.manifest.replace('\n', "; ");
            let hint = output.tone(Tone::Strong, "hint");
            output.say(&format!("    {hint}: add to `longshore.toml`: `{manifest}`"));
        }
        self.summary(output);
        if let Some(observed) = &self.observed {
            output.say(&super::observe::text(observed, self.report.uses.more));
        }
        Ok(())
    }

    fn document(&self, printed: Option<&Mutex<Vec<u8>>>) -> Document<'_> {
        let outcome = match &self.report.outcome {
            Outcome::Ok(value) => Ending::Ok(value),
            Outcome::Failed(value) => Ending::Failed(value),
            Outcome::Fault(fault) => {
                let (code, hint) = (fault.kind.code(), hint(fault.kind));
                Ending::Fault(CodedFault { code, fault, hint })
            }
        };
        let text = |kept: &Mutex<Vec<u8>>| {
            let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            String::from_utf8_lossy(&kept).into_owned()
        };
        Document {
            run: self.report.run,
            outcome,
            stdout: printed.map(text),
            forgotten: &self.forgotten,
            usage: &self.report.usage,
            journal: self.report.journal,
            receipt: Receipt {
                digest: self.report.receipt_digest,
                path: self.receipt.map(|path| path.display().to_string()),
            },
            observed: self.observed.as_deref(),
        }
    }

    fn fault(&self, fault: &Fault, output: Output) {
        output.headline(fault.kind.code(), &fault.message);
        for frame in &fault.backtrace {
            output.say(&output.tone(Tone::Faint, &format!("    at {}", brief(frame, 200))));
        }
        output.hint(hint(fault.kind));
    }

    /// One line on standard error: how it ended, what it took, where the proof is.
    fn summary(&self, output: Output) {
        let Report { run, outcome, usage, receipt_digest, .. } = self.report;
        let tone = if outcome.is_ok() { Tone::Good } else { Tone::Bad };
        let took = duration(usage.wall_us);
        let memory = size(usage.memory_bytes);
        let rest = format!("in {took}, {memory}  run {run}  receipt {receipt_digest}");
        let word = output.tone(tone, outcome.word());
        output.say(&format!("{word} {}", output.tone(Tone::Faint, &rest)));
    }
}

/// What to do about a fault.
fn hint(kind: FaultKind) -> Option<&'static str> {
    Some(match kind {
        FaultKind::Trap | FaultKind::Stack => "a bug of the component: report it to its author",
        FaultKind::Deadline => {
            "see which step took how long with `longshore runs show last`; its manifest asks for \
             time under `[limits]` as `deadline-ms`"
        }
        FaultKind::Memory
        | FaultKind::Resources
        | FaultKind::OutputSize
        | FaultKind::StreamSize
        | FaultKind::InputSize
        | FaultKind::Budget => {
            "give it less at once, or raise the limit: the manifest asks under `[limits]`, the \
             policy sets `[ceilings]`"
        }
        FaultKind::Host => "see `longshore doctor`",
        FaultKind::Exit | FaultKind::Denied | FaultKind::Cancelled => return None,
    })
}
