//! What can be wrong with settings, with stable codes.

use longshore_reference::authored::Misread;

/// Why the settings cannot be resolved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `config.toml` has a mistake.
    #[error("{0}")]
    Misread(Misread),
    /// `config.toml` is there and cannot be read.
    #[error("the settings `{path}` cannot be read")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nothing says where state is kept.
    #[error("no folder for state: none of `LONGSHORE_HOME`, `XDG_STATE_HOME` and `HOME` is set")]
    NoHome,
    /// A variable of the environment has a value that means nothing.
    #[error("the environment variable `{name}` is not understood: {reason}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What is wrong with its value; the value is not repeated.
        reason: String,
    },
}

impl Error {
    /// The stable code, with its section in `docs/errors.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Misread(_) => "LS-CFG-001",
            Self::File { .. } => "LS-CFG-002",
            Self::NoHome => "LS-CFG-003",
            Self::Variable { .. } => "LS-CFG-004",
        }
    }

    /// What to do about it, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Misread(misread) => misread.suggestion.clone(),
            Self::File { .. } => Some("check its permissions, or move it away".to_owned()),
            Self::NoHome => Some("set `LONGSHORE_HOME` to a folder that you can write".to_owned()),
            Self::Variable { name, .. } => Some(format!("correct `{name}`, or unset it")),
        }
    }
}
