//! The words that pass between the rooms of the host: ids, scopes, limits, events and outcomes.
//!
//! Plain data with serde. No clock, no randomness, no I/O, no decision: a caller passes time and entropy in.

mod durable;
mod event;
mod id;
mod outcome;
mod usage;

pub use longshore_reference::{
    Access, CapabilityKind, ExecScope, HostPattern, HttpScope, LIMITS, LimitName, Limits, NetScope,
    Scope, ScopeError, Signer,
};

pub use durable::{
    Answer, Answered, Approval, Ask, Asked, AttemptFailed, CancelRequested, Child, Continue,
    Continues, Decision, Divergence, RunResumed, Signalled,
};
pub use event::{
    CallEnded, CallStarted, ComponentIdentity, Denied, Dependency, Effect, EffectEnded,
    EffectStarted, Event, Forgotten, GrantRecord, Json, Logged, Output, Parent, RunEnded, RunMoved,
    RunStarted, Stream,
};
pub use id::{CallId, RunId, RunIdError, Timestamp};
pub use outcome::{Fault, FaultKind, Outcome};
pub use usage::Usage;

/// Where the time comes from. The real one lives in `host/runtime`; tests bring their own.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}
