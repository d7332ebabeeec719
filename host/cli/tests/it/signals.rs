//! Interrupts: a run is closed and its receipt sealed before the process ends by the signal.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};

use crate::{home_with, json, longshore};

/// Sends the signal of Ctrl-C.
pub(crate) fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn an_interrupted_run_is_sealed_as_cancelled_and_ends_by_the_signal() {
    let home = home_with(&["hog"]);
    let mut command = home.longshore();
    command.args(["run", "hog.wasm", "--allow", "clock", "-f", "spin", "--events"]);
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // The call is under way once it is told; nothing has to be waited for by the clock.
    assert!(lines.by_ref().any(|line| line.unwrap().contains("call-started")));
    interrupt(&child);
    let rest: Vec<_> = lines.map_while(Result::ok).collect();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(2), "{status} {rest:?}");
    let show = json(&longshore(&home, "runs show last --json"));
    let entries = show["entries"].as_array().unwrap();
    let end = &entries.last().unwrap()["event"]["run-ended"]["outcome"]["fault"];
    assert_eq!(end["kind"], "cancelled", "{show}");
    assert!(longshore(&home, "receipt verify last").status.success());
}
