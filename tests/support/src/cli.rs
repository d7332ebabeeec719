//! The built binary `longshore`, in a home of its own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::target;

/// Where the built binary is: `LONGSHORE_BIN`, or what cargo says (`CARGO_BIN_EXE_longshore`), or
/// beside the running test, or in the target folder.
///
/// # Panics
///
/// When it was not built.
#[must_use]
pub fn binary() -> PathBuf {
    let named = ["LONGSHORE_BIN", "CARGO_BIN_EXE_longshore"];
    let named = named.into_iter().filter_map(env::var_os).map(PathBuf::from);
    let test = env::current_exe().ok();
    let beside = test.iter().flat_map(|test| test.ancestors().skip(1).take(3));
    let beside = beside.map(|folder| folder.join("longshore"));
    let target = ["debug", "release"].map(|profile| target().join(profile).join("longshore"));
    let found = named.chain(target).chain(beside).find(|path| path.is_file());
    found.expect("`longshore` is built: run `cargo build -p longshore-cli` first")
}

/// A home for one test: `HOME`, `LONGSHORE_HOME` and the working folder are in it. Removed when
/// dropped.
#[derive(Debug)]
pub struct Home(TempDir);

impl Home {
    /// An empty one.
    ///
    /// # Panics
    ///
    /// When no temporary folder can be made.
    #[must_use]
    pub fn new() -> Self {
        let home = Self(tempfile::tempdir().expect("a temporary folder"));
        std::fs::create_dir(home.work()).expect("a folder in a temporary folder");
        home
    }

    /// The folder of all.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The working folder of commands.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    /// What `LONGSHORE_HOME` says.
    #[must_use]
    pub fn longshore_home(&self) -> PathBuf {
        self.path().join("longshore")
    }

    /// The binary, with an environment of nothing but `PATH` and this home.
    ///
    /// # Panics
    ///
    /// When it was not built.
    #[must_use]
    pub fn longshore(&self) -> Command {
        let mut command = Command::new(binary());
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("LONGSHORE_HOME", self.longshore_home())
            .current_dir(self.work());
        command
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

/// The binary with the environment of the test: for what needs no state. Others use
/// [`Home::longshore`].
///
/// # Panics
///
/// When it was not built.
#[must_use]
pub fn longshore() -> Command {
    Command::new(binary())
}
