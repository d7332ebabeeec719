//! What tests of every room need: real registries and tools, a registry that lies, a web site,
//! built guests, the binary in a home of its own, and a clock that stands still. For
//! dev-dependencies only.
//!
//! It panics where production code would return an error: a test that cannot be set up has failed.
//! It reads the environment (`LONGSHORE_TOOLS`, `LONGSHORE_REQUIRE_SERVERS`, `CARGO_TARGET_DIR`,
//! `PATH`) and never the network beyond loopback. Everything that it starts ends when its handle is
//! dropped; nothing here needs an async runtime.
#![expect(clippy::disallowed_methods, reason = "tests are configured by their environment")]

pub mod cli;
pub mod clock;
pub mod guests;
pub mod hostile;
pub mod http;
pub mod postgres;
pub mod redis;
pub mod servers;
pub mod tools;
mod wire;

use std::path::PathBuf;

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(PathBuf::from).unwrap_or(here)
}

/// The folder that cargo builds into.
#[must_use]
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace().join(folder),
        None => workspace().join("target"),
    }
}

/// Whether golden files are to be written anew: `just bless`.
#[must_use]
pub fn blesses() -> bool {
    std::env::var_os("LONGSHORE_BLESS").is_some_and(|value| value == "1")
}
