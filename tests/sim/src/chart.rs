//! What the journals say so far, kept up to date with each append: which calls there are, under which keys, and which have ended.

use std::collections::HashMap;

use longshore_journal::Append;
use longshore_model::{Ask, CallId, Event, Outcome, RunId};

/// Every run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chart(HashMap<RunId, Runs>);

/// The calls of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    calls: HashMap<CallId, Call>,
    by_path: HashMap<String, CallId>,
    /// How many requests each workflow made.
    asked: HashMap<CallId, u32>,
}

/// One call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) function: String,
    /// The number of the last attempt that began.
    pub(crate) attempts: u32,
    /// How many intents of effects it has.
    pub(crate) intents: u32,
    pub(crate) ended: Option<Outcome>,
}

impl Chart {
    /// Enters what was appended; gives what is wrong with it.
    pub(crate) fn enter(&mut self, append: &Append) -> Option<String> {
        let run = self.0.entry(append.run).or_default();
        let mut wrong = None;
        for record in &append.records {
            match record.decode() {
                Ok(entry) => wrong = wrong.or(run.enter(&entry.event)),
                Err(error) => {
                    wrong = wrong.or(Some(format!("an entry that nobody reads: {error}")))
                }
            }
        }
        wrong.map(|wrong| format!("{}: {wrong}", append.run))
    }

    /// The call with an idempotency key.
    pub(crate) fn call(&self, key: &str) -> Option<&Call> {
        let (run, path) = key.split_once('/')?;
        let run = self.0.get(&run.parse().ok()?)?;
        run.calls.get(run.by_path.get(path)?)
    }

    /// The runs.
    pub(crate) fn runs(&self) -> impl Iterator<Item = RunId> {
        self.0.keys().copied()
    }

    /// The calls of a run.
    pub(crate) fn calls(&self, run: RunId) -> impl Iterator<Item = &Call> {
        self.0.get(&run).into_iter().flat_map(|run| run.calls.values())
    }
}

impl Runs {
    fn enter(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::CallStarted(started) => {
                if let Some(known) = self.calls.get_mut(&started.call) {
                    let (before, now) = (known.attempts, started.attempt);
                    known.attempts = now;
                    if known.ended.is_some() {
                        return Some(format!("call {} begins again after its end", known.path));
                    }
                    if now <= before {
                        return Some(format!("attempt {now} of {} after {before}", known.path));
                    }
                    return None;
                }
                let path = match started.parent {
                    None => started.call.to_string(),
                    Some(parent) => {
                        let asked = self.asked.entry(parent).or_default();
                        *asked += 1;
                        let above = self.calls.get(&parent).map_or("?", |call| &call.path);
                        format!("{above}.{asked}")
                    }
                };
                self.by_path.insert(path.clone(), started.call);
                let function = started.function.clone();
                let attempts = started.attempt;
                self.calls
                    .insert(started.call, Call { path, function, attempts, ..Call::default() });
            }
            Event::Asked(asked) if !matches!(asked.what, Ask::Version { .. }) => {
                *self.asked.entry(asked.call).or_default() += 1;
            }
            Event::EffectStarted(effect) => {
                if let Some(call) = self.calls.get_mut(&effect.call) {
                    call.intents += 1;
                }
            }
            Event::CallEnded(ended) => match self.calls.get_mut(&ended.call) {
                Some(call) if call.ended.is_some() => {
                    return Some(format!("call {} ends twice", call.path));
                }
                Some(call) => call.ended = Some(ended.outcome.clone()),
                None => return Some(format!("call {} ends unbegun", ended.call)),
            },
            _ => {}
        }
        None
    }
}
