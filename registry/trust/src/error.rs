//! What can go wrong with keys, signatures and the trust policy, with stable codes. Never holds
//! secrets.

use longshore_reference::Digest;

/// Why a key, a signature, a policy or a component was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Text that holds no key in a known format.
    #[error("this is not a {expected}: {reason}")]
    KeyFormat {
        /// What was expected, as a noun phrase.
        expected: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The password does not open the key file.
    #[error("the password does not open this private key")]
    KeyPassword,
    /// A key file whose key-derivation parameters are beyond the bounds.
    #[error("the key file asks for `scrypt` with N={n}, r={r}, p={p}, which is out of bounds")]
    KeyDerivation {
        /// Cost.
        n: u64,
        /// Block size.
        r: u32,
        /// Parallelism.
        p: u32,
    },
    /// The system's source of randomness failed, or the key is unusable.
    #[error("signing failed")]
    Signing,
    /// The artifact carries no signature at all.
    #[error("`{artifact}` is not signed")]
    Unsigned {
        /// Where it came from.
        artifact: String,
    },
    /// Signatures there are, but none by a key that the requirement names.
    #[error(
        "`{artifact}` is not signed by `{requirement}` (key {}): it is signed by {}",
        key_list(.expected),
        found_list(.found)
    )]
    OtherKey {
        /// Where it came from.
        artifact: String,
        /// The name of the requirement.
        requirement: String,
        /// The keys that would do.
        expected: Vec<Digest>,
        /// The keys that the signatures claim, unchecked.
        found: Vec<String>,
    },
    /// A signature by the right key, for another artifact.
    #[error("the signature by `{requirement}` is for `{found}`, not for `{expected}`")]
    OtherDigest {
        /// The name of the requirement.
        requirement: String,
        /// The digest of the artifact's manifest.
        expected: Digest,
        /// What the signature is about.
        found: String,
    },
    /// A signature by the right key for this artifact, in another repository.
    #[error("the signature by `{requirement}` is for the repository {found}, not for `{expected}`")]
    OtherRepository {
        /// The name of the requirement.
        requirement: String,
        /// The repository that it was fetched from.
        expected: String,
        /// What the signature says, in backticks, or `(none)`.
        found: String,
    },
    /// A signature by the right key for this artifact, under another version.
    #[error("the signature by `{requirement}` is for the version {found}, not for `{expected}`")]
    OtherVersion {
        /// The name of the requirement.
        requirement: String,
        /// The tag that was asked for.
        expected: String,
        /// What the signature says, in backticks, or `(none)`.
        found: String,
    },
    /// A signature by the right key for this artifact, without another annotation that is required.
    #[error(
        "the signature by `{requirement}` says {found} for the annotation `{annotation}`, \
         not `{expected}`"
    )]
    OtherAnnotation {
        /// The name of the requirement.
        requirement: String,
        /// The annotation.
        annotation: String,
        /// The value that is required.
        expected: String,
        /// What the signature says, in backticks, or `(none)`.
        found: String,
    },
    /// A statement by the right key that is not a signature of the component, such as an SBOM.
    #[error("what `{requirement}` signed is of the type `{found}`, not `{expected}`")]
    Predicate {
        /// The name of the requirement.
        requirement: String,
        /// The predicate type that is required.
        expected: String,
        /// The predicate type that was signed.
        found: String,
    },
    /// A bundle, envelope or statement that cannot be read.
    #[error("the signature is malformed: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: &'static str,
        /// Where, when it is not JSON of the right shape.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// A keyless signature.
    #[error("the signature was made with a certificate, which is not supported yet")]
    Keyless,
    /// A signature that does not verify under the key.
    #[error("the signature does not verify under the key `{key}`")]
    BadSignature {
        /// The key that was tried.
        key: Digest,
    },
    /// The policy names the scope and rejects it.
    #[error("the trust policy rejects `{artifact}` (scope `{scope}`)")]
    Rejected {
        /// Where it came from.
        artifact: String,
        /// The scope that decided.
        scope: String,
    },
    /// No scope of the policy covers the repository, and the default rejects.
    #[error("no scope of the trust policy covers `{artifact}`, and its default rejects")]
    NoScope {
        /// Where it came from.
        artifact: String,
    },
    /// The requirement's key is past its last day.
    #[error("the key of `{requirement}` is trusted until {until} only")]
    Expired {
        /// The name of the requirement.
        requirement: String,
        /// The end, as the policy writes it.
        until: String,
    },
    /// More signatures than anyone needs.
    #[error("`{artifact}` carries {count} signatures; at most {limit} are looked at")]
    TooMany {
        /// Where it came from.
        artifact: String,
        /// How many there are.
        count: usize,
        /// How many may be.
        limit: usize,
    },
    /// The policy is not JSON.
    #[error("the trust policy is not valid JSON")]
    PolicySyntax(#[source] serde_json::Error),
    /// The policy is JSON, and says something that it may not.
    #[error("the trust policy is wrong at `{path}`: {problem}")]
    PolicyContent {
        /// Where: a path such as `scopes["r.example"][0].key`.
        path: String,
        /// What is wrong.
        problem: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// A file of the policy cannot be read.
    #[error("cannot read `{path}`")]
    PolicyFile {
        /// The file, as the policy or the caller names it.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn key_list(keys: &[Digest]) -> String {
    let each: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    each.join(" or ")
}

fn found_list(found: &[String]) -> String {
    if found.is_empty() { "an unnamed key".to_owned() } else { found.join(", ") }
}

impl Error {
    /// The stable code, with its section in `docs/errors.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::KeyFormat { .. } => "LS-KEY-001",
            Self::KeyPassword => "LS-KEY-002",
            Self::KeyDerivation { .. } => "LS-KEY-003",
            Self::Signing => "LS-KEY-004",
            Self::Unsigned { .. } => "LS-TRU-001",
            Self::OtherKey { .. } => "LS-TRU-002",
            Self::OtherDigest { .. } => "LS-TRU-003",
            Self::OtherRepository { .. } => "LS-TRU-004",
            Self::OtherVersion { .. } => "LS-TRU-005",
            Self::Predicate { .. } => "LS-TRU-006",
            Self::Malformed { .. } => "LS-TRU-007",
            Self::Rejected { .. } => "LS-TRU-008",
            Self::NoScope { .. } => "LS-TRU-009",
            Self::Keyless => "LS-TRU-010",
            Self::OtherAnnotation { .. } => "LS-TRU-011",
            Self::BadSignature { .. } => "LS-TRU-012",
            Self::Expired { .. } => "LS-TRU-013",
            Self::TooMany { .. } => "LS-TRU-014",
            Self::PolicySyntax(_) => "LS-TRU-020",
            Self::PolicyContent { .. } => "LS-TRU-021",
            Self::PolicyFile { .. } => "LS-TRU-022",
        }
    }

    /// Whether the trust policy itself is at fault, rather than what it judged.
    #[must_use]
    pub const fn is_policy(&self) -> bool {
        matches!(self, Self::PolicySyntax(_) | Self::PolicyContent { .. } | Self::PolicyFile { .. })
    }

    /// What to do about it, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::KeyPassword => "a key made without a password has the empty one",
            Self::Unsigned { .. } => {
                "sign it with `longshore sign`, or ask the publisher for a signed release"
            }
            Self::OtherKey { .. } => {
                "if you trust that key, name its public key in the trust policy"
            }
            Self::OtherDigest { .. } => {
                "the signature belongs to another artifact: do not run this"
            }
            Self::OtherRepository { .. } => {
                "it was copied from elsewhere: fetch it from where it was signed for, or \
                 sign it here"
            }
            Self::OtherVersion { .. } => {
                "ask for the version that was signed; a moving tag such as `latest` needs a \
                 requirement without `version`"
            }
            Self::Predicate { .. } => "an SBOM or attestation is not a signature: sign it too",
            Self::NoScope { .. } => {
                "add a scope with the publisher's public key to the trust policy"
            }
            Self::Keyless => "ask the publisher for a signature made with a key",
            Self::Expired { .. } => "put the publisher's current key into the trust policy",
            Self::PolicyContent { suggestion: Some(meant), .. } => {
                return Some(format!("did you mean `{meant}`?"));
            }
            _ => return None,
        };
        Some(text.to_owned())
    }

    pub(crate) fn malformed(reason: &'static str) -> Self {
        Self::Malformed { reason, source: None }
    }
}
