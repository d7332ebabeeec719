//! What the command line itself can get wrong, and how every error of the rooms below is shown: a
//! code, a message, its causes, a hint, an exit status.

use std::error::Error as _;

use longshore::Class;
use serde::Serialize;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The arguments make no sense.
    #[error("{message}")]
    Usage { message: String, hint: Option<String> },
    /// A file that was named cannot be read.
    #[error("`{path}` cannot be read")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("`{path}` cannot be written")]
    Write {
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// A file that is there and must not be overwritten.
    #[error("`{path}` exists, and is not overwritten")]
    Exists { path: String },
    /// A private key that is asked for by its password.
    #[error("the private key `{path}` is encrypted, and its password does not open it")]
    Password {
        path: String,
        #[source]
        source: Box<longshore::trust::Error>,
    },
    /// A key file that holds no such key.
    #[error("`{path}` cannot be used as a key")]
    Key {
        path: String,
        #[source]
        source: Box<longshore::trust::Error>,
    },
    /// There is no such run in this journal.
    #[error("there is no run `{run}` in the journal")]
    NoRun { run: String },
    /// The run has no receipt.
    #[error("the run `{run}` has no receipt: it has not ended")]
    NoReceipt { run: String },
    /// A receipt that is not that of the journal it is compared with.
    #[error("the receipt does not match the journal of `{run}`: {what}")]
    Mismatch { run: String, what: String },
    /// Standard output cannot be written.
    #[error("standard output cannot be written")]
    Stdout(#[source] std::io::Error),
    /// Signals or the runtime cannot be set up.
    #[error("this process cannot be set up")]
    Setup(#[source] std::io::Error),
    /// The self-test found something.
    #[error("{failed} of {checks} checks failed")]
    Unwell { failed: usize, checks: usize },
    /// The settings.
    #[error(transparent)]
    Config(#[from] longshore_config::Error),
    /// A bucket is to be kept where nothing can be.
    #[error("the bucket `{bucket}` cannot be kept where the settings say")]
    Bucket {
        bucket: String,
        #[source]
        source: longshore_stores::Error,
    },
    /// What keeps a bucket does not answer.
    #[error("the bucket `{bucket}` cannot be used: {}", .why.message)]
    BucketLost { bucket: String, why: longshore::ports::Unavailable },
    /// The path from a reference to a receipt.
    #[error(transparent)]
    Path(Box<longshore::Error>),
    /// The way from a folder to a component.
    #[error(transparent)]
    Build(Box<longshore_build::Error>),
    /// The embedded registry.
    #[error(transparent)]
    Server(#[from] longshore_registry_server::Error),
}

macro_rules! through_the_path {
    ($($source:ty),*) => {
        $(impl From<$source> for Error {
            fn from(error: $source) -> Self {
                Self::Path(Box::new(error.into()))
            }
        })*
    };
}

through_the_path!(
    longshore::Error,
    longshore::client::Error,
    longshore::engine::Error,
    longshore::journal::Error,
    longshore::policy::Error,
    longshore::receipt::Error,
    longshore::reference::ReferenceError,
    longshore::trust::Error
);

impl From<longshore_build::Error> for Error {
    fn from(error: longshore_build::Error) -> Self {
        Self::Build(Box::new(error))
    }
}

/// An error as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl Error {
    /// A mistake in the arguments, with what to do about it.
    pub(crate) fn bad(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// What the parser of arguments says, in our form: its first sentence, and its tips as the hint.
    pub(crate) fn usage(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let mut paragraphs = text.split("\n\n").map(str::trim).filter(|p| !p.is_empty());
        let first = paragraphs.next().unwrap_or_default();
        let message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
        let kept = |p: &&str| !p.starts_with("For more information");
        let rest: Vec<_> = paragraphs.filter(kept).map(tip).collect();
        let hint = (!rest.is_empty()).then(|| rest.join("\n"));
        Self::Usage { message, hint }
    }

    /// The stable code, with its section in `docs/errors.md`.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Usage { .. } => "LS-CLI-001",
            Self::Read { .. } => "LS-CLI-002",
            Self::Write { .. } => "LS-CLI-003",
            Self::Exists { .. } => "LS-CLI-004",
            Self::Password { source, .. } | Self::Key { source, .. } => source.code(),
            Self::NoRun { .. } => "LS-CLI-005",
            Self::NoReceipt { .. } => "LS-CLI-006",
            Self::Mismatch { .. } => "LS-CLI-007",
            Self::Stdout(_) => "LS-CLI-008",
            Self::Setup(_) => "LS-CLI-009",
            Self::Unwell { .. } => "LS-CLI-010",
            Self::Config(source) => source.code(),
            Self::Bucket { source, .. } => source.code(),
            Self::BucketLost { why, .. } => why.code,
            Self::Path(source) => source.code(),
            Self::Build(source) => source.code(),
            Self::Server(source) => source.code(),
        }
    }

    /// What to do next, where there is something to do.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Usage { hint, .. } => return hint.clone(),
            Self::Read { .. } => "check the path and its permissions",
            Self::Write { .. } => "check that the folder exists and is yours to write",
            Self::Exists { .. } => "choose another name, or move it away first",
            Self::Password { .. } => {
                "put its password into `LONGSHORE_KEY_PASSWORD`, or name another variable with \
                 `--password-env`"
            }
            Self::Key { source, .. } => return source.hint(),
            Self::NoRun { .. } => "list them with `longshore runs list`",
            Self::NoReceipt { .. } => "see where it stands with `longshore runs show`",
            Self::Mismatch { .. } => "one of the two was changed: trust neither",
            Self::Stdout(_) | Self::Setup(_) => return None,
            Self::Unwell { .. } => "each failed check above says what to do",
            Self::Config(source) => return source.hint(),
            Self::Bucket { .. } => {
                "write `redis://host:port/0`, `rediss://…` with TLS, or `postgres://user@host/database`"
            }
            Self::BucketLost { .. } => "with `-v`, it is said what its server or file says",
            Self::Path(source) => return source.hint(),
            Self::Build(source) => return source.hint(),
            Self::Server(source) => return source.hint(),
        };
        Some(text.to_owned())
    }

    /// The exit status (`docs/errors.md`, "Exit codes").
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::Path(source) => match source.class() {
                _ if source.code().starts_with("LS-KEY") => 2,
                Class::Usage if source.code().starts_with("LS-RCP") => 3,
                Class::Usage => 2,
                Class::Trust => 3,
                Class::Grant => 4,
                Class::Registry => 5,
                Class::Guest => 6,
                Class::Host => 7,
            },
            Self::Mismatch { .. } => 3,
            Self::Stdout(_) | Self::Setup(_) | Self::Write { .. } | Self::Unwell { .. } => 7,
            Self::Build(source) => match source.code() {
                code if code.starts_with("LS-REG") => 5,
                // The name or the place of a new project.
                "LS-BLD-023" | "LS-BLD-024" => 2,
                code if code.starts_with("LS-BLD") => 8,
                _ => 2,
            },
            Self::Server(_) => match self.code() {
                "LS-SRV-001" | "LS-SRV-006" => 2,
                _ => 7,
            },
            _ => 2,
        }
    }

    /// The error as it is shown.
    pub(crate) fn shown(&self) -> Shown {
        Shown {
            code: self.code(),
            message: self.to_string(),
            causes: causes(self),
            hint: self.hint(),
        }
    }
}

/// What stands below an error; a cause that only repeats what stands above it is left out.
fn causes(error: &Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut above = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !above.contains(&text) {
            causes.push(text.clone());
        }
        above = text;
        next = cause.source();
    }
    causes
}

fn tip(paragraph: &str) -> String {
    let lines = paragraph.lines().map(str::trim);
    lines.map(|l| l.strip_prefix("tip: ").unwrap_or(l)).collect::<Vec<_>>().join("\n")
}
