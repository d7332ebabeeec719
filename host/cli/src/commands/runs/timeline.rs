//! A run as a timeline: who and with what, then each step with its time and size, then the end.

use std::collections::HashMap;

use longshore::journal::{Entry, History, RunState, is_pure, is_pure_run};
use longshore::model::{
    Answer, CallId, Event, GrantRecord, Logged, Outcome, RunStarted, Stream, Timestamp,
};
use longshore::reference::Digest;

use super::{seconds, took, unpinned};
use crate::commands::verify::signer;
use crate::render::{brief, duration, size, table};

/// The whole text.
pub(super) fn text(history: &History, state: RunState, receipt: Option<Digest>) -> String {
    let start = history.start();
    let head = table(&head(history, state, receipt));
    let mut steps = Steps::new(start, history.entries()[0].at);
    for entry in history.entries() {
        steps.add(entry);
    }
    format!("{head}\n\n{}", table(&steps.rows))
}

fn head(history: &History, state: RunState, receipt: Option<Digest>) -> Vec<[String; 2]> {
    let (start, row) = (history.start(), history.summary());
    let line = |name: &str, value: String| [name.to_owned(), value];
    let mut rows = vec![
        line("run", start.run.to_string()),
        line("component", start.component.reference.clone()),
        line("digest", start.component.digest.to_string()),
    ];
    rows.extend(start.component.signers.iter().map(|s| line("signed by", signer(s))));
    rows.push(line("function", start.function.clone()));
    rows.extend(granted(&start.grant).into_iter().map(|text| line("granted", text)));
    if is_pure_run(start) {
        rows.push(line("pure", "nothing in it reaches outside; it waits for no disk".to_owned()));
    }
    for dependency in &start.dependencies {
        let name = unpinned(&dependency.component.reference);
        rows.push(line("calls", format!("{} of {name}", dependency.interface)));
        let granted = granted(&dependency.grant).into_iter();
        rows.extend(granted.map(|text| line("", format!("  granted {text}"))));
        if is_pure(&dependency.grant) {
            rows.push(line("", "  pure: its calls wait for no disk".to_owned()));
        }
    }
    if let Some(before) = &start.continues {
        let number = before.number;
        rows.push(line(
            "continues",
            format!("{}, number {number} after {}", before.run, before.first),
        ));
    }
    if let Some(next) = history.continued() {
        rows.push(line("goes on as", next.run.to_string()));
    }
    let ended = row.ended.map_or_else(String::new, |end| format!(" in {}", took(row.started, end)));
    rows.push(line("started", seconds(row.started)));
    rows.push(line("state", format!("{state}{ended}")));
    rows.push(line("journal", format!("{} entries, {}", row.entries, row.head)));
    rows.push(line("receipt", receipt.map_or_else(|| "none".to_owned(), |r| r.to_string())));
    rows
}

fn granted(grant: &GrantRecord) -> Vec<String> {
    grant.scopes.iter().map(|(scope, rule)| format!("{scope}  by `{rule}`")).collect()
}

/// The steps, as rows of a table: time since the start, what, how much.
struct Steps {
    rows: Vec<[String; 3]>,
    began: Timestamp,
    names: HashMap<Digest, String>,
    depths: HashMap<CallId, (usize, String)>,
}

impl Steps {
    fn new(start: &RunStarted, began: Timestamp) -> Self {
        let all = start.dependencies.iter().map(|d| &d.component);
        let names = all
            .chain([&start.component])
            .map(|c| (c.digest, short(&c.reference).to_owned()))
            .collect();
        Self { rows: Vec::new(), began, names, depths: HashMap::new() }
    }

    fn row(&mut self, at: Timestamp, depth: usize, what: String, much: String) {
        let since = at.unix_us() - self.began.unix_us();
        let time = format!("{:>6}.{:03} ms", since / 1_000, since % 1_000);
        self.rows.push([time, format!("{}{what}", "  ".repeat(depth)), much]);
    }

    fn depth(&self, call: Option<CallId>) -> usize {
        call.and_then(|call| self.depths.get(&call)).map_or(0, |(depth, _)| depth + 1)
    }

    fn add(&mut self, entry: &Entry) {
        let at = entry.at;
        match &entry.event {
            Event::RunStarted(start) => {
                let input = size(start.input.as_str().len() as u64);
                self.row(at, 0, "run started".to_owned(), format!("{input} in"));
            }
            Event::CallStarted(call) => {
                let depth = self.depth(call.parent);
                let component = self.names.get(&call.component).map_or("?", String::as_str);
                let function = call.function.rsplit('#').next().unwrap_or_default();
                let name = format!("{component} {function}");
                let attempt = if call.attempt > 1 {
                    format!(", attempt {}", call.attempt)
                } else {
                    String::new()
                };
                let much = format!("{} in{attempt}", size(call.input_bytes));
                self.row(at, depth, format!("> {name}"), much);
                self.depths.insert(call.call, (depth, name));
            }
            Event::CallEnded(call) => {
                let (depth, name) = self.depths.get(&call.call).cloned().unwrap_or_default();
                let used = &call.usage;
                let much = format!("{}, {}", duration(used.wall_us), size(used.memory_bytes));
                let (word, out) = ending(&call.outcome);
                self.row(at, depth, format!("< {name} {word}"), format!("{out}{much}"));
            }
            Event::Denied(denied) => {
                let depth = self.depth(denied.call);
                let what = format!("! denied `{}`: {}", denied.asked, denied.rule);
                self.row(at, depth, what, denied.hint.clone());
            }
            Event::Forgotten(forgotten) => {
                let depth = self.depth(Some(forgotten.call));
                let what = format!("! the manifest does not ask for `{}`", forgotten.used);
                self.row(at, depth, what, String::new());
            }
            Event::EffectStarted(effect) => {
                let depth = self.depth(Some(effect.call));
                let what = brief(&effect.what.to_string(), 100);
                self.row(at, depth, format!("~ {what}"), String::new());
            }
            Event::EffectEnded(effect) => {
                let depth = self.depth(Some(effect.call));
                self.row(at, depth, format!("~ {}", brief(&effect.result, 100)), String::new());
            }
            Event::Logged(logged) => self.logged(at, logged),
            Event::Output(output) => {
                let name = match output.stream {
                    Stream::Stdout => "stdout",
                    Stream::Stderr => "stderr",
                };
                let depth = self.depth(Some(output.call));
                let what = format!("{name}: {}", brief(output.text.trim_end(), 60));
                self.row(at, depth, what, size(output.text.len() as u64));
            }
            Event::RunEnded(end) => {
                let (word, out) = ending(&end.outcome);
                let much = format!("{out}{}", duration(end.usage.wall_us));
                self.row(at, 0, format!("run {word}"), much);
            }
            other => self.durable(at, other),
        }
    }

    /// What only runs of workflows have.
    fn durable(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::AttemptFailed(failed) => {
                let (depth, name) = self.depths.get(&failed.call).cloned().unwrap_or_default();
                let (word, _) = ending(&failed.outcome);
                let what = format!("x {name} attempt {} {word}", failed.attempt);
                self.row(at, depth, what, format!("again {}", failed.next.rfc3339()));
            }
            Event::Asked(asked) => {
                let depth = self.depth(Some(asked.call));
                let what = format!("? {}", brief(&asked.what.describe(), 120));
                self.row(at, depth, what, format!("step {}.{}", asked.call, asked.step));
            }
            Event::Answered(answered) => {
                let depth = self.depth(Some(answered.call));
                let what = match &answered.answer {
                    Answer::Fired => "its time has come".to_owned(),
                    Answer::Approved(d) => format!("`{}` by {}: {}", d.choice, d.by, d.comment),
                    Answer::Silence { choice } => format!("`{choice}`, since nobody answered"),
                    Answer::Child(outcome) => format!("the child ended: {}", ending(outcome).0),
                };
                let step = format!("step {}.{}", answered.call, answered.step);
                self.row(at, depth, format!("! {}", brief(&what, 120)), step);
            }
            Event::Signalled(signal) => {
                let what = format!("! signal `{}`", brief(&signal.name, 60));
                self.row(at, 1, what, size(signal.payload.as_str().len() as u64));
            }
            Event::CancelRequested(cancel) => {
                let what = format!("! asked to end: {}", brief(&cancel.reason, 80));
                self.row(at, 1, what, String::new());
            }
            Event::RunResumed(resumed) => {
                let name = self.names.get(&resumed.component).cloned();
                let what = format!("run goes on with {}", name.unwrap_or_else(|| "?".to_owned()));
                self.row(at, 0, what, String::new());
            }
            Event::RunMoved(moved) => {
                let digest = moved.component.digest;
                self.names.insert(digest, short(&moved.component.reference).to_owned());
                let below = moved.dependencies.iter().map(|d| &d.component);
                self.names.extend(below.map(|c| (c.digest, short(&c.reference).to_owned())));
                let what = format!("run moved to {}", unpinned(&moved.component.reference));
                self.row(at, 0, what, brief(&digest.to_string(), 20));
            }
            Event::RunDiverged(divergence) => {
                self.row(
                    at,
                    0,
                    format!("run diverged {}", brief(&divergence.to_string(), 160)),
                    String::new(),
                );
            }
            _ => {}
        }
    }

    fn logged(&mut self, at: Timestamp, logged: &Logged) {
        let depth = self.depth(Some(logged.call));
        let fields = logged.fields.as_ref().map_or_else(String::new, |f| brief(f.as_str(), 60));
        self.row(at, depth, format!("{}: {}", logged.kind, brief(&logged.message, 80)), fields);
    }
}

/// How it ended, and how much came out.
fn ending(outcome: &Outcome) -> (String, String) {
    match outcome {
        Outcome::Ok(value) => {
            ("ok".to_owned(), format!("{} out, ", size(value.as_str().len() as u64)))
        }
        Outcome::Failed(value) => {
            (format!("failed: {}", brief(value.as_str(), 100)), String::new())
        }
        Outcome::Fault(fault) => (
            format!("stopped, {}: {}", fault.kind.code(), brief(&fault.message, 160)),
            String::new(),
        ),
    }
}

/// The last part of a name: `registry.example.com/a/fetch:1.0.0@…` is `fetch`.
fn short(reference: &str) -> &str {
    let last = unpinned(reference).rsplit('/').next().unwrap_or(reference);
    let last = last.split(':').next().unwrap_or(last);
    last.strip_suffix(".wasm").unwrap_or(last)
}
