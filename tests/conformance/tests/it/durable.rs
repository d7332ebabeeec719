//! The binary, killed at random moments with SIGKILL while its runs make effects against a ledger outside; then the ledger is
//! reconciled with the journal.

use std::collections::BTreeMap;
use std::process::Child;
use std::time::Duration;

use longshore_reference::{Digest, Manifest, Pin};
use longshore_test_support::servers::embedded_registry;
use serde_json::Value;

use crate::artifacts::guest;
use crate::desk::Desk;

const LEDGER: &str = r#"
[package]
name = "ledger"
version = "1.0.0"
kind = "action"
[capabilities.clock]
reason = "to take its time"
[[capabilities.dir]]
path = "/ledger"
access = "rw"
reason = "to be counted"
"#;

const FLOW: &str = r#"
[package]
name = "flow"
version = "1.0.0"
kind = "workflow"
[dependencies]
"fixtures:ledger/ledger@0.1.0" = { reference = "team/ledger", version = "^1.0" }
"#;

/// How many runs are killed, and how many at once.
const KILLS: u64 = 36;
const AT_ONCE: usize = 4;
/// Longer than a lease.
const LEASE: Duration = Duration::from_secs(11);

/// A number that looks random and is the same each time.
fn dice(throw: u64) -> u64 {
    let mut x = throw.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A desk with a workflow published, and the address of its registry.
fn harbour(desk: &Desk, address: &str) -> String {
    desk.key("publisher");
    let publish = |name: &str, bytes: Vec<u8>| {
        let (file, reference) = (format!("{name}.wasm"), format!("{address}/team/{name}:1.0.0"));
        desk.write(&file, bytes);
        desk.document(&["publish", &file, &reference, "--key", "publisher.key"])
    };
    let ledger = Manifest::from_toml(LEDGER, "longshore.toml").unwrap();
    let ledger = longshore_build::wrap(&guest("ledger"), &ledger).unwrap();
    let made = publish("ledger", ledger);
    let digest: Digest = made["manifest"].as_str().unwrap().parse().unwrap();
    let mut flow = Manifest::from_toml(FLOW, "longshore.toml").unwrap();
    flow.dependencies[0].pinned = Some(Pin { version: "1.0.0".parse().unwrap(), digest });
    publish("flow", longshore_build::wrap(&guest("flow"), &flow).unwrap());
    std::fs::create_dir_all(desk.at("outside")).unwrap();
    format!("{address}/team/flow:1.0.0")
}

fn kill(mut child: Child, after_ms: u64) {
    std::thread::sleep(Duration::from_millis(after_ms));
    // One that has ended already was quicker.
    let _ = child.kill();
    let _ = child.wait();
}

/// The attempts that the ledger has for each key.
fn entered(desk: &Desk) -> BTreeMap<String, Vec<u64>> {
    let text = std::fs::read_to_string(desk.at("outside/entries")).unwrap_or_default();
    let mut entered = BTreeMap::<_, Vec<_>>::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (key, attempt) = (words.next().unwrap(), words.next().unwrap());
        entered.entry(key.to_owned()).or_default().push(attempt.parse().unwrap());
    }
    entered
}

/// Holds a run's journal against the ledger.
fn reconcile(desk: &Desk, run: &str, entered: &BTreeMap<String, Vec<u64>>) {
    let shown = desk.document(&["runs", "show", run]);
    let mut started = BTreeMap::<u64, Vec<u64>>::new();
    let mut ended = Vec::new();
    for entry in shown["entries"].as_array().unwrap() {
        let event = &entry["event"];
        if let Some(call) = event.get("call-started") {
            let (id, attempt) = (call["call"].as_u64().unwrap(), call["attempt"].as_u64().unwrap());
            assert!(!ended.contains(&id), "call {id} of {run} ran again after its end");
            let is_entry = call["function"].as_str().unwrap().ends_with("#enter");
            if is_entry {
                started.entry(id).or_default().push(attempt);
            }
        }
        if let Some(call) = event.get("call-ended") {
            ended.push(call["call"].as_u64().unwrap());
        }
    }
    assert_eq!(started.len(), 8, "{run}");
    // The third, fifth, … requests double what the entry before them gave.
    for (place, (_, attempts)) in started.iter().enumerate() {
        let key = format!("{run}/0.{}", 2 * place + 1);
        let lines = entered.get(&key).unwrap_or_else(|| panic!("`{key}` never happened"));
        let last = attempts.last().unwrap();
        assert!(lines.contains(last), "the attempt that ended is in the ledger: {key} {lines:?}");
        for attempt in lines {
            assert!(attempts.contains(attempt), "{key} has {lines:?}, the journal {attempts:?}");
            let times = lines.iter().filter(|other| *other == attempt).count();
            assert_eq!(times, 1, "attempt {attempt} of {key} ran twice");
        }
    }
}

#[test]
fn killed_at_any_moment_every_run_ends_and_no_step_runs_again_after_its_end() {
    let registry = embedded_registry();
    let desk = Desk::new();
    let flow = harbour(&desk, &registry.address().to_string());
    let outside = format!("dir=/ledger={}:rw", desk.at("outside").display());
    let input = r#"{"names": ["a", "b", "c", "d", "e", "f", "g", "h"]}"#;
    let run = [
        "run",
        &flow,
        "--function",
        "sequence",
        "--input",
        input,
        "--key",
        "publisher.pub",
        "--allow",
        &outside,
        "--allow",
        "clock",
    ];
    // Compiles, and shows how long a run takes that nobody kills.
    let began = std::time::Instant::now();
    assert_eq!(desk.does(&run).trim(), "16");
    let calm = u64::try_from(began.elapsed().as_millis()).unwrap();
    let mut throw = 0;
    for _ in 0..KILLS as usize / AT_ONCE {
        let children: Vec<_> = (0..AT_ONCE).map(|_| desk.start(&run)).collect();
        let killers: Vec<_> = children
            .into_iter()
            .map(|child| {
                throw += 1;
                let after = dice(throw) % (calm + calm / 2 + 50);
                std::thread::spawn(move || kill(child, after))
            })
            .collect();
        killers.into_iter().for_each(|killer| killer.join().unwrap());
    }
    let resume = ["runs", "resume", "--all", "--key", "publisher.pub"];
    for round in 0..2 {
        std::thread::sleep(LEASE);
        kill(desk.start(&resume), 100 + dice(1_000 + round) % (calm + 500));
    }
    std::thread::sleep(LEASE);
    desk.does(&resume);
    let listed = desk.document(&["runs", "list", "--limit", "1000"]);
    let runs: Vec<&Value> = listed["runs"].as_array().unwrap().iter().collect();
    assert!(runs.len() > 4, "most were killed before they began: {}", runs.len());
    let entered = entered(&desk);
    for row in runs {
        assert_eq!(row["state"], "ok", "{row:#}");
        let id = row["run"].as_str().unwrap();
        assert_eq!(desk.does(&["runs", "wait", id]).trim(), "16");
        reconcile(&desk, id, &entered);
    }
}

#[test]
fn a_run_is_told_things_from_another_process_and_goes_on_in_a_third() {
    let registry = embedded_registry();
    let desk = Desk::new();
    let flow = harbour(&desk, &registry.address().to_string());
    let outside = format!("dir=/ledger={}:rw", desk.at("outside").display());
    let common = ["--key", "publisher.pub", "--allow", &outside, "--allow", "clock"];
    let waiting =
        [&["run", &flow, "--function", "signals", "--input", "[2]"], &common[..]].concat();
    let child = desk.start(&waiting);
    let began = std::time::Instant::now();
    let run = loop {
        let listed = desk.document(&["runs", "list"]);
        if let Some(row) = listed["runs"].get(0).filter(|row| row["state"] == "waiting") {
            break row["run"].as_str().unwrap().to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(120), "it never waits: {listed:#}");
        std::thread::sleep(Duration::from_millis(50));
    };
    desk.does(&["runs", "signal", &run, "go", "1"]);
    let began = std::time::Instant::now();
    while entered(&desk).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(60), "the signal never arrives");
        std::thread::sleep(Duration::from_millis(50));
    }
    kill(child, 1_500);
    desk.does(&["runs", "signal", &run, "go", "\"two\""]);
    let resume = ["runs", "resume", &run, "--key", "publisher.pub"];
    let began = std::time::Instant::now();
    let resumed = loop {
        let said = desk.run(&resume);
        if said.status == Some(0) {
            break said.stdout;
        }
        assert!(said.stderr.contains("LS-JRN"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(60), "{said}");
        std::thread::sleep(Duration::from_millis(500));
    };
    assert_eq!(
        serde_json::from_str::<Value>(&resumed).unwrap(),
        serde_json::json!(["1", "\"two\""])
    );
    // It goes into one file, and comes out of it.
    desk.does(&["runs", "export", &run, "-o", "run.json"]);
    let replayed = desk.document(&["replay", "run.json"]);
    assert_eq!(replayed["verdict"]["same"], true, "{replayed:#}");
    let text = std::fs::read_to_string(desk.at("run.json")).unwrap();
    desk.write("edited.json", text.replace("\\\"two\\\"", "\\\"three\\\""));
    assert_ne!(desk.run(&["replay", "edited.json"]).status, Some(0));
    // And an approval, by who may.
    let asking = r#"{"approvers": ["ada"], "deadline-ms": null}"#;
    let ask = [&["run", &flow, "--function", "approval", "--input", asking], &common[..]].concat();
    let child = desk.start(&ask);
    let began = std::time::Instant::now();
    let run = loop {
        let listed = desk.document(&["runs", "list", "--state", "waiting"]);
        if let Some(row) = listed["runs"].get(0) {
            break row["run"].as_str().unwrap().to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it never asks");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(desk.does(&["runs", "approve", &run]).contains("Shall it go on?"));
    desk.refuses(4, "LS-HST-017", &["runs", "approve", &run, "yes", "--by", "bob"]);
    desk.does(&["runs", "approve", &run, "yes", "--by", "ada", "--comment", "fine"]);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "\"yes by ada: fine\"");
    assert_eq!(desk.does(&["runs", "wait", &run]).trim(), "\"yes by ada: fine\"");
}
