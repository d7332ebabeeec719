//! What must be on disk before what. The one place that decides it; stores obey.
//!
//! The rule: what can be recomputed need not be synced. A component that was granted nothing is
//! pure: the same input gives the same output, so a power cut costs work and no truth. Whatever
//! touches the world outside is announced on disk before it happens, and its result reaches the
//! disk with the next announcement, or with the end of the run.

use longshore_model::{Access, Effect, EffectStarted, Event, GrantRecord, RunStarted, Scope};

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
/// - The start of a run that can write to a directory is synced, for the same reason; the event of its first write then need
///   not be.
/// - Everything else is buffered: results travel with the next intent. (The end of a run is decided
///   by [`Run::close`](crate::Run::close): synced, unless the whole run is pure.)
#[must_use]
pub fn durability_of(event: &Event) -> Durability {
    match event {
        Event::EffectStarted(EffectStarted { what: Effect::Files { .. }, .. }) => {
            Durability::Buffered
        }
        Event::EffectStarted(_) => Durability::Synced,
        Event::RunStarted(start)
            if writes_unannounced(&start.grant)
                || start.dependencies.iter().any(|d| writes_unannounced(&d.grant)) =>
        {
            Durability::Synced
        }
        _ => Durability::Buffered,
    }
}
