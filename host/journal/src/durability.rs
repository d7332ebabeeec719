//! What must be on disk before what. The one place that decides it; stores obey.
//!
//! The rule: what can be recomputed need not be synced. A component that was granted nothing is
//! pure: the same input gives the same output, so a power cut costs work and no truth. Whatever
//! touches the world outside is announced on disk before it happens, and its result reaches the
//! disk with the next announcement, or with the end of the run.

use std::collections::HashSet;

use longshore_model::{Access, Effect, EffectStarted, Event, GrantRecord, RunStarted, Scope};

use crate::Entry;

/// How safe an append must be before it is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// It survives the death of this process; a power cut may lose it.
    #[default]
    Buffered,
    /// It survives a power cut, and so does everything that was appended to the store before it.
    Synced,
}

/// Whether a grant lets nothing in from outside and nothing out: no clock, entropy, environment,
/// directory or host. What ran under it can be recomputed.
#[must_use]
pub fn is_pure(grant: &GrantRecord) -> bool {
    grant.scopes.is_empty()
}

/// Whether everything in a run is pure: the root component and all that it may call. The whole of
/// such a run can be recomputed from entry 0, and nothing in it waits for a disk.
#[must_use]
pub fn is_pure_run(start: &RunStarted) -> bool {
    is_pure(&start.grant) && start.dependencies.iter().all(|dependency| is_pure(&dependency.grant))
}

/// Whether a grant allows writes to the world that no event of their own announces: those to a
/// directory. HTTP requests and programs are announced by [`Event::EffectStarted`]; a scratch directory is not of the world: it
/// goes with the run.
#[must_use]
pub fn writes_unannounced(grant: &GrantRecord) -> bool {
    grant
        .scopes
        .iter()
        .any(|(scope, _)| matches!(scope, Scope::Dir { access, .. } if *access > Access::ReadOnly))
}

/// How safe the intent of a call under `grant` must be before the callee's first instruction: what
/// it may write without announcing it is announced by the call itself.
#[must_use]
pub fn durability_of_call(grant: &GrantRecord) -> Durability {
    if writes_unannounced(grant) { Durability::Synced } else { Durability::Buffered }
}

/// How safe `event` must be before the run goes on.
///
/// - An effect's intent is synced: whoever finds the journal after a power cut knows that the
///   effect may have happened.
/// - The start of a run whose root can write to a directory is synced, for the same reason; the event of its first write
///   then need not be. What the root calls is announced by each call: see [`durability_of_call`].
/// - Everything else is buffered: results travel with the next intent. (The end of a run is decided
///   by [`Run::close`](crate::Run::close): synced, unless the whole run is pure.)
#[must_use]
pub fn durability_of(event: &Event) -> Durability {
    match event {
        Event::EffectStarted(EffectStarted { what: Effect::Files { .. }, .. }) => {
            Durability::Buffered
        }
        Event::EffectStarted(_) => Durability::Synced,
        Event::RunStarted(start) if writes_unannounced(&start.grant) => Durability::Synced,
        _ => Durability::Buffered,
    }
}

/// From which place on the entries of a run may never have been synced, for all that the entries tell: those after the last
/// one that something had to wait for. What was computed there is computed again by who goes on with the run.
#[must_use]
pub fn unsynced_from(entries: &[Entry]) -> usize {
    let Some(Entry { event: Event::RunStarted(start), .. }) = entries.first() else { return 0 };
    let writers: HashSet<_> = start
        .dependencies
        .iter()
        .filter(|dependency| writes_unannounced(&dependency.grant))
        .map(|dependency| dependency.component.digest)
        .collect();
    let waited_for = |entry: &Entry| match &entry.event {
        Event::CallStarted(call) => writers.contains(&call.component),
        // Letters are kept before they are answered, and what goes on was read from the store and looked at.
        Event::Signalled(_)
        | Event::CancelRequested(_)
        | Event::RunResumed(_)
        | Event::RunMoved(_) => true,
        other => durability_of(other) == Durability::Synced,
    };
    entries.iter().rposition(waited_for).map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use longshore_model::{CallEnded, CallStarted, Json, Outcome, RunStarted, Timestamp, Usage};
    use longshore_reference::Digest;

    use super::*;

    fn entries(events: Vec<Event>) -> Vec<Entry> {
        let entry = |(event, seq)| Entry { seq, at: Timestamp::default(), event };
        events.into_iter().zip(0..).map(entry).collect()
    }

    fn start() -> Event {
        let start = r#"{
            "run": "00000000-0000-0000-0000-000000000000",
            "component": {"digest": "sha256:0000000000000000000000000000000000000000000000000000000000000000",
                "reference": "flow.wasm", "signers": []},
            "function": "f", "dependencies": [], "grant": {}, "input": null, "engine": "e", "host": "h",
            "policy": "sha256:0000000000000000000000000000000000000000000000000000000000000000"}"#;
        let mut start: RunStarted = serde_json::from_str(start).unwrap();
        let mut grant = GrantRecord::default();
        let scope = Scope::Dir { path: "/w".to_owned(), access: Access::ReadWrite };
        grant.scopes.push((scope, "--allow".to_owned()));
        let mut component = start.component.clone();
        component.digest = Digest::of(b"writer");
        let interface = "a:b/c".to_owned();
        start.dependencies.push(longshore_model::Dependency { interface, component, grant });
        Event::RunStarted(Box::new(start))
    }

    fn call(component: &[u8]) -> [Event; 2] {
        let started = Event::CallStarted(CallStarted {
            call: 1,
            parent: Some(0),
            component: Digest::of(component),
            function: "f".to_owned(),
            input: Digest::of(b"null"),
            input_bytes: 4,
            attempt: 1,
        });
        let outcome = Outcome::Ok(Json::null());
        let ended = Event::CallEnded(CallEnded { call: 1, outcome, usage: Usage::default() });
        [started, ended]
    }

    #[test]
    fn what_nothing_waited_for_may_be_lost() {
        let [pure, result] = call(b"pure");
        let [writes, written] = call(b"writer");
        let only = entries(vec![start(), pure.clone(), result.clone()]);
        assert_eq!(unsynced_from(&only), 0);
        let all = vec![start(), pure.clone(), result.clone(), writes, written, pure, result];
        assert_eq!(unsynced_from(&entries(all)), 4, "the intent of the writer was waited for");
        assert_eq!(unsynced_from(&[]), 0);
    }

    #[test]
    fn the_start_of_a_run_is_synced_only_where_its_root_writes() {
        let event = start();
        assert_eq!(durability_of(&event), Durability::Buffered);
        let Event::RunStarted(mut start) = event else { unreachable!() };
        start.grant = start.dependencies[0].grant.clone();
        assert_eq!(durability_of(&Event::RunStarted(start)), Durability::Synced);
    }
}
