//! The state folder: full disks, several processes at once, processes that die.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artifacts::{answer, guest};
use crate::desk::{Desk, Said, files};

/// A file system of a few pages; unmounted when dropped.
struct Small(PathBuf);

impl Small {
    /// `None` where this process may not mount, which is said aloud.
    #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
    fn mounted(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={size},mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "longshore-test"]).arg(at);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_owned()));
        }
        eprintln!("SKIPPED: a small file system cannot be mounted here; it takes root");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_the_hosts_failure_and_is_mended_by_room() {
    let desk = Desk::new();
    let Some(_small) = Small::mounted(&desk.state(), "1m") else { return };
    desk.write("answer.wasm", answer());
    // What is left after this is less than a journal takes.
    let stuffing = desk.state().join("stuffing");
    let mut size = 1_048_576_usize;
    while std::fs::write(&stuffing, vec![b'x'; size]).is_err() {
        size -= 4096;
    }
    let said = desk.run(&["run", "answer.wasm"]);
    assert_eq!(said.status, Some(7), "{said}");
    assert_eq!(said.stdout, "", "{said}");
    assert!(said.stderr.contains("error[LS-"), "{said}");
    let full = ["full", "No space left", "StorageFull"];
    assert!(full.iter().any(|word| said.stderr.contains(word)), "{said}");
    let json = desk.run(&["--json", "run", "answer.wasm"]);
    assert_eq!(json.status, Some(7), "{json}");
    serde_json::from_str::<serde_json::Value>(&json.stdout).unwrap();

    std::fs::remove_file(&stuffing).unwrap();
    assert_eq!(desk.does(&["run", "answer.wasm"]), "42\n");
    desk.every_run_is_closed();
    desk.is_tidy();
}

#[test]
fn a_full_disk_while_a_component_is_fetched_leaves_no_part_of_it() {
    let (desk, registry) = (Desk::new(), longshore_test_support::servers::embedded_registry());
    let Some(_small) = Small::mounted(&desk.state(), "256k") else { return };
    desk.write("info.wasm", guest("host-info"));
    desk.write("large.wasm", padded(&answer(), 1 << 20));
    let reference = format!("{}/team/large:1.0.0", registry.address());
    let elsewhere = Desk::new();
    elsewhere.write("large.wasm", padded(&answer(), 1 << 20));
    elsewhere.does(&["push", "large.wasm", &reference]);
    let pull = ["pull", &reference, "--insecure-unverified", "-o", "out.wasm"];
    desk.refuses(7, "LS-REG-028", &pull);
    assert!(!desk.at("out.wasm").exists());
    assert!(files(&desk.state().join("cache/oci/blobs")).is_empty());
}

/// The component with a custom section of so many bytes.
fn padded(component: &[u8], bytes: u32) -> Vec<u8> {
    let leb = |mut value: u32| {
        let mut out = Vec::new();
        loop {
            let low = (value & 0x7f) as u8;
            value >>= 7;
            out.push(if value == 0 { low } else { low | 0x80 });
            if value == 0 {
                return out;
            }
        }
    };
    let mut section = leb(7);
    section.extend_from_slice(b"padding");
    section.resize(section.len() + bytes as usize, 0);
    let size = leb(u32::try_from(section.len()).unwrap());
    [component, &[0], &size, &section].concat()
}

#[test]
fn processes_that_start_at_once_in_one_new_home_share_a_journal_and_a_key() {
    let desk = Desk::new();
    desk.write("answer.wasm", answer());
    let started: Vec<_> = (0..6).map(|_| desk.start(&["--json", "run", "answer.wasm"])).collect();
    let mut runs = Vec::new();
    for child in started {
        let said = Said::of(child.wait_with_output().unwrap());
        assert_eq!(said.status, Some(0), "{said}");
        let document: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(document["outcome"]["ok"], 42);
        runs.push(document["run"].to_string());
    }
    runs.sort_unstable();
    let mut listed: Vec<_> = desk.runs().iter().map(|run| run["run"].to_string()).collect();
    listed.sort_unstable();
    assert_eq!(runs, listed);
    // One key, and one chain: every receipt but the first names another, and no two the same.
    desk.every_run_is_closed();
    let mut previous: Vec<_> = desk
        .runs()
        .iter()
        .map(|run| desk.document(&["receipt", "show", run["run"].as_str().unwrap()]))
        .map(|shown| shown["predicate"]["previous"].to_string())
        .collect();
    previous.sort_unstable();
    previous.dedup();
    assert_eq!(previous.len(), 6, "{previous:?}");
    desk.is_tidy();
}

#[test]
fn a_run_whose_process_was_killed_is_interrupted_and_the_next_one_works() {
    let desk = Desk::new();
    desk.write("hog.wasm", guest("hog"));
    desk.write("answer.wasm", answer());
    let spin =
        ["run", "hog.wasm", "-f", "spin", "--allow", "clock", "--allow", "random", "--events"];
    let mut child = desk.start(&spin);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let started = lines.find(|line| line.as_ref().is_ok_and(|l| l.contains("run-started")));
    assert!(started.is_some(), "the run says that it started");
    // The guest starts while the journal is still being opened: asked until it is there.
    let patience = std::time::Instant::now();
    while desk.runs().is_empty() {
        assert!(patience.elapsed().as_secs() < 20, "the run does not reach the journal");
    }
    // Another process can tell that it is under way, and no longer once its lease has run out.
    let runs = desk.runs();
    assert_eq!((runs.len(), runs[0]["state"].as_str()), (1, Some("open")), "{runs:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    let patience = std::time::Instant::now();
    let runs = loop {
        let runs = desk.runs();
        if runs[0]["state"] == "interrupted" {
            break runs;
        }
        assert_eq!(runs[0]["state"], "open", "{runs:?}");
        assert!(patience.elapsed().as_secs() < 30, "its lease does not run out");
        std::thread::sleep(std::time::Duration::from_millis(200));
    };
    let killed = runs[0]["run"].as_str().unwrap();
    desk.refuses(2, "LS-CLI-006", &["receipt", "show", killed]);
    desk.does(&["runs", "show", killed]);
    assert_eq!(desk.does(&["run", "answer.wasm"]), "42\n");
    let proof = desk.document(&["receipt", "verify", "last"]);
    assert_eq!(proof["valid"], true);
    let states: Vec<_> = desk.runs().iter().map(|run| run["state"].to_string()).collect();
    assert_eq!(states, ["\"ok\"", "\"interrupted\""]);
    desk.is_tidy();
}

#[test]
fn an_interrupt_closes_the_run_and_seals_its_receipt() {
    let desk = Desk::new();
    desk.write("hog.wasm", guest("hog"));
    let spin =
        ["run", "hog.wasm", "-f", "spin", "--allow", "clock", "--allow", "random", "--events"];
    let mut child = desk.start(&spin);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.is_ok_and(|l| l.contains("run-started"))));
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    // Read to the end, so that the process can say what it has to say.
    let said: Vec<_> = lines.map_while(Result::ok).collect();
    let status = child.wait().unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(signal, Some(2), "{status} {said:?}");
    let runs = desk.runs();
    assert_eq!(runs[0]["state"], "fault", "{runs:?}");
    let shown = desk.document(&["receipt", "show", "last"]);
    assert_eq!(shown["predicate"]["outcome"]["fault"]["code"], "LS-RUN-012", "{shown:#}");
    desk.every_run_is_closed();
}

#[test]
fn a_home_that_cannot_be_used_is_told() {
    let mut desk = Desk::new();
    desk.write("answer.wasm", answer());
    desk.write("a-file", "");
    desk.set("LONGSHORE_HOME", desk.at("a-file").to_str().unwrap());
    let said = desk.run(&["run", "answer.wasm"]);
    assert_eq!(said.status, Some(7), "{said}");
    assert!(said.stderr.starts_with("error[LS-"), "{said}");
    assert!(said.stderr.contains("a-file"), "{said}");
}

#[test]
fn settings_with_a_mistake_are_told_with_line_and_column() {
    let desk = Desk::new();
    desk.write("answer.wasm", answer());
    std::fs::create_dir_all(desk.state()).unwrap();
    std::fs::write(desk.state().join("config.toml"), "offline = true\nregistri = \"x\"\n").unwrap();
    let refused = desk.refuses(2, "LS-CFG-001", &["run", "answer.wasm"]);
    assert!(refused.message().contains("config.toml:2:1"), "{}", refused.message());
    assert!(refused.hint().contains("`registry`"), "{}", refused.hint());
}
