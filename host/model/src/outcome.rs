//! How a call ended: with a value, with the guest's own failure, or with a fault that stopped it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Json, LimitName};

/// How a call or a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It returned. The value is the function's result as JSON (`null` where it returns nothing); for a function that
    /// returns `result<T, E>`, the `T`.
    Ok(Json),
    /// It returned the `E` of its `result<T, E>`: the guest's own failure, as JSON.
    Failed(Json),
    /// It was stopped, or could not start.
    Fault(Fault),
}

impl Outcome {
    /// Whether it returned a value.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        matches!(self, Self::Ok(_))
    }

    /// `ok`, `failed` or `fault`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Ok(_) => "ok",
            Self::Failed(_) => "failed",
            Self::Fault(_) => "fault",
        }
    }
}

/// Why a call was stopped. The guest's doing, or a limit; faults of the host itself are errors, not outcomes, but for
/// [`FaultKind::Host`], which says in the journal that one happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fault {
    /// What happened.
    pub kind: FaultKind,
    /// One sentence, without secrets.
    pub message: String,
    /// The limit that was hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitName>,
    /// The guest's frames, innermost first, where it trapped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<String>,
}

impl Fault {
    /// A fault without limit or backtrace.
    #[must_use]
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), limit: None, backtrace: Vec::new() }
    }

    /// The fault of hitting `limit`.
    #[must_use]
    pub fn limit(kind: FaultKind, limit: LimitName, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), limit: Some(limit), backtrace: Vec::new() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The classes of faults, each with its stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The guest trapped: unreachable code, a division by zero, an access out of bounds.
    Trap,
    /// The deadline passed.
    Deadline,
    /// Linear memory would have grown past its limit.
    Memory,
    /// A table would have grown past its limit, or instances or handles were exhausted.
    Resources,
    /// The call stack was exhausted.
    Stack,
    /// The input is larger than its limit.
    InputSize,
    /// The output, or what the guest handed to a host call, is larger than its limit.
    OutputSize,
    /// Standard output or standard error went past its limit.
    StreamSize,
    /// A command exited with a status other than 0.
    Exit,
    /// The guest used something outside its grant and could not go on.
    Denied,
    /// A budget of counted things (calls, events, log lines, requests) was used up.
    Budget,
    /// It was cancelled from outside.
    Cancelled,
    /// The host failed: a disk, a registry, a bug. Never the guest's doing.
    Host,
}

impl FaultKind {
    /// The stable code, with its section in `docs/errors.md`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Trap => "LS-RUN-001",
            Self::Deadline => "LS-RUN-002",
            Self::Memory => "LS-RUN-003",
            Self::Resources => "LS-RUN-004",
            Self::Stack => "LS-RUN-005",
            Self::InputSize => "LS-RUN-006",
            Self::OutputSize => "LS-RUN-007",
            Self::StreamSize => "LS-RUN-008",
            Self::Exit => "LS-RUN-009",
            Self::Denied => "LS-RUN-010",
            Self::Budget => "LS-RUN-011",
            Self::Cancelled => "LS-RUN-012",
            Self::Host => "LS-RUN-013",
        }
    }
}
