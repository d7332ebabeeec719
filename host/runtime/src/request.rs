//! What is to be run, and on what.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use longshore_engine::Stdio;
use longshore_policy::Policy;
use longshore_reference::{Reference, ReferenceError};

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A component in a registry.
    Reference(Reference),
    /// A component file that the operator named.
    File(PathBuf),
}

impl Target {
    /// What `text` means: a path if it starts with `.` or `/` or ends in `.wasm`, a reference otherwise.
    ///
    /// # Errors
    ///
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let is_wasm = Path::new(text).extension().is_some_and(|e| e.eq_ignore_ascii_case("wasm"));
        if text.starts_with(['.', '/']) || is_wasm {
            return Ok(Self::File(PathBuf::from(text)));
        }
        text.parse().map(Self::Reference)
    }
}

impl From<Reference> for Target {
    fn from(reference: Reference) -> Self {
        Self::Reference(reference)
    }
}

impl From<PathBuf> for Target {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

/// The input of a run as JSON text: an object keyed by parameter name, or an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input(pub String);

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Input {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<serde_json::Value> for Input {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string())
    }
}

/// A run that is asked for.
#[derive(Clone)]
pub struct Request {
    /// What is to be run.
    pub target: Target,
    /// Which function; the only one, or the command, if none is named.
    pub function: Option<String>,
    /// Its arguments.
    pub input: Input,
    /// What this run is allowed beside the host's own policy.
    pub allow: Policy,
    /// The arguments and standard input of a command, and who watches its output.
    pub stdio: Stdio,
}

impl Request {
    /// A request for `target` on `input`, with the host's policy and nothing else.
    #[must_use]
    pub fn new(target: Target, input: impl Into<Input>) -> Self {
        Self {
            target,
            function: None,
            input: input.into(),
            allow: Policy::default(),
            stdio: Stdio::default(),
        }
    }

    /// Chooses the function.
    #[must_use]
    pub fn function(mut self, name: impl Into<String>) -> Self {
        self.function = Some(name.into());
        self
    }

    /// Allows more, for this run.
    #[must_use]
    pub fn allow(mut self, policy: Policy) -> Self {
        self.allow = policy;
        self
    }

    /// Gives a command its arguments (its name first) and its standard input.
    #[must_use]
    pub fn command(mut self, arguments: Vec<String>, stdin: impl Into<Bytes>) -> Self {
        self.stdio.arguments = arguments;
        self.stdio.stdin = stdin.into();
        self
    }
}
