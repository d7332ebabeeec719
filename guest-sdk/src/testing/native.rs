//! The host's stand-in on the calling thread: what a test sets, and what the code under test did.

use std::cell::RefCell;

use serde_json::{Value, json};

use crate::Result;
use crate::http::{Request, Response};
use crate::log::Level;

/// What [`crate::attempt`] answers natively.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The run.
    pub run_id: String,
    /// From 1.
    pub number: u32,
    /// The same for every attempt at one step.
    pub idempotency_key: String,
    /// Milliseconds until the call is stopped.
    pub remaining_ms: u64,
}

impl Default for Attempt {
    /// The first attempt of a run called `test`, with a minute to go.
    fn default() -> Self {
        Self {
            run_id: "test".into(),
            number: 1,
            idempotency_key: "test/1".into(),
            remaining_ms: 60_000,
        }
    }
}

/// A log line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub message: String,
    /// Its fields, in order.
    pub fields: Vec<(String, Value)>,
}

/// What the code under test told the host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// Log lines, in order.
    pub log: Vec<Line>,
    /// Progress reports, in order: done, total, message.
    pub progress: Vec<(u64, u64, String)>,
    /// Values set on spans, in order: span, key, value.
    pub spans: Vec<(String, String, Value)>,
    /// A workflow's notes, in order.
    pub notes: Vec<String>,
}

type Responder = Box<dyn FnMut(&Request) -> Result<Response>>;

thread_local! {
    static SETTINGS: RefCell<Value> = RefCell::new(json!({}));
    static ATTEMPT: RefCell<Attempt> = RefCell::new(Attempt::default());
    static HTTP: RefCell<Option<Responder>> = const { RefCell::new(None) };
    static RECORD: RefCell<Option<Record>> = const { RefCell::new(None) };
}

/// Puts a value back when the test's closure ends, also when it ends by a panic.
struct Restore<T: 'static>(&'static std::thread::LocalKey<RefCell<T>>, Option<T>);

impl<T> Restore<T> {
    fn swap(key: &'static std::thread::LocalKey<RefCell<T>>, value: T) -> Self {
        Self(key, Some(key.replace(value)))
    }
}

impl<T> Drop for Restore<T> {
    fn drop(&mut self) {
        if let Some(before) = self.1.take() {
            self.0.replace(before);
        }
    }
}

/// Calls `body` with these settings, a JSON object; the ones before are back afterwards.
pub fn with_settings<T>(settings: &Value, body: impl FnOnce() -> T) -> T {
    let _restore = Restore::swap(&SETTINGS, settings.clone());
    body()
}

/// Calls `body` as this attempt.
pub fn with_attempt<T>(attempt: Attempt, body: impl FnOnce() -> T) -> T {
    let _restore = Restore::swap(&ATTEMPT, attempt);
    body()
}

/// Calls `body` with `respond` as the network: [`crate::http`] asks it instead of a server.
pub fn with_http<T>(
    respond: impl FnMut(&Request) -> Result<Response> + 'static,
    body: impl FnOnce() -> T,
) -> T {
    let _restore = Restore::swap(&HTTP, Some(Box::new(respond)));
    body()
}

/// Calls `body` and gives what it told the host, beside what it returned.
pub fn record<T>(body: impl FnOnce() -> T) -> (T, Record) {
    let restore = Restore::swap(&RECORD, Some(Record::default()));
    let value = body();
    let record = RECORD.take().unwrap_or_default();
    drop(restore);
    (value, record)
}

pub(crate) fn settings() -> Value {
    SETTINGS.with_borrow(Value::clone)
}

pub(crate) fn attempt() -> Attempt {
    ATTEMPT.with_borrow(Attempt::clone)
}

pub(crate) fn respond(request: &Request) -> Option<Result<Response>> {
    HTTP.with_borrow_mut(|responder| responder.as_mut().map(|respond| respond(request)))
}

pub(crate) fn logged(level: Level, message: &str, fields: &[(&str, Value)]) {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    recorded(|record| record.log.push(Line { level, message: message.to_owned(), fields }));
}

pub(crate) fn reported(done: u64, total: u64, message: &str) {
    recorded(|record| record.progress.push((done, total, message.to_owned())));
}

pub(crate) fn span_set(span: &str, key: &str, value: Value) {
    recorded(|record| record.spans.push((span.to_owned(), key.to_owned(), value)));
}

pub(crate) fn noted(message: &str) {
    recorded(|record| record.notes.push(message.to_owned()));
}

fn recorded(note: impl FnOnce(&mut Record)) {
    RECORD.with_borrow_mut(|record| {
        if let Some(record) = record {
            note(record);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{attempt, progress, run, spans};

    #[test]
    fn everything_told_to_the_host_is_recorded() {
        let (key, record) = record(|| {
            progress::report(1, 2, "half");
            spans::Span::open("parse").set("bytes", &7);
            run::note("so far");
            attempt::idempotency_key()
        });
        assert_eq!(key, "test/1");
        assert_eq!(record.progress, [(1, 2, "half".to_owned())]);
        assert_eq!(record.spans, [("parse".to_owned(), "bytes".to_owned(), json!(7))]);
        assert_eq!(record.notes, ["so far"]);
    }

    #[test]
    fn a_panic_puts_everything_back() {
        let caught = std::panic::catch_unwind(|| {
            with_attempt(Attempt { number: 9, ..Attempt::default() }, || panic!("on purpose"));
        });
        assert!(caught.is_err());
        assert_eq!(crate::attempt::number(), 1);
    }
}
