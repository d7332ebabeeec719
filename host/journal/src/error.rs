//! What can go wrong with a journal, each with its code. Nothing in here prints.

use std::sync::Arc;

use longshore_model::RunId;

/// What every function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A cause, shared: the error that stopped a run is given to everyone who asks that run for
/// anything afterwards.
type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a journal cannot be written, or cannot be believed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No store has heard of the run.
    #[error("there is no run `{0}`")]
    NotFound(RunId),
    /// Entries are missing.
    #[error("the history of run `{run}` is truncated: entry {missing} of {entries} is missing")]
    Truncated {
        /// The run.
        run: RunId,
        /// The first entry that is not there.
        missing: u64,
        /// How many entries the run has, by its summary.
        entries: u64,
    },
    /// Something was changed after it was written.
    #[error("the history of run `{run}` was edited: {what} does not match the hash chain")]
    Edited {
        /// The run.
        run: RunId,
        /// What was changed, for example "entry 3".
        what: String,
    },
    /// An entry stands where another was written.
    #[error(
        "the history of run `{run}` was reordered: entry {found} stands in place of entry {seq}"
    )]
    Reordered {
        /// The run.
        run: RunId,
        /// The place.
        seq: u64,
        /// The entry that is there.
        found: u64,
    },
    /// The chain is whole, but an entry means nothing to this version.
    #[error("entry {seq} of run `{run}` was written by a newer Longshore{}", by(.host.as_deref()))]
    Newer {
        /// The run.
        run: RunId,
        /// The first entry that cannot be read.
        seq: u64,
        /// The version that started the run, where entry 0 tells it.
        host: Option<String>,
        /// What the decoder said.
        #[source]
        source: Cause,
    },
    /// The run has used up its budget of events.
    #[error("run `{run}` reached its limit of {limit} events")]
    EventLimit {
        /// The run.
        run: RunId,
        /// The limit `events`.
        limit: u64,
    },
    /// One entry is larger than any may be.
    #[error("an entry of {bytes} bytes is larger than the {limit} that a journal takes")]
    EntryTooLarge {
        /// The size of the entry.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// An entry does not serialise: a bug of the caller.
    #[error("an entry of run `{run}` cannot be written as JSON")]
    Encode {
        /// The run.
        run: RunId,
        /// What the encoder said.
        #[source]
        source: Cause,
    },
    /// The run has ended: nothing more can happen in it.
    #[error("run `{0}` is closed")]
    RunClosed(RunId),
    /// The event opens or closes a run and is not recorded by hand.
    #[error("`{0}` is recorded by opening or closing a run only")]
    Reserved(&'static str),
    /// The store holds other entries than this writer believes: somebody else wrote to the run.
    #[error("run `{run}` has another writer: expected entry {expected} to be next, found {found}")]
    Conflict {
        /// The run.
        run: RunId,
        /// The entry this writer wanted to add.
        expected: u64,
        /// The entry that would be next.
        found: u64,
    },
    /// Another host has taken the run since this one did.
    #[error(
        "run `{run}` was taken by another host: this one holds fence {held}, the run has {now}"
    )]
    Fenced {
        /// The run.
        run: RunId,
        /// What this writer carries.
        held: crate::Fence,
        /// What the run has.
        now: crate::Fence,
    },
    /// Another host holds the run.
    #[error("run `{run}` is held by another host until {}", .until.rfc3339())]
    Held {
        /// The run.
        run: RunId,
        /// From then on it can be taken, unless the host prolongs it.
        until: longshore_model::Timestamp,
    },
    /// More letters wait than a run may have waiting.
    #[error("run `{run}` has {limit} letters waiting, and takes no more")]
    MailboxFull {
        /// The run.
        run: RunId,
        /// The limit.
        limit: u64,
    },
    /// A letter is larger than any may be.
    #[error("a letter of {bytes} bytes to run `{run}` is larger than the {limit} that are taken")]
    LetterTooLarge {
        /// The run.
        run: RunId,
        /// The size of the letter.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The run has its receipt already; it is never replaced.
    #[error("run `{0}` already has a receipt")]
    AlreadySealed(RunId),
    /// The run has not ended, and only an ended run has a receipt.
    #[error("run `{0}` has not ended")]
    StillOpen(RunId),
    /// The receipt could not be made.
    #[error("the receipt of run `{run}` could not be sealed")]
    Seal {
        /// The run.
        run: RunId,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The store failed.
    #[error("{message}")]
    Store {
        /// The class of the failure.
        fault: StoreFault,
        /// What failed and where, in one sentence.
        message: String,
        /// The cause, where there is one.
        #[source]
        source: Option<Cause>,
    },
}

/// The classes of failure of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreFault {
    /// No space is left.
    Full,
    /// The store may not be written.
    ReadOnly,
    /// Somebody else holds the store for longer than we wait.
    Locked,
    /// The store is damaged.
    Corrupt,
    /// The store's schema is from a newer version.
    NewerSchema,
    /// The store cannot be opened.
    Unopenable,
    /// Reading or writing failed in another way.
    Io,
    /// The store was shut down.
    Stopped,
    /// The server of the store does not answer, for now.
    Unavailable,
    /// The server of the store does not let us in.
    Denied,
}

fn by(host: Option<&str>) -> String {
    host.map_or_else(String::new, |host| format!(" (the run was started by version `{host}`)"))
}

impl Error {
    /// A failure of a store.
    pub fn store(fault: StoreFault, message: impl Into<String>) -> Self {
        Self::Store { fault, message: message.into(), source: None }
    }

    /// A failure of a store, with its cause.
    pub fn store_because(
        fault: StoreFault,
        message: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Store { fault, message: message.into(), source: Some(Arc::new(source)) }
    }

    /// The stable code, with its section in `docs/errors.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "LS-JRN-001",
            Self::Truncated { .. } => "LS-JRN-002",
            Self::Edited { .. } => "LS-JRN-003",
            Self::Reordered { .. } => "LS-JRN-004",
            Self::Newer { .. } => "LS-JRN-005",
            Self::EventLimit { .. } => "LS-JRN-006",
            Self::EntryTooLarge { .. } => "LS-JRN-007",
            Self::Encode { .. } => "LS-JRN-008",
            Self::RunClosed(_) => "LS-JRN-009",
            Self::Reserved(_) => "LS-JRN-010",
            Self::Conflict { .. } => "LS-JRN-011",
            Self::AlreadySealed(_) => "LS-JRN-012",
            Self::StillOpen(_) => "LS-JRN-013",
            Self::Seal { .. } => "LS-JRN-014",
            Self::Fenced { .. } => "LS-JRN-030",
            Self::Held { .. } => "LS-JRN-031",
            Self::MailboxFull { .. } => "LS-JRN-032",
            Self::LetterTooLarge { .. } => "LS-JRN-033",
            Self::Store { fault, .. } => fault.code(),
        }
    }

    /// What to do about it, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotFound(_) => "`longshore runs list` shows the runs of this host",
            Self::Truncated { .. } | Self::Edited { .. } | Self::Reordered { .. } => {
                "do not trust this history; restore the store from a backup"
            }
            Self::Newer { .. } => "read it with that version, or update this one",
            Self::EventLimit { .. } => {
                "raise `events` in the manifest's and the operator's limits, or record less"
            }
            Self::Conflict { expected, found, .. } if found < expected => {
                "the store lost entries that were not synced: its server or its machine went down; \
                 the run goes on from what is left when it is resumed"
            }
            Self::Conflict { .. } | Self::Fenced { .. } => {
                "another process continues this run; let it"
            }
            Self::Held { .. } => "let that host go on, or wait until its lease has run out",
            Self::MailboxFull { .. } => {
                "wait until the run has taken some; it goes on when it is resumed"
            }
            Self::LetterTooLarge { .. } => {
                "send less, or send where it can be fetched from instead of the thing itself"
            }
            Self::Store { fault, .. } => return fault.hint().map(str::to_owned),
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl StoreFault {
    /// Whether the same may succeed when it is tried again later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Full | Self::Locked | Self::Unavailable)
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Full => "LS-JRN-020",
            Self::ReadOnly => "LS-JRN-021",
            Self::Locked => "LS-JRN-022",
            Self::Corrupt => "LS-JRN-023",
            Self::NewerSchema => "LS-JRN-024",
            Self::Unopenable => "LS-JRN-025",
            Self::Io => "LS-JRN-026",
            Self::Stopped => "LS-JRN-027",
            Self::Unavailable => "LS-JRN-028",
            Self::Denied => "LS-JRN-029",
        }
    }

    const fn hint(self) -> Option<&'static str> {
        match self {
            Self::Full => {
                Some("free some space and start the run again; what was acknowledged is kept")
            }
            Self::ReadOnly => {
                Some("make the state folder writable, or choose another with `LONGSHORE_HOME`")
            }
            Self::Locked => Some("another process holds the store; wait for it, or stop it"),
            Self::Corrupt => Some("move the file away and restore it from a backup"),
            Self::NewerSchema => {
                Some("update Longshore, or choose another state folder with `LONGSHORE_HOME`")
            }
            Self::Unopenable => Some("check that the state folder exists and belongs to you"),
            Self::Io => Some("check the disk and the system's log"),
            Self::Stopped => None,
            Self::Unavailable => Some(
                "see that the server runs and can be reached, and try again: what was acknowledged \
                 is kept",
            ),
            Self::Denied => Some(
                "check user, password and database in `store`, or in `LONGSHORE_STORE`; where it \
                 is the certificate, name its authority in `extra-ca`",
            ),
        }
    }
}
