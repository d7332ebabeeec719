//! What can be wrong with an operator's policy or flags. Refusals are not errors of this kind.

use longshore_reference::authored::Misread;

/// Why a policy cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The policy file has a mistake.
    #[error("{0}")]
    Text(Misread),
    /// An `--allow` flag has a mistake.
    #[error("`--allow {flag}` is not understood: {reason}")]
    Flag {
        /// What was given.
        flag: String,
        /// What is wrong with it.
        reason: String,
        /// The syntax, by example.
        hint: String,
    },
    /// A `--set` flag has a mistake; its text may be secret and is not repeated.
    #[error("a `--set` flag is not understood: {reason}")]
    Set {
        /// What is wrong with it.
        reason: String,
    },
    /// The list of approvals cannot be read.
    #[error("the approvals in `{file}` cannot be read: {reason}")]
    Approvals {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Text(_) => "LS-POL-001",
            Self::Flag { .. } => "LS-POL-002",
            Self::Set { .. } => "LS-POL-003",
            Self::Approvals { .. } => "LS-POL-004",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Text(misread) => misread.suggestion.clone(),
            Self::Flag { hint, .. } => Some(hint.clone()),
            Self::Set { .. } => Some(
                "write `--set name=value`, or `--set PATTERN::name=value` for a dependency"
                    .to_owned(),
            ),
            Self::Approvals { .. } => Some(
                "it is written by `longshore approve`: restore it, or move it away and approve anew"
                    .to_owned(),
            ),
        }
    }
}
