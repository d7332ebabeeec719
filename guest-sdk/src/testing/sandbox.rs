//! The crate under test as a component, called through the `longshore` program. Starts cargo and `longshore`, nothing else.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Failure;

/// A built component and what it may do.
///
/// ```no_run
/// # use longshore_guest::testing::Sandbox;
/// # use serde_json::json;
/// let sandbox = Sandbox::build(env!("CARGO_MANIFEST_DIR")).unwrap();
/// let size: serde_json::Value =
///     sandbox.call("acme:text/count@1.0.0#measure", &json!({ "text": "two words" })).unwrap().ok();
/// assert_eq!(size["words"], 2);
/// ```
#[derive(Debug, Clone)]
pub struct Sandbox {
    component: PathBuf,
    program: PathBuf,
    allow: Vec<String>,
}

/// How a call ended that the host carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer<T> {
    /// The operation returned.
    Ok(T),
    /// The operation reported a failure.
    Failed(Failure),
    /// The host stopped it: a trap, a limit, a refusal; as the host's JSON.
    Fault(Value),
}

impl<T: fmt::Debug> Answer<T> {
    /// What the operation returned.
    ///
    /// # Panics
    ///
    /// When it ended in another way: it is an assertion.
    pub fn ok(self) -> T {
        match self {
            Self::Ok(value) => value,
            other => panic!("the operation did not return: {other:?}"),
        }
    }

    /// The failure that the operation reported.
    ///
    /// # Panics
    ///
    /// When it ended in another way: it is an assertion.
    pub fn failed(self) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            other => panic!("the operation reported no failure: {other:?}"),
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Error {
    /// A program could not be started: which, and why.
    Start(String, std::io::Error),
    /// Cargo did not build the component; what it said.
    Build(String),
    /// The build made no component, or several.
    Artifact(String),
    /// `longshore` gave no outcome; what it said.
    Run(String),
    /// The outcome is not of the expected type.
    Shape(serde_json::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(program, _) => write!(f, "cannot start `{program}`"),
            Self::Build(said) => write!(f, "cargo did not build the component:\n{said}"),
            Self::Artifact(what) => write!(f, "{what}"),
            Self::Run(said) => write!(f, "`longshore run` gave no outcome:\n{said}"),
            Self::Shape(_) => write!(f, "the outcome is not of the expected type"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(_, source) => Some(source),
            Self::Shape(source) => Some(source),
            Self::Build(_) | Self::Artifact(_) | Self::Run(_) => None,
        }
    }
}

impl Sandbox {
    /// Builds the crate in `folder` (`env!("CARGO_MANIFEST_DIR")`) for `wasm32-wasip2`, in release.
    ///
    /// The program is `LONGSHORE_BIN`, else `longshore` on the `PATH`.
    ///
    /// # Errors
    ///
    /// When cargo cannot be started, does not build, or makes no component.
    pub fn build(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let cargo = variable("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(&cargo)
            .args([
                "build",
                "--release",
                "--target",
                "wasm32-wasip2",
                "--message-format=json-render-diagnostics",
            ])
            .current_dir(folder.as_ref())
            .output()
            .map_err(|error| Error::Start(cargo.display().to_string(), error))?;
        if !output.status.success() {
            return Err(Error::Build(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let manifest = folder.as_ref().join("Cargo.toml");
        Ok(Self::component(artifact(&String::from_utf8_lossy(&output.stdout), &manifest)?))
    }

    /// Takes a component that is already built.
    #[must_use]
    pub fn component(path: impl Into<PathBuf>) -> Self {
        let program = variable("LONGSHORE_BIN").unwrap_or_else(|| "longshore".into());
        Self { component: path.into(), program, allow: Vec::new() }
    }

    /// Grants a capability, as `longshore run --allow` takes it: `dir=/store=./out:rw`.
    #[must_use]
    pub fn allow(mut self, capability: impl Into<String>) -> Self {
        self.allow.push(capability.into());
        self
    }

    /// Where the component is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.component
    }

    /// Calls `function` (`interface#function`) with an object keyed by parameter name.
    ///
    /// # Errors
    ///
    /// When `longshore` cannot be started, gives no outcome, or the value is not a `T`. A failure or fault of the operation is an
    /// [`Answer`].
    pub fn call<T: DeserializeOwned>(
        &self,
        function: &str,
        arguments: &impl Serialize,
    ) -> Result<Answer<T>, Error> {
        let input = serde_json::to_vec(arguments).map_err(Error::Shape)?;
        let mut command = Command::new(&self.program);
        command.arg("run").arg(&self.component).args([
            "--function",
            function,
            "--input",
            "-",
            "--json",
        ]);
        for capability in &self.allow {
            command.args(["--allow", capability]);
        }
        let output = run(command, &input)
            .map_err(|error| Error::Start(self.program.display().to_string(), error))?;
        answer(&output)
    }
}

fn run(mut command: Command, input: &[u8]) -> std::io::Result<Output> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdin = child.stdin.take();
    std::thread::scope(|scope| {
        // A program that refuses early closes its input; what it says about that is the better message.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    })
}

fn answer<T: DeserializeOwned>(output: &Output) -> Result<Answer<T>, Error> {
    let said = || {
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Error::Run(format!("{}\n{out}{err}", output.status))
    };
    let mut document: Value = serde_json::from_slice(&output.stdout).map_err(|_| said())?;
    let outcome = document.get_mut("outcome").map(Value::take).ok_or_else(said)?;
    let Value::Object(outcome) = outcome else { return Err(said()) };
    match outcome.into_iter().next() {
        Some((kind, value)) if kind == "ok" => {
            serde_json::from_value(value).map(Answer::Ok).map_err(Error::Shape)
        }
        Some((kind, value)) if kind == "failed" => {
            failure(&value).map(Answer::Failed).ok_or_else(said)
        }
        Some((kind, value)) if kind == "fault" => Ok(Answer::Fault(value)),
        _ => Err(said()),
    }
}

/// The failure in JSON; a class that is missing or unknown is fatal, as it is for the host.
fn failure(value: &Value) -> Option<Failure> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut failure = match value.get("class").and_then(Value::as_str) {
        Some("retryable") => Failure::retryable(text("code"), text("message")),
        _ => Failure::fatal(text("code"), text("message")),
    };
    failure.retry_after_ms = value.get("retry-after-ms").and_then(Value::as_u64);
    value.is_object().then_some(failure)
}

/// The one component among cargo's messages that this manifest made.
fn artifact(messages: &str, manifest: &Path) -> Result<PathBuf, Error> {
    let manifest = std::fs::canonicalize(manifest).unwrap_or_else(|_| manifest.to_owned());
    let found = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| {
            message["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest)
        })
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect::<Vec<_>>();
    match found.as_slice() {
        [path] => Ok(path.clone()),
        [] => Err(Error::Artifact(
            "the crate makes no component: add `crate-type = [\"cdylib\", \"rlib\"]` to its `[lib]`".to_owned(),
        )),
        several => Err(Error::Artifact(format!("the crate makes {} components: `{several:?}`", several.len()))),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the programs of a test are, read nowhere else"
)]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::ExitStatus;

    fn output(stdout: &str) -> Output {
        Output { status: ExitStatus::default(), stdout: stdout.into(), stderr: b"said".to_vec() }
    }

    #[test]
    fn outcomes_become_answers() {
        let ok = answer::<u32>(&output(r#"{"run":"r","outcome":{"ok":3}}"#)).unwrap();
        assert_eq!(ok.ok(), 3);
        let text = r#"{"outcome":{"failed":{"class":"retryable","code":"busy","message":"m","retry-after-ms":5}}}"#;
        let failed = answer::<u32>(&output(text)).unwrap().failed();
        assert_eq!(failed, Failure::retryable("busy", "m").retry_after_ms(5));
        let fault = answer::<u32>(&output(r#"{"outcome":{"fault":{"kind":"trap"}}}"#)).unwrap();
        assert_eq!(fault, Answer::Fault(serde_json::json!({ "kind": "trap" })));
    }

    #[test]
    fn what_is_no_outcome_is_told_with_what_was_said() {
        let error = answer::<u32>(&output("oops")).unwrap_err().to_string();
        assert!(error.contains("oops") && error.contains("said"), "{error}");
        assert!(matches!(
            answer::<u32>(&output(r#"{"outcome":{"ok":"x"}}"#)),
            Err(Error::Shape(_))
        ));
    }

    #[test]
    fn only_this_crates_component_is_taken() {
        let line = |manifest: &str, file: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","filenames":["{file}","x.rlib"]}}"#
            )
        };
        let messages =
            [line("/other/Cargo.toml", "o.wasm"), line("/mine/Cargo.toml", "m.wasm")].join("\n");
        assert_eq!(
            artifact(&messages, Path::new("/mine/Cargo.toml")).unwrap(),
            Path::new("m.wasm")
        );
        assert!(
            artifact(&messages, Path::new("/none/Cargo.toml"))
                .unwrap_err()
                .to_string()
                .contains("cdylib")
        );
    }
}
