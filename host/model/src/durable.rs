//! What the journal holds of a workflow beside its calls: what it asked for, what came of it, and where it waits.
//!
//! A workflow is repeated from these: what it asked for is compared in order, what came of it is given again.

use longshore_reference::Digest;
use serde::{Deserialize, Serialize};

use crate::{CallId, Json, Outcome, RunId, Timestamp};

/// See [`Event::Asked`](crate::Event::Asked).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Asked {
    /// The workflow's call.
    pub call: CallId,
    /// Which of its requests, from 1; calls to actions are counted with them. For a version marker, the request before it.
    pub step: u32,
    /// What it asked for.
    pub what: Ask,
}

/// What a workflow asks the journal for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// To be told when a time has come.
    Timer {
        /// The time.
        due: Timestamp,
    },
    /// The next signal of a name.
    Signal {
        /// The name.
        name: String,
    },
    /// A person's decision.
    Approval(Approval),
    /// A run of its own for a workflow that it depends on.
    Child(Child),
    /// To go on as a new run; answered by the end of this one.
    Continue(Continue),
    /// Which version of a change this run goes by; answered in the same event.
    Version {
        /// The name of the change.
        change: String,
        /// The version.
        version: u32,
    },
}

impl Ask {
    /// The request in a few words, for timelines and for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Timer { due } => format!("a timer until {}", due.rfc3339()),
            Self::Signal { name } => format!("the signal `{name}`"),
            Self::Approval(approval) => format!("the approval `{}`", approval.question),
            Self::Child(child) => {
                let how = if child.detached { "the detached child" } else { "the child" };
                format!("{how} `{}` with input {}", child.function, child.input.digest())
            }
            Self::Continue(next) => {
                format!("to continue as a new run with input {}", next.input.digest())
            }
            Self::Version { change, version } => format!("version {version} of `{change}`"),
        }
    }
}

/// A question to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Approval {
    /// The question.
    pub question: String,
    /// What may be answered; never empty.
    pub options: Vec<String>,
    /// Who may answer; anybody, where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// What counts as the answer when nobody gives one in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<String>,
}

/// A run that a workflow starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Child {
    /// Its id.
    pub run: RunId,
    /// The dependency's interface.
    pub interface: String,
    /// `interface#function`.
    pub function: String,
    /// Its input.
    pub input: Json,
    /// Whether it may outlive its parent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detached: bool,
}

/// As what a run goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Continue {
    /// The new run.
    pub run: RunId,
    /// Its input.
    pub input: Json,
}

/// What a run has from the one that it continues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Continues {
    /// The run before it.
    pub run: RunId,
    /// The first of the line.
    pub first: RunId,
    /// How many there are before it.
    pub number: u32,
    /// How many entries the run before had when this one began.
    pub entries: u64,
    /// The hash of the last of them, and so of all.
    pub head: Digest,
    /// Signals that came and were not received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<Signalled>,
    /// The wish that it end, where the workflow was not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<CancelRequested>,
    /// Money that was charged before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spent_micros: u64,
}

// serde's `skip_serializing_if` passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// See [`Event::Answered`](crate::Event::Answered).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Answered {
    /// The workflow's call.
    pub call: CallId,
    /// Which of its requests.
    pub step: u32,
    /// The answer.
    pub answer: Answer,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The time has come.
    Fired,
    /// A person decided.
    Approved(Decision),
    /// Nobody did in time, and this is what counts.
    Silence {
        /// The choice.
        choice: String,
    },
    /// The child ended.
    Child(Outcome),
}

/// What a person decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decision {
    /// One of the options.
    pub choice: String,
    /// Who decided.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// See [`Event::AttemptFailed`](crate::Event::AttemptFailed).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AttemptFailed {
    /// The call.
    pub call: CallId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// When the next one starts.
    pub next: Timestamp,
}

/// See [`Event::Signalled`](crate::Event::Signalled).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Signalled {
    /// The name.
    pub name: String,
    /// What it says.
    pub payload: Json,
    /// By which the sender knows it: a signal that arrives twice counts once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// See [`Event::CancelRequested`](crate::Event::CancelRequested).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CancelRequested {
    /// Why, in the words of whoever asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// See [`Event::RunResumed`](crate::Event::RunResumed).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunResumed {
    /// The digest of the component that goes on: another than before, where the run was moved.
    pub component: Digest,
    /// The engine: version and configuration.
    pub engine: String,
    /// The version of Longshore.
    pub host: String,
}

/// See [`Event::RunDiverged`](crate::Event::RunDiverged).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Divergence {
    /// The workflow's call.
    pub call: CallId,
    /// Which of its requests.
    pub step: u32,
    /// What the history says.
    pub history: String,
    /// What the code asked for, or what came of computing again.
    pub asked: String,
    /// Whether the request is the same, and its result was computed again and is another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recomputed: bool,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { call, step, history, asked, recomputed } = self;
        write!(f, "at step {step} of call {call} the history has {history}, but ")?;
        if *recomputed {
            return write!(f, "computing it again gives {asked}");
        }
        write!(f, "the code asked for {asked}")
    }
}
