//! What can go wrong with receipts, with stable codes.

/// Why a receipt could not be made or does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The journal's entries are not those of a finished run.
    #[error("no receipt can be computed: {0}")]
    Incomplete(&'static str),
    /// The bytes are not a receipt.
    #[error("this is not a receipt: {reason}")]
    Malformed {
        /// What is wrong with them.
        reason: &'static str,
        /// Where, when it is not JSON of the right shape.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// A signed statement of another kind.
    #[error("this is a signed statement of the type `{found}`, not a receipt")]
    OtherType {
        /// The type that it has.
        found: String,
    },
    /// The envelope does not verify.
    #[error("the receipt does not verify")]
    Signature(#[source] longshore_trust::Error),
    /// The receipt could not be signed.
    #[error("the receipt cannot be sealed")]
    Seal(#[source] longshore_trust::Error),
}

impl Error {
    /// The stable code, with its section in `docs/errors.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Incomplete(_) => "LS-RCP-001",
            Self::Malformed { .. } => "LS-RCP-002",
            Self::OtherType { .. } => "LS-RCP-003",
            Self::Signature(_) => "LS-RCP-004",
            Self::Seal(_) => "LS-RCP-005",
        }
    }

    /// What to do about it, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Signature(_) => {
                "check that the public key is that of the host that ran it; if it is, the \
                 receipt was changed"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }

    pub(crate) fn malformed(reason: &'static str) -> Self {
        Self::Malformed { reason, source: None }
    }
}
