//! Why a source gives no value. The value, or what a program said, is in none of these.

/// An error of a source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The variable is not set.
    #[error("the environment variable `{name}` is not set, or is not UTF-8")]
    Unset {
        /// Its name.
        name: String,
    },
    /// The file cannot be read.
    #[error("the file `{path}` cannot be read")]
    File {
        /// Where it is.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others may read the file.
    #[error("the file `{path}` has the mode {mode:o}: others than its owner may read or write it")]
    Open {
        /// Where it is.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The program cannot be run.
    #[error("the program `{program}` cannot be run")]
    Program {
        /// Its name.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The program failed.
    #[error("the program `{program}` ended with {status}")]
    Status {
        /// Its name.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// The program takes too long.
    #[error("the program `{program}` gave nothing within {seconds} s")]
    Slow {
        /// Its name.
        program: String,
        /// How long it had.
        seconds: u64,
    },
    /// What the source gives is no value.
    #[error("what `{source_shown}` gives is no secret: {why}")]
    Value {
        /// The source.
        source_shown: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The encrypted file is not opened.
    #[error("the file `{path}` cannot be opened: {why}")]
    Sealed {
        /// Where it is.
        path: String,
        /// Why.
        why: &'static str,
    },
    /// The file that should hold identities holds something else.
    #[error("the file `{path}` has no X25519 identity of age, or something else beside")]
    Identity {
        /// Where it is.
        path: String,
    },
    /// The encrypted file has no such entry.
    #[error("there is no entry `{source_shown}`")]
    NoEntry {
        /// The source.
        source_shown: String,
    },
    /// The system's keyring gives nothing.
    #[error("the keyring does not give `{entry}`: {why}")]
    Keyring {
        /// The entry.
        entry: String,
        /// Why.
        why: String,
    },
}

impl Error {
    /// The stable code, with its section in `docs/errors.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unset { .. } => "LS-SEC-001",
            Self::File { .. } => "LS-SEC-002",
            Self::Open { .. } => "LS-SEC-003",
            Self::Program { .. } => "LS-SEC-004",
            Self::Status { .. } => "LS-SEC-005",
            Self::Slow { .. } => "LS-SEC-006",
            Self::Value { .. } => "LS-SEC-007",
            Self::Sealed { .. } => "LS-SEC-009",
            Self::Identity { .. } => "LS-SEC-010",
            Self::NoEntry { .. } => "LS-SEC-011",
            Self::Keyring { .. } => "LS-SEC-012",
        }
    }
}
