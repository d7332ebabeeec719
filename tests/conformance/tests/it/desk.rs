//! A user's desk: a home of its own, a working folder, and the binary; and what must hold whenever
//! the binary says no.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use longshore_test_support::cli::Home;
use serde_json::Value;

/// A home and a working folder.
pub(crate) struct Desk {
    home: Home,
    variables: Vec<(String, String)>,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A refusal, as people and as programs see it.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Standard error without `--json`.
    pub(crate) text: String,
    /// The JSON document with it.
    pub(crate) json: Value,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { home: Home::new(), variables: Vec::new() }
    }

    /// Sets a variable for every command from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// What `HOME` is.
    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    /// The state folder.
    pub(crate) fn state(&self) -> PathBuf {
        self.home.longshore_home()
    }

    /// A path in the working folder.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.home.work().join(name)
    }

    /// Writes a file into the working folder.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The command, still to be run.
    pub(crate) fn longshore(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.longshore();
        command.args(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        Said::of(self.longshore(arguments).output().unwrap())
    }

    /// The same with something on standard input.
    pub(crate) fn run_on(&self, input: &[u8], arguments: &[&str]) -> Said {
        let mut command = self.longshore(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Whoever does not read its input closes it: that is no failure of this test.
        let _ = child.stdin.take().unwrap().write_all(input);
        Said::of(child.wait_with_output().unwrap())
    }

    /// Starts it, with its streams open to the test.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.longshore(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs what must work; gives standard output.
    #[track_caller]
    pub(crate) fn does(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.status, Some(0), "`longshore {}`: {said}", arguments.join(" "));
        said.stdout
    }

    /// The same with `--json`; gives the document.
    #[track_caller]
    pub(crate) fn document(&self, arguments: &[&str]) -> Value {
        let said = self.does(&[&["--json"], arguments].concat());
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// Runs what must be refused with this exit status and code, once as people and once as
    /// programs ask, and checks that both are told the same and that nothing half-done is left.
    #[track_caller]
    pub(crate) fn refuses(&self, status: i32, code: &str, arguments: &[&str]) -> Refusal {
        let shown = arguments.join(" ");
        let text = self.run(arguments);
        assert_eq!(text.status, Some(status), "`longshore {shown}`: {text}");
        assert_eq!(text.stdout, "", "`longshore {shown}` wrote data: {text}");
        let headline = text.stderr.lines().find(|line| line.starts_with("error["));
        let headline = headline.unwrap_or_else(|| panic!("`longshore {shown}`: {text}"));
        assert!(headline.starts_with(&format!("error[{code}]: ")), "`longshore {shown}`: {text}");
        assert!(!headline.ends_with('.'), "a full stop ends the message: {headline}");
        self.is_tidy();

        let said = self.run(&[&["--json"], arguments].concat());
        assert_eq!(said.status, Some(status), "`longshore --json {shown}`: {said}");
        assert!(!said.stderr.contains("error["), "the error is told twice: {said}");
        let json: Value = serde_json::from_str(&said.stdout)
            .unwrap_or_else(|error| panic!("`longshore --json {shown}`: {error}: {said}"));
        let error = &json["error"];
        assert_eq!(error["code"], code, "{json:#}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty() && !message.contains('\u{1b}'), "{json:#}");
        let is_hint = |hint: &Value| hint.is_null() || hint.as_str().is_some_and(|h| !h.is_empty());
        assert!(is_hint(&error["hint"]), "{json:#}");
        self.is_tidy();
        Refusal { text: text.stderr, json }
    }

    /// Runs a component that must be stopped by a fault; gives the document of the run.
    #[track_caller]
    pub(crate) fn stops(&self, status: i32, code: &str, arguments: &[&str]) -> (String, Value) {
        let shown = arguments.join(" ");
        let text = self.run(arguments);
        assert_eq!(text.status, Some(status), "`longshore {shown}`: {text}");
        assert_eq!(text.stdout, "", "`longshore {shown}` wrote data: {text}");
        assert!(text.stderr.contains(&format!("error[{code}]: ")), "`longshore {shown}`: {text}");
        let said = self.run(&[&["--json"], arguments].concat());
        assert_eq!(said.status, Some(status), "`longshore --json {shown}`: {said}");
        let json: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(json["outcome"]["fault"]["code"], code, "{json:#}");
        self.is_tidy();
        self.every_run_is_closed();
        (text.stderr, json)
    }

    /// Nothing half-written lies in the state folder or beside the user's files.
    #[track_caller]
    pub(crate) fn is_tidy(&self) {
        for folder in [self.state(), self.home.work()] {
            for path in files(&folder) {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let half = name.starts_with('.') || name.ends_with(".tmp");
                assert!(!half, "`{}` was left behind", path.display());
            }
        }
    }

    /// No run of the journal is open, and each has a receipt that verifies against its journal.
    #[track_caller]
    pub(crate) fn every_run_is_closed(&self) {
        for run in self.runs() {
            let id = run["run"].as_str().unwrap();
            assert!(["ok", "failed", "fault"].contains(&run["state"].as_str().unwrap()), "{run}");
            let proof = self.document(&["receipt", "verify", id]);
            assert_eq!((&proof["valid"], &proof["journal-compared"]), (&true.into(), &true.into()));
        }
    }

    /// The runs in the journal, newest first.
    #[track_caller]
    pub(crate) fn runs(&self) -> Vec<Value> {
        let listed = self.document(&["runs", "list", "--limit", "1000"]);
        listed["runs"].as_array().unwrap().clone()
    }

    /// Makes a key pair `NAME.key` and `NAME.pub` in the working folder, without a password.
    pub(crate) fn key(&self, name: &str) {
        self.does(&["key", "generate", "--out", name]);
    }
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        let said = Self {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!said.stderr.contains("panicked at"), "{said}");
        said
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, stdout, stderr } = self;
        write!(f, "ended with {status:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

impl Refusal {
    /// The message for programs.
    pub(crate) fn message(&self) -> &str {
        self.json["error"]["message"].as_str().unwrap()
    }

    /// The hint for programs.
    pub(crate) fn hint(&self) -> &str {
        self.json["error"]["hint"].as_str().unwrap_or_default()
    }

    /// The causes for programs, a line each.
    pub(crate) fn causes(&self) -> String {
        let causes = self.json["error"]["causes"].as_array();
        let lines = causes.into_iter().flatten().filter_map(Value::as_str);
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// All files below a folder; none where there is no folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
