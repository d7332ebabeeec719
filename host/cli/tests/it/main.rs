//! The command line as it is used: the real binary, in a home of its own, with what it writes and how
//! it ends. Texts that people read are snapshots; `just bless` rewrites them.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod approvals;
mod component;
mod help;
mod mistakes;
mod policy;
mod registry;
mod runs;
mod settings;
mod signals;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use longshore_test_support::cli::Home;
use longshore_test_support::{guests, workspace};

/// The fixture guest of that name.
fn guest(name: &str) -> PathBuf {
    let folder = workspace().join("tests/guests").join(name);
    guests::build_in(&folder, &format!("guest-{name}"))
}

/// A home whose working folder holds the fixture guests of those names, as `NAME.wasm`.
fn home_with(names: &[&str]) -> Home {
    let home = Home::new();
    for name in names {
        std::fs::copy(guest(name), home.work().join(format!("{name}.wasm"))).unwrap();
    }
    home
}

/// Runs the binary with words split at spaces.
fn longshore(home: &Home, words: &str) -> Output {
    let words: Vec<_> = words.split(' ').collect();
    run(home.longshore().args(words), "")
}

fn run(command: &mut Command, stdin: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// Everything that a user sees of a command.
fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let status = output.status.code().map_or_else(|| "signal".to_owned(), |c| c.to_string());
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    format!("exit: {status}\n--- stdout ---\n{stdout}--- stderr ---\n{stderr}")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", shown(output));
    String::from_utf8(output.stdout.clone()).unwrap().trim_end().to_owned()
}

/// The one JSON document on standard output.
fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", shown(output)))
}

/// Compares with a snapshot, without what differs from run to run.
macro_rules! seen {
    ($name:literal, $home:expr, $words:expr) => {{
        let output = $crate::longshore($home, $words);
        $crate::snapshot!($name, $home, output)
    }};
}

macro_rules! snapshot {
    ($name:literal, $home:expr, $output:expr) => {{
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_path("../snapshots");
        settings.set_omit_expression(true);
        let home = $home.path().display().to_string();
        settings.add_filter(&home, "[HOME]");
        settings.add_filter(r"sha256:[0-9a-f]{64}", "[DIGEST]");
        settings
            .add_filter(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[RUN]");
        settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]");
        settings.add_filter(r" +\d+\.\d{3} ms ", " [SINCE] ");
        settings.add_filter(r"\b(\d+ µs|\d+\.\d ms|\d+\.\d\d s)", "[TOOK]");
        settings.add_filter(r"\b\d+\.\d (K|M)iB", "[SIZE]");
        settings.add_filter(r"127\.0\.0\.1:\d+", "[REGISTRY]");
        settings.add_filter(r"wasmtime \S+ [0-9a-f]{16}", "[ENGINE]");
        settings.add_filter(r" at 0x[0-9a-f]+", " at [PC]");
        settings.add_filter(r"h[0-9a-f]{16}E", "[HASH]E");
        settings.add_filter(r"\[TOOK\] +", "[TOOK] ");
        settings.bind(|| insta::assert_snapshot!($name, $crate::shown(&$output)));
    }};
}

pub(crate) use {seen, snapshot};
