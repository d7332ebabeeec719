//! One error for the whole path; each keeps the code of the room it comes from.

use longshore_model::{Divergence, RunId, Timestamp};
use longshore_reference::{Digest, LockError, ManifestError, ReferenceError};

use crate::Report;

/// What went wrong on the way to a receipt. That a guest failed or was stopped is not among them: that is an outcome.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was to be run is not a reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A relative reference, and no registry to look in.
    #[error("`{reference}` names no registry")]
    NoRegistry {
        /// The reference.
        reference: String,
    },
    /// The file to be run cannot be read.
    #[error("`{path}` cannot be read")]
    File {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than a component may be.
    #[error("`{path}` is {size} bytes long; components may be up to {limit}")]
    FileSize {
        /// The path.
        path: String,
        /// Its length in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The registry, or the cache of what came from it.
    #[error(transparent)]
    Registry(#[from] longshore_client::Error),
    /// Nobody whom the trust policy accepts vouches for it.
    #[error(transparent)]
    Trust(#[from] longshore_trust::Error),
    /// The component cannot be compiled, linked or called.
    #[error(transparent)]
    Engine(#[from] longshore_engine::Error),
    /// The operator's policy cannot be read.
    #[error(transparent)]
    Policy(#[from] longshore_policy::Error),
    /// It needs more than it is allowed. The run was journaled as refused and has a receipt.
    #[error(transparent)]
    Refused(Box<Refused>),
    /// A manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A lockfile cannot be read.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A dependency that no lockfile pinned.
    #[error("`{component}` depends on `{interface}`, which was not pinned when it was built")]
    Unpinned {
        /// The workflow.
        component: String,
        /// The interface.
        interface: String,
    },
    /// Dependencies that lead back to themselves, or too deep.
    #[error("the dependencies of `{component}` are nested deeper than {limit}")]
    TooDeep {
        /// The component.
        component: String,
        /// The limit.
        limit: usize,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] longshore_journal::Error),
    /// The receipt.
    #[error(transparent)]
    Receipt(#[from] longshore_receipt::Error),
    /// The state folder cannot be used.
    #[error("the state folder `{path}` cannot be used")]
    Home {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The code that was to go on with a run asked for something else than its history says.
    #[error("the run `{run}` has diverged: {divergence}")]
    Diverged {
        /// The run; it stays as it was.
        run: RunId,
        /// Where, and how.
        divergence: Divergence,
    },
    /// A run that cannot go on with another version of its workflow.
    #[error("the run `{run}` cannot be moved: {reason}")]
    NotMoved {
        /// The run; it stays as it was.
        run: RunId,
        /// Why; where the code asks for something else than the history has, the step.
        reason: String,
    },
    /// A run that cannot go on here.
    #[error("the run `{run}` cannot be resumed: {reason}")]
    NotResumable {
        /// The run.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// A run goes on with the component that it began with.
    #[error("the run `{run}` began with the component `{was}`, and this is `{is}`")]
    OtherComponent {
        /// The run.
        run: RunId,
        /// The component that it began with.
        was: Digest,
        /// The one that was to go on.
        is: Digest,
    },
    /// A run goes on with what it was granted.
    #[error("the run `{run}` would not go on with the grant that it began with{}", changed(.missing, .added))]
    OtherGrant {
        /// The run.
        run: RunId,
        /// What it had and would not have.
        missing: Vec<String>,
        /// What it would have and had not.
        added: Vec<String>,
    },
    /// A run that has ended and has no receipt: its host died in between.
    #[error("the run `{run}` has ended, but its receipt was never sealed")]
    Unsealed {
        /// The run.
        run: RunId,
    },
    /// A file that is no exported run, or one that was edited; or a run that cannot be exported.
    #[error("this is no whole run: {reason}")]
    Exported {
        /// What is wrong.
        reason: String,
    },
    /// A message that no run takes.
    #[error("the run `{run}` takes no such message: {reason}")]
    Message {
        /// The run.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// No question, or several.
    #[error("the run `{run}` has {open} open questions that this could answer")]
    NoApproval {
        /// The run.
        run: RunId,
        /// How many there are.
        open: usize,
    },
    /// An answer that the question does not have.
    #[error("`{choice}` does not answer the question of the run `{run}`")]
    NotAnOption {
        /// The run.
        run: RunId,
        /// What was said.
        choice: String,
        /// What may be said.
        options: Vec<String>,
    },
    /// Somebody who was not asked.
    #[error("`{by}` may not answer the question of the run `{run}`")]
    NotAnApprover {
        /// The run.
        run: RunId,
        /// Who answered.
        by: String,
        /// Who may.
        approvers: Vec<String>,
    },
    /// An answer after the deadline.
    #[error("the question of the run `{run}` was to be answered by {}", .due.rfc3339())]
    TooLate {
        /// The run.
        run: RunId,
        /// The deadline.
        due: Timestamp,
    },
    /// The system gives no entropy.
    #[error("the system gives no entropy: {0}")]
    Entropy(String),
    /// A task of the runtime itself was stopped, which happens when the process shuts down.
    #[error("the run was stopped by the host's own end")]
    Stopped,
}

/// A refusal with the report of the run that it ended.
#[derive(Debug)]
pub struct Refused {
    /// What is missing, all of it.
    pub refusal: longshore_policy::Refusal,
    /// The run, closed and sealed; none where nothing was journaled, as in a dry run.
    pub report: Option<Report>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.refusal.fmt(f)
    }
}

/// The cause is the refusal's own: it is what says which setting does not fit.
impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.refusal.source()
    }
}

/// The classes of failure; the command line has an exit code for each (`docs/errors.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Bad input or usage.
    Usage,
    /// Trust refused.
    Trust,
    /// The grant refused.
    Grant,
    /// A registry or the network.
    Registry,
    /// The component's own code.
    Guest,
    /// The host: a disk, the journal.
    Host,
}

/// What a grant would lack and have too much.
fn changed(missing: &[String], added: &[String]) -> String {
    let mut text = String::new();
    for (word, list) in [("without", missing), ("with", added)] {
        if !list.is_empty() {
            let list: Vec<_> = list.iter().map(|item| format!("`{item}`")).collect();
            text.push_str(&format!(
                "{} {word} {}",
                if text.is_empty() { ":" } else { "," },
                list.join(", ")
            ));
        }
    }
    text
}

impl Error {
    /// The stable code, with its section in `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Reference(_) => "LS-REF-001",
            Self::NoRegistry { .. } => "LS-REF-002",
            Self::File { .. } => "LS-REF-003",
            Self::FileSize { .. } => "LS-REF-004",
            Self::Unpinned { .. } => "LS-REF-005",
            Self::TooDeep { .. } => "LS-REF-006",
            Self::Registry(source) => source.code(),
            Self::Trust(source) => source.code(),
            Self::Engine(source) => source.code(),
            Self::Policy(source) => source.code(),
            Self::Refused(refused) => refused.refusal.code(),
            Self::Manifest(source) => source.code(),
            Self::Lock(source) => source.code(),
            Self::Journal(source) => source.code(),
            Self::Receipt(source) => source.code(),
            Self::Home { .. } => "LS-HST-001",
            Self::Entropy(_) => "LS-HST-002",
            Self::Stopped => "LS-HST-003",
            Self::Diverged { divergence, .. } if divergence.recomputed => "LS-RUN-021",
            Self::Diverged { .. } => "LS-RUN-020",
            Self::NotMoved { .. } => "LS-RUN-022",
            Self::NotResumable { .. } => "LS-HST-010",
            Self::OtherComponent { .. } => "LS-HST-011",
            Self::OtherGrant { .. } => "LS-HST-012",
            Self::Unsealed { .. } => "LS-HST-013",
            Self::Message { .. } => "LS-HST-014",
            Self::NoApproval { .. } => "LS-HST-015",
            Self::NotAnOption { .. } => "LS-HST-016",
            Self::NotAnApprover { .. } => "LS-HST-017",
            Self::TooLate { .. } => "LS-HST-018",
            Self::Exported { .. } => "LS-HST-019",
        }
    }

    /// What to do next, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Reference(_) => Some(
                "write it as `registry.example.com/path/name:1.0.0`, or give a file or folder"
                    .to_owned(),
            ),
            Self::NoRegistry { .. } => Some(
                "name the registry in the reference, or set `registry` in the configuration"
                    .to_owned(),
            ),
            Self::File { .. } => Some("check the path and its permissions".to_owned()),
            Self::Unpinned { .. } => {
                Some("build it again with `longshore build`, which writes the lockfile".to_owned())
            }
            Self::Diverged { divergence, .. } if divergence.recomputed => Some(
                "nothing was done: `longshore replay` of the exported run tells whether it comes \
                 out the same on another machine"
                    .to_owned(),
            ),
            Self::Diverged { .. } => Some(
                "nothing was done: go on with the code that the run began with, or give the \
                 change a name with `run.version`"
                    .to_owned(),
            ),
            Self::NotMoved { .. } => Some(
                "nothing was changed: let the change decide by `run.version` which way a run \
                 goes, and see `longshore rehearse`"
                    .to_owned(),
            ),
            Self::OtherGrant { .. } => Some(
                "give the policy, the `--allow` flags and the settings that the run began with"
                    .to_owned(),
            ),
            Self::NoApproval { open: 0, .. } => {
                Some("`longshore runs show RUN` has its questions and answers".to_owned())
            }
            Self::NoApproval { .. } => Some("say which, with `--step`".to_owned()),
            Self::NotAnOption { options, .. } => {
                Some(format!("it is answered by one of: {}", options.join(", ")))
            }
            Self::NotAnApprover { approvers, .. } => {
                Some(format!("it is answered by one of: {}", approvers.join(", ")))
            }
            Self::Registry(source) => source.hint(),
            Self::Trust(source) => source.hint(),
            Self::Engine(source) => source.hint(),
            Self::Policy(source) => source.hint(),
            Self::Refused(refused) => refused.refusal.hint(),
            Self::Manifest(source) => source.hint(),
            Self::Lock(source) => source.hint(),
            Self::Journal(source) => source.hint(),
            Self::Receipt(source) => source.hint(),
            Self::Home { .. } => {
                Some("set `LONGSHORE_HOME` to a folder that you can write".to_owned())
            }
            _ => None,
        }
    }

    /// The class of the failure.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Registry(source) if source.is_host() => Class::Host,
            Self::Registry(_) => Class::Registry,
            Self::Trust(source) if source.is_policy() => Class::Usage,
            Self::Trust(_) => Class::Trust,
            Self::Refused(_) | Self::OtherGrant { .. } | Self::NotAnApprover { .. } => Class::Grant,
            Self::Engine(longshore_engine::Error::Part { .. }) => Class::Grant,
            Self::Diverged { .. } | Self::NotMoved { .. } => Class::Guest,
            Self::Unsealed { .. } => Class::Host,
            // Held by another, ended, full: whoever asked can do something about it.
            Self::Journal(
                longshore_journal::Error::Held { .. }
                | longshore_journal::Error::RunClosed(_)
                | longshore_journal::Error::NotFound(_)
                | longshore_journal::Error::MailboxFull { .. }
                | longshore_journal::Error::LetterTooLarge { .. },
            ) => Class::Usage,
            Self::Journal(_) | Self::Home { .. } | Self::Entropy(_) | Self::Stopped => Class::Host,
            Self::Engine(
                longshore_engine::Error::Setup(_)
                | longshore_engine::Error::Cache { .. }
                | longshore_engine::Error::Journal(_),
            ) => Class::Host,
            _ => Class::Usage,
        }
    }
}
