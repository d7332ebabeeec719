//! What the outside tells a run: who waits for it, what has come, and what of it nobody has seen.

use std::collections::VecDeque;

use longshore_model::{CallId, CancelRequested, Event, Json, Signalled};

use super::{Came, Ledger, Moment, Settled, State, Stop};

/// Signals of one name and who waits for them, first come first served.
#[derive(Debug, Default)]
pub(super) struct Mail {
    received: VecDeque<(Moment, Json)>,
    pub(super) waiting: VecDeque<(CallId, u32, Moment)>,
    /// Who was given one that nobody has looked at, and when it came.
    met: Vec<((CallId, u32), Moment)>,
}

impl Ledger {
    /// Takes a letter into the history as `event`: a signal, a decision, or the wish that the run end. One that changes
    /// nothing is taken as `late`.
    pub(crate) fn take(&self, event: Event, late: Event, letter: u64) -> Result<(), Stop> {
        let mut state = self.lock();
        let event = if state.is_news(&event) { event } else { late };
        let (seq, at) = self.run.record_letter_at(event.clone(), letter).map_err(Stop::Journal)?;
        let at = Moment { seq, at };
        if let Event::Answered(answered) = &event {
            let what = Came::Answer(answered.answer.clone());
            state
                .flows
                .entry(answered.call)
                .or_default()
                .settle(answered.step, Settled { at, what });
        }
        state.apply(at, &event);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Signals that came and were not received, in their order, and the wish that the run end where nobody was told of it.
    pub(crate) fn unseen(&self) -> (Vec<Signalled>, Option<CancelRequested>) {
        let state = self.lock();
        let told = state.flows.values().any(|flow| flow.told);
        let cancel = state.cancel.filter(|_| !told);
        let reason = state.cancel_reason.clone();
        (state.unseen(), cancel.map(|_| CancelRequested { reason }))
    }
}

impl State {
    /// Gives the signals that came to those who wait, in both their orders.
    pub(super) fn deliver(&mut self, name: &str) {
        let Some(mail) = self.mail.get_mut(name) else { return };
        while let (Some(_), Some(_)) = (mail.received.front(), mail.waiting.front()) {
            let (Some((came, payload)), Some((flow, step, asked))) =
                (mail.received.pop_front(), mail.waiting.pop_front())
            else {
                return;
            };
            mail.met.push(((flow, step), came));
            let settled = Settled { at: came.max(asked), what: Came::Signal(payload) };
            self.flows.entry(flow).or_default().settled.insert(step, settled);
        }
    }

    /// Whether an event from outside changes anything.
    fn is_news(&self, event: &Event) -> bool {
        match event {
            Event::Signalled(signal) => {
                signal.id.as_ref().is_none_or(|id| !self.known.contains(id))
            }
            Event::CancelRequested(_) => self.cancel.is_none(),
            // An answer that comes before its question was repeated is kept for it.
            Event::Answered(answered) => self
                .flows
                .get(&answered.call)
                .is_some_and(|own| !own.closed && !own.settled.contains_key(&answered.step)),
            _ => true,
        }
    }

    /// Enters an event from outside.
    pub(super) fn apply(&mut self, at: Moment, event: &Event) {
        match event {
            Event::Signalled(signal) => {
                if let Some(id) = &signal.id {
                    self.known.insert(id.clone());
                }
                let mail = self.mail.entry(signal.name.clone()).or_default();
                mail.received.push_back((at, signal.payload.clone()));
                self.deliver(&signal.name);
            }
            Event::CancelRequested(asked) => {
                if self.cancel.is_none() {
                    self.cancel_reason.clone_from(&asked.reason);
                }
                self.cancel.get_or_insert(at);
            }
            _ => {}
        }
    }

    fn unseen(&self) -> Vec<Signalled> {
        let mut left: Vec<(Moment, Signalled)> = Vec::new();
        for (name, mail) in &self.mail {
            // What the host itself keeps for the record is no signal.
            if name.starts_with("longshore:") {
                continue;
            }
            let signal = |payload: &longshore_model::Json| Signalled {
                name: name.clone(),
                payload: payload.clone(),
                id: None,
            };
            // First those that met who waited for them, and were not taken from there: of two that came in one moment, because
            // the run before left them, they are the first.
            for (place, at) in &mail.met {
                let flow = self.flows.get(&place.0);
                let settled = flow.and_then(|flow| flow.settled.get(&place.1));
                let taken = flow.is_none_or(|flow| flow.received.contains(&place.1));
                if let (Some(Came::Signal(payload)), false) = (settled.map(|s| &s.what), taken) {
                    left.push((*at, signal(payload)));
                }
            }
            left.extend(mail.received.iter().map(|(at, payload)| (*at, signal(payload))));
        }
        left.sort_by_key(|(at, _)| *at);
        left.into_iter().map(|(_, signal)| signal).collect()
    }
}
