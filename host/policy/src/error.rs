//! What can be wrong with an operator's policy or flags. Refusals are not errors of this kind.

use longshore_reference::authored::Misread;

/// Why a policy cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The policy file has a mistake.
    #[error("{0}")]
    Text(Misread),
    /// A Cedar policy cannot be read: its syntax, or its types.
    #[error("{0}")]
    Cedar(Misread),
    /// A Cedar policy names an entity, an attribute or an action that there is not.
    #[error("{0}")]
    Unknown(Misread),
    /// A Cedar policy names a scope, a component or a parameter that is none.
    #[error("{0}")]
    Scope(Misread),
    /// A Cedar policy contradicts itself or another, or can never apply.
    #[error("{0}")]
    Contradiction(Misread),
    /// A file of test cases has a mistake.
    #[error("{0}")]
    Cases(Misread),
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
    /// A `--secret` flag has a mistake; its text is not repeated.
    #[error("a `--secret` flag is not understood: {reason}")]
    Secret {
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
            Self::Cedar(_) => "LS-POL-005",
            Self::Unknown(_) => "LS-POL-006",
            Self::Scope(_) => "LS-POL-007",
            Self::Contradiction(_) => "LS-POL-008",
            Self::Cases(_) => "LS-POL-009",
            Self::Secret { .. } => "LS-POL-015",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Text(misread)
            | Self::Cedar(misread)
            | Self::Unknown(misread)
            | Self::Scope(misread)
            | Self::Contradiction(misread)
            | Self::Cases(misread) => misread.suggestion.clone(),
            Self::Flag { hint, .. } => Some(hint.clone()),
            Self::Set { .. } => Some(
                "write `--set name=value`, or `--set PATTERN::name=value` for a dependency"
                    .to_owned(),
            ),
            Self::Approvals { .. } => Some(
                "it is written by `longshore approve`: restore it, or move it away and approve anew"
                    .to_owned(),
            ),
            Self::Secret { .. } => Some(
                "write `--secret NAME=env:VARIABLE@https://api.example.com#authorization`"
                    .to_owned(),
            ),
        }
    }

    /// Where the mistake is, if it is in a file.
    #[must_use]
    pub const fn misread(&self) -> Option<&Misread> {
        match self {
            Self::Text(misread)
            | Self::Cedar(misread)
            | Self::Unknown(misread)
            | Self::Scope(misread)
            | Self::Contradiction(misread)
            | Self::Cases(misread) => Some(misread),
            Self::Flag { .. } | Self::Set { .. } | Self::Approvals { .. } | Self::Secret { .. } => {
                None
            }
        }
    }
}
