//! The only place that prints. Standard output is data: one JSON document, or what was asked for;
//! standard error is talk: errors, summaries, progress.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use longshore::Error as PathError;
use longshore::policy::{Denial, Refusal};
use serde::Serialize;
use serde_json::json;

use crate::context::variable;
use crate::error::Error;

/// Whether a guest's words ended in the middle of a line.
static MID_LINE: AtomicBool = AtomicBool::new(false);

/// Notes what a guest wrote, so that our own words begin on a line of their own.
pub(crate) fn guest_wrote(bytes: &[u8]) {
    if let Some(last) = bytes.last() {
        MID_LINE.store(*last != b'\n', Ordering::Relaxed);
    }
}

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    colours: bool,
}

/// How a word is set off, on a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    /// Something is wrong.
    Bad,
    /// Something is well.
    Good,
    /// To be seen first.
    Strong,
    /// To be seen last.
    Faint,
}

impl Output {
    /// With or without `--json`.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, colours: colours_on_stderr() }
    }

    /// Whether one JSON document is all that standard output may hold.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Writes the command's result: as JSON where that was asked for, else as `text` says it.
    pub(crate) fn result<T: Serialize>(
        self,
        document: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        if self.json { self.document(document) } else { self.text(&text()) }
    }

    /// Writes a JSON document: over several lines where a person reads it.
    pub(crate) fn document<T: Serialize>(self, document: &T) -> Result<(), Error> {
        let text = match io::stdout().is_terminal() {
            true => serde_json::to_string_pretty(document),
            false => serde_json::to_string(document),
        };
        self.text(&text.map_err(|error| Error::Stdout(error.into()))?)
    }

    /// Writes text and ends it with a line's end.
    pub(crate) fn text(self, text: &str) -> Result<(), Error> {
        self.bytes(format!("{}\n", text.trim_end_matches('\n')).as_bytes())
    }

    /// Writes bytes as they are. A reader that has gone away is no error: it has seen enough.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<(), Error> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Stdout(error)),
            _ => Ok(()),
        }
    }

    /// Says something beside the result, on a line of its own.
    pub(crate) fn say(self, text: &str) {
        if MID_LINE.swap(false, Ordering::Relaxed) {
            let _ = writeln!(io::stderr().lock());
        }
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// `text`, set off where standard error is a terminal.
    pub(crate) fn tone(self, tone: Tone, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Bad => "1;31",
            Tone::Good => "1;32",
            Tone::Strong => "1",
            Tone::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Warns of something that does not keep the command from going on.
    pub(crate) fn warn(self, text: &str) {
        self.say(&format!("{}: {text}", self.tone(Tone::Strong, "warning")));
    }

    /// Shows an error, and gives its exit status.
    pub(crate) fn error(self, error: &Error) -> u8 {
        if self.json {
            // What cannot be written was itself the error, or will be seen by its exit status.
            let _ = self.document(&as_json(error));
        } else if let Some(refusal) = refusal(error) {
            self.refused(error, refusal);
        } else {
            let shown = error.shown();
            self.headline(shown.code, &shown.message);
            for cause in &shown.causes {
                self.say(&format!("  caused by: {}", indented(cause)));
            }
            self.hint(shown.hint.as_deref());
        }
        error.exit()
    }

    /// `error[CODE]: message`.
    pub(crate) fn headline(self, code: &str, message: &str) {
        let label = self.tone(Tone::Bad, &format!("error[{code}]"));
        self.say(&format!("{label}: {}", indented(message)));
    }

    /// `hint: …`.
    pub(crate) fn hint(self, hint: Option<&str>) {
        if let Some(hint) = hint {
            self.say(&format!("  {}: {}", self.tone(Tone::Strong, "hint"), indented(hint)));
        }
    }

    /// A refusal: two lines for each denial, what it is and how to allow it.
    fn refused(self, error: &Error, refusal: &Refusal) {
        let count = refusal.denials.len();
        let (name, code) = (&refusal.component, error.code());
        if count == 0 {
            self.headline(code, &refusal.to_string());
        } else {
            let things = if count == 1 { "capability" } else { "capabilities" };
            self.headline(code, &format!("`{name}` is refused {count} {things} that it needs"));
        }
        for denial in &refusal.denials {
            self.say(&format!("  {}: {denial}", self.tone(Tone::Bad, "denied")));
            self.say(&format!("    {}: {}", self.tone(Tone::Strong, "hint"), denial.hint));
        }
        if let Some(settings) = &refusal.settings {
            self.say(&format!("  caused by: {}", indented(&settings.to_string())));
            self.hint(settings.hint().as_deref());
        }
        if let Some((run, receipt)) = sealed(error) {
            self.say(&self.tone(Tone::Faint, &format!("  run {run} refused, receipt {receipt}")));
        }
    }
}

/// A denial as JSON.
pub(crate) fn denial(denial: &Denial) -> serde_json::Value {
    json!({
        "code": denial.code(),
        "capability": denial.capability,
        "asked": denial.asked(),
        "import": denial.import,
        "reason": denial.reason,
        "rule": denial.rule,
        "forbidden-by": denial.forbidden_by,
        "hint": denial.hint.to_string(),
        "change": denial.hint,
    })
}

fn as_json(error: &Error) -> serde_json::Value {
    let mut document = json!({ "error": error.shown() });
    if let Some(refusal) = refusal(error) {
        document["error"]["denials"] = refusal.denials.iter().map(denial).collect();
    }
    if let Some((run, receipt)) = sealed(error) {
        document["run"] = json!(run);
        document["receipt"] = json!({ "digest": receipt });
    }
    document
}

fn refusal(error: &Error) -> Option<&Refusal> {
    let Error::Path(error) = error else { return None };
    if let PathError::Refused(refused) = &**error { Some(&refused.refusal) } else { None }
}

fn sealed(error: &Error) -> Option<(String, String)> {
    let Error::Path(error) = error else { return None };
    let PathError::Refused(refused) = &**error else { return None };
    let report = refused.report.as_ref()?;
    Some((report.run.to_string(), report.receipt_digest.to_string()))
}

/// Further lines of a message stand below its first.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

/// Whether standard error takes colours: a terminal, and nobody who objects (<https://no-color.org>).
pub(crate) fn colours_on_stderr() -> bool {
    variable("NO_COLOR").is_none_or(|value| value.is_empty())
        && variable("TERM").is_none_or(|term| term != "dumb")
        && io::stderr().is_terminal()
}

/// Writes text to standard output before there is anything else.
pub(crate) fn raw(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(7),
    }
}
