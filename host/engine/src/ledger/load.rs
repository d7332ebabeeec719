//! From a run's history to the ledger with which it goes on.

use longshore_journal::Entry;
use longshore_model::{CallId, Continues, Event, Usage};

use super::{Came, Flow, Ledger, Moment, Open, Recorded, Request, Settled, State};

impl Ledger {
    /// Enters a history; what all its calls used together.
    pub(crate) fn load(&self, entries: &[Entry]) -> Usage {
        let mut state = self.lock();
        let mut usage = Usage::default();
        for entry in entries {
            let at = Moment { seq: entry.seq, at: entry.at };
            if let Event::CallEnded(ended) = &entry.event {
                usage.add(&ended.usage);
            }
            state.load(at, &entry.event);
        }
        usage
    }
}

impl State {
    fn load(&mut self, at: Moment, event: &Event) {
        match event {
            Event::CallStarted(started) => {
                self.next_call = self.next_call.max(started.call + 1);
                if let Some(open) = self.calls.get_mut(&started.call) {
                    open.attempts = started.attempt;
                    open.next = None;
                    return;
                }
                let owner = started.parent.map(|parent| {
                    let flow = self.flow(parent);
                    flow.push(
                        at,
                        Request::Call {
                            call: started.call,
                            function: started.function.clone(),
                            input: started.input,
                        },
                    );
                    (parent, flow.asked)
                });
                let open =
                    Open { owner, attempts: started.attempt, started: at, ..Open::default() };
                self.calls.insert(started.call, open);
                self.flow(started.call).seen = at;
            }
            Event::AttemptFailed(failed) => {
                if let Some(open) = self.calls.get_mut(&failed.call) {
                    open.failed += 1;
                    open.next = Some(failed.next);
                }
            }
            Event::CallEnded(ended) => {
                let Some(open) = self.calls.remove(&ended.call) else { return };
                self.flows.remove(&ended.call);
                if let Some((attempt, _)) = self.checked.get_mut(&ended.call) {
                    *attempt = open.attempts;
                }
                match open.owner {
                    Some((flow, step)) => {
                        let what = Came::Outcome(ended.outcome.clone());
                        self.flow(flow).settled.insert(step, Settled { at, what });
                    }
                    None => {
                        self.ended.insert(ended.call, ended.outcome.clone());
                    }
                }
            }
            Event::Asked(asked) => {
                let flow = self.flow(asked.call);
                flow.push(at, Request::Ask(asked.what.clone()));
                if let longshore_model::Ask::Signal { name } = &asked.what {
                    let waiting = (asked.call, asked.step, at);
                    self.mail.entry(name.clone()).or_default().waiting.push_back(waiting);
                    let name = name.clone();
                    self.deliver(&name);
                }
            }
            Event::Answered(answered) => {
                let what = Came::Answer(answered.answer.clone());
                self.flow(answered.call).settled.insert(answered.step, Settled { at, what });
            }
            Event::RunStarted(start) => self.inherit(at, start.continues.as_deref()),
            Event::Logged(logged) => self.flow(logged.call).lines += 1,
            other => self.apply(at, other),
        }
    }

    /// Enters what the run before left.
    fn inherit(&mut self, at: Moment, before: Option<&Continues>) {
        let Some(before) = before else { return };
        for signal in &before.signals {
            self.apply(at, &Event::Signalled(Box::new(signal.clone())));
        }
        if let Some(cancel) = &before.cancel {
            self.apply(at, &Event::CancelRequested(cancel.clone()));
        }
    }

    fn flow(&mut self, call: CallId) -> &mut Flow {
        self.flows.entry(call).or_default()
    }
}

impl Flow {
    fn push(&mut self, at: Moment, what: Request) {
        self.asked += u32::from(!what.is_version());
        self.requests.push_back(Recorded { at, what });
    }
}
