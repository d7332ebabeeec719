//! Waiting for what a workflow asked for: in memory for a while, then out of it.

use std::time::Duration;

use longshore_journal::{Waiting, WaitsOn};
use longshore_model::{Answer, CallId, Divergence, Timestamp};

use super::{Came, Flow, Halt, Ledger, Mode, State, Stop};
use crate::call::Scene;

/// A clock that is set forward is noticed after this long.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// What a look at the ledger shows.
enum Look {
    /// The place in the list of what came first.
    Found(usize),
    /// Somebody wants the run to end.
    Cancelled,
    Halt(Halt),
    Failed(longshore_journal::Error),
    Nothing {
        /// When a request settles by itself, and which.
        due: Option<(Timestamp, u32, Answer)>,
        /// Whether nothing that the workflow started is under way.
        idle: bool,
    },
}

impl Ledger {
    /// Waits for the first of `steps`, and says which of them it is. The workflow does nothing else meanwhile.
    pub(crate) async fn wait(&self, scene: &Scene, steps: &[u32]) -> Result<usize, Stop> {
        let _held = scene.turns.hold();
        self.wait_for(scene, steps).await
    }

    /// The same beside other waits: see [`crate::turns`].
    pub(crate) async fn wait_for(&self, scene: &Scene, steps: &[u32]) -> Result<usize, Stop> {
        let patience = scene.cx.patience();
        let began = self.run.now();
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let look = self.lock().look(scene.id, steps);
            let (due, idle) = match look {
                Look::Found(place) => return Ok(place),
                Look::Cancelled => return Err(Stop::Cancelled),
                Look::Halt(halt) => return Err(Stop::Halt(halt)),
                Look::Failed(error) => return Err(Stop::Journal(error)),
                Look::Nothing { .. } if self.mode == Mode::Replay => {
                    return Err(Stop::Halt(Halt::Exhausted));
                }
                Look::Nothing { due, idle } => (due, idle),
            };
            let now = self.run.now();
            let due = match due {
                Some((at, step, answer)) if at <= now => {
                    self.answer(scene.id, step, answer)?;
                    continue;
                }
                due => due.map(|(at, ..)| at),
            };
            let leaves = patience.filter(|_| idle && scene.depth == 0);
            if let Some(patience) = leaves {
                let patient = after(began, patience);
                let soon = due.is_some_and(|due| due <= patient);
                if !soon && (due.is_some() || now >= patient) {
                    let on = self.lock().kind(scene.id, steps);
                    return Err(Stop::Halt(Halt::Suspended(Waiting { on, wake_at: due })));
                }
            }
            let until = match (due, leaves) {
                (None, Some(patience)) => Some(after(began, patience)),
                (due, _) => due,
            };
            let nap = until.map_or(LONGEST_NAP, |until| between(now, until).min(LONGEST_NAP));
            let _paused = idle.then(|| scene.pause());
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(nap) => {}
            }
        }
    }

    /// What came of a request that was waited for.
    pub(crate) fn came(&self, flow: CallId, step: u32) -> Option<Came> {
        let mut state = self.lock();
        let own = state.flows.get_mut(&flow)?;
        let came = own.settled.get(&step).map(|settled| settled.what.clone());
        if matches!(came, Some(Came::Signal(_))) {
            own.received.insert(step);
        }
        came
    }

    /// Whether it came, and the workflow may know: what it saw last is no older.
    pub(crate) fn has_come(&self, flow: CallId, step: u32) -> bool {
        let state = self.lock();
        let Some(own) = state.flows.get(&flow) else { return false };
        own.settled.get(&step).is_some_and(|settled| settled.at <= own.seen)
    }

    /// Forgets what came of a request that nobody can ask for again.
    pub(crate) fn release(&self, flow: CallId, step: u32) {
        if let Some(own) = self.lock().flows.get_mut(&flow) {
            own.settled.remove(&step);
            own.due.remove(&step);
            own.kinds.remove(&step);
        }
    }
}

impl State {
    /// What kind of thing is waited for.
    fn kind(&self, flow: CallId, steps: &[u32]) -> WaitsOn {
        let Some(own) = self.flows.get(&flow) else { return WaitsOn::Several };
        let mut kinds = steps.iter().map(|step| own.kinds.get(step).copied());
        match kinds.next().flatten() {
            Some(kind) if kinds.all(|other| other == Some(kind)) => kind,
            _ => WaitsOn::Several,
        }
    }

    fn look(&mut self, flow: CallId, steps: &[u32]) -> Look {
        if let Some(error) = &self.failed {
            return Look::Failed(error.clone());
        }
        if let Some(halt) = &self.halt {
            return Look::Halt(halt.clone());
        }
        let cancel = self.cancel;
        let Some(own) = self.flows.get_mut(&flow) else {
            return Look::Nothing { due: None, idle: false };
        };
        let first = own.first(steps);
        if let Some(cancel) = cancel.filter(|_| !own.told)
            && first.is_none_or(|(_, at)| cancel < at)
        {
            own.told = true;
            own.seen = own.seen.max(cancel);
            return Look::Cancelled;
        }
        if let Some((place, at)) = first {
            own.seen = own.seen.max(at);
            return Look::Found(place);
        }
        let step = own.step;
        if let Some(recorded) = own.next_request() {
            // When the history was written, the workflow had what it waited for before it asked for more.
            let asked = "to wait for something that never came".to_owned();
            let history = recorded.what.describe();
            let call = flow;
            let divergence = Divergence { call, step, history, asked, recomputed: false };
            return Look::Halt(Halt::Diverged(divergence));
        }
        let due = steps.iter().filter_map(|step| {
            let (at, answer) = own.due.get(step)?;
            Some((*at, *step, answer.clone()))
        });
        Look::Nothing { due: due.min_by_key(|(at, ..)| *at), idle: own.running.is_empty() }
    }
}

impl Flow {
    /// Which of `steps` came first, and when.
    fn first(&self, steps: &[u32]) -> Option<(usize, super::Moment)> {
        let came = steps.iter().enumerate();
        let came = came.filter_map(|(place, step)| Some((place, self.settled.get(step)?.at)));
        came.min_by_key(|(_, at)| *at)
    }
}

fn after(at: Timestamp, duration: Duration) -> Timestamp {
    let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    Timestamp::from_unix_us(at.unix_us().saturating_add(us))
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_micros(to.unix_us().saturating_sub(from.unix_us()))
}
