//! Runs the `longshore` binary as a user would: prints the command, then what it says.

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use longshore_test_support::cli;
use serde_json::Value;

/// Why the demo ends early.
pub(crate) type Failure = Box<dyn Error>;

/// A folder to work in, a state folder of its own, and the binary.
pub(crate) struct Shell {
    folder: tempfile::TempDir,
    root: PathBuf,
    registry: String,
    server: Child,
}

/// Prints the title of a step.
pub(crate) fn title(text: &str) {
    println!("\n── {text}");
}

impl Shell {
    /// Starts the registry on a free loopback port.
    pub(crate) fn new(root: &Path) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let arguments = ["registry", "serve", "--listen", "127.0.0.1:0", "--root", "registry"];
        println!("$ longshore {} &", arguments.join(" "));
        let mut server = Command::new(cli::binary())
            .args(arguments)
            .current_dir(folder.path())
            .env("LONGSHORE_HOME", folder.path().join("home"))
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        if let Some(stdout) = server.stdout.take() {
            BufReader::new(stdout).read_line(&mut said)?;
        }
        let words = said.split(|c: char| c.is_whitespace() || matches!(c, '/' | '`' | '"' | ','));
        let registry = words.into_iter().find(|word| word.starts_with("127.0.0.1:"));
        let registry = registry.ok_or("the registry does not say where it listens")?.to_owned();
        println!("{}", said.trim_end());
        Ok(Self { folder, root: root.to_owned(), registry, server })
    }

    /// Where the registry keeps what was pushed.
    pub(crate) fn storage(&self) -> PathBuf {
        self.folder.path().join("registry")
    }

    /// `host:port` of the registry.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }

    /// The state folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A folder in the work folder, made if need be.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Where `longshore build` leaves the component of a plugin.
    pub(crate) fn built(&self, plugin: &str) -> PathBuf {
        self.root.join("plugins").join(plugin).join(format!("target/longshore/{plugin}.wasm"))
    }

    /// Writes a JSON file into the work folder.
    pub(crate) fn write(&self, name: &str, value: &Value) -> Result<(), Failure> {
        Ok(std::fs::write(self.folder.path().join(name), format!("{value:#}"))?)
    }

    /// Forgets everything that came from registries.
    pub(crate) fn empty_cache(&self) -> Result<(), Failure> {
        let cache = self.home().join("cache");
        println!("$ rm -r {}", cache.display());
        match std::fs::remove_dir_all(cache) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Runs a command that must end with `status`, and gives its standard output.
    pub(crate) fn longshore(&self, arguments: &[&str], status: i32) -> Result<String, Failure> {
        let (stdout, stderr) = self.run(arguments, status)?;
        if arguments.last() != Some(&"--json") {
            print!("{stdout}");
        }
        print!("{stderr}");
        Ok(stdout)
    }

    /// Runs a command that must end with `status` and say `word`.
    pub(crate) fn refused(
        &self,
        arguments: &[&str],
        status: i32,
        word: &str,
    ) -> Result<(), Failure> {
        let (stdout, stderr) = self.run(arguments, status)?;
        print!("{stdout}{stderr}");
        if !stdout.contains(word) && !stderr.contains(word) {
            return Err(format!("the refusal does not say `{word}`").into());
        }
        println!("(exit status {status})");
        Ok(())
    }

    fn run(&self, arguments: &[&str], status: i32) -> Result<(String, String), Failure> {
        println!("$ longshore {}", arguments.join(" "));
        let output = Command::new(cli::binary())
            .args(arguments)
            .current_dir(self.folder.path())
            .env("LONGSHORE_HOME", self.home())
            .env("LONGSHORE_REGISTRY", &self.registry)
            .env("LONGSHORE_KEY_PASSWORD", "")
            .output()?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() != Some(status) {
            return Err(format!(
                "`longshore {}` ended with {}, not {status}\n{stdout}{stderr}",
                arguments.join(" "),
                output.status
            )
            .into());
        }
        Ok((stdout, stderr))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
