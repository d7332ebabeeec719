//! How a run is carried out: what is kept from its history, what is computed again, where it stands among those that it continues.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use longshore_journal::{Entry, Run};
use longshore_model::{CallId, Event, RunId};
use longshore_reference::Digest;

use crate::{Children, Function};

/// Of the steps that a power cut could have taken, so many are computed again: a run with very many goes on at once.
const MOST_CHECKED: usize = 1_000;

/// How a run is carried out. `Default`: it never leaves memory, has no randomness and no children.
#[derive(Clone, Default)]
pub struct RunOptions {
    /// How long a workflow that can only wait is kept in memory; for ever, if none.
    pub patience: Option<Duration>,
    /// What the randomness of its workflows comes from.
    pub seed: Option<Digest>,
    /// Who starts the children of its workflows.
    pub children: Option<Arc<dyn Children>>,
    /// Whether nothing may be done beyond the history.
    pub replay: bool,
    /// Which results of pure actions in the history are computed again and compared.
    pub recompute: Recompute,
    /// The limit `started-calls`; its default, if none.
    pub started_calls: Option<u64>,
    /// The function of the run, for whose next input its workflow may ask to go on as a new run.
    pub function: Option<Arc<Function>>,
}

/// Which results of pure actions in a history are computed again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recompute {
    /// None: they were computed by the host that goes on.
    #[default]
    Nothing,
    /// Those that nobody synced: of the last 1,000 calls, the ones after the last thing that was to be on disk.
    Tail,
    /// All.
    All,
}

impl std::fmt::Debug for RunOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunOptions").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// Where a run stands among those that it continues.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) first: RunId,
    pub(crate) number: u32,
    pub(super) spent: u64,
}

impl Line {
    pub(super) fn of(run: &Run, entries: &[Entry]) -> Self {
        match entries.first().map(|entry| &entry.event) {
            Some(Event::RunStarted(start)) if start.continues.is_some() => {
                let before = start.continues.as_ref();
                Self {
                    first: before.map_or(run.id(), |before| before.first),
                    number: before.map_or(0, |before| before.number),
                    spent: before.map_or(0, |before| before.spent_micros),
                }
            }
            _ => Self { first: run.id(), number: 0, spent: 0 },
        }
    }
}

/// The calls of a history whose results are computed again, where they can be, with their components.
pub(super) fn recomputed(which: Recompute, entries: &[Entry]) -> Vec<(CallId, Digest)> {
    let (from, most) = match which {
        Recompute::Nothing => return Vec::new(),
        Recompute::Tail => (longshore_journal::unsynced_from(entries), MOST_CHECKED),
        Recompute::All => (0, usize::MAX),
    };
    let started = entries.iter().filter_map(|entry| match &entry.event {
        Event::CallStarted(started) => Some((started.call, started.component)),
        _ => None,
    });
    let components: HashMap<_, _> = started.collect();
    let calls = entries[from..].iter().rev().filter_map(|entry| match &entry.event {
        Event::CallEnded(ended) => Some((ended.call, *components.get(&ended.call)?)),
        _ => None,
    });
    calls.take(most).collect()
}
