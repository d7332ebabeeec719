//! The binary moves runs from one version of their workflow to another, and follows those that go on as new ones.

use std::time::Duration;

use longshore_reference::{Digest, Manifest, Pin};
use longshore_test_support::servers::embedded_registry;
use serde_json::{Value, json};

use crate::artifacts::guest;
use crate::desk::Desk;

const LEDGER: &str = r#"
[package]
name = "ledger"
version = "1.0.0"
kind = "action"
[[capabilities.dir]]
path = "/ledger"
access = "rw"
reason = "to be counted"
[capabilities.clock]
reason = "to take its time"
"#;

const STEPS: &str = "[package]\nname = \"steps\"\nversion = \"1.0.0\"\nkind = \"action\"\n";

const FLOW: &str = r#"
[package]
name = "flow"
version = "1.0.0"
kind = "workflow"
[dependencies]
"fixtures:ledger/ledger@0.1.0" = { reference = "team/ledger", version = "^1.0" }
"#;

const TALLY: &str = r#"
[package]
name = "tally"
version = "1.0.0"
kind = "workflow"
[dependencies]
"fixtures:ledger/ledger@0.1.0" = { reference = "team/ledger", version = "^1.0" }
"fixtures:steps/steps@0.1.0" = { reference = "team/steps", version = "^1.0" }
"#;

/// A desk and a registry with what is published in it.
struct Harbour {
    desk: Desk,
    address: String,
    allowed: Vec<String>,
}

impl Harbour {
    fn new(address: String) -> Self {
        let desk = Desk::new();
        desk.key("publisher");
        std::fs::create_dir_all(desk.at("outside")).unwrap();
        let outside = format!("dir=/ledger={}:rw", desk.at("outside").display());
        let words = ["--key", "publisher.pub", "--allow", &outside, "--allow", "clock"];
        Self { address, allowed: words.map(str::to_owned).to_vec(), desk }
    }

    fn publish(&self, component: &str, version: &str, toml: &str, pins: &[Digest]) -> Digest {
        let mut manifest = Manifest::from_toml(toml, "longshore.toml").unwrap();
        manifest.package.version = version.parse().unwrap();
        for (dependency, digest) in manifest.dependencies.iter_mut().zip(pins) {
            dependency.pinned = Some(Pin { version: "1.0.0".parse().unwrap(), digest: *digest });
        }
        let bytes = longshore_build::wrap(&guest(component), &manifest).unwrap();
        let file = format!("{component}-{version}.wasm");
        self.desk.write(&file, bytes);
        let place = self.place(component, version);
        let made = self.desk.document(&["publish", &file, &place, "--key", "publisher.key"]);
        made["manifest"].as_str().unwrap().parse().unwrap()
    }

    fn place(&self, component: &str, version: &str) -> String {
        format!("{}/team/{component}:{version}", self.address)
    }

    fn run<'a>(&'a self, place: &'a str, function: &'a str, input: &'a str) -> Vec<&'a str> {
        let words = ["run", place, "--function", function, "--input", input];
        words.into_iter().chain(self.allowed.iter().map(String::as_str)).collect()
    }
}

#[test]
fn a_run_that_waits_is_moved_to_another_version_and_goes_on_with_it() {
    let registry = embedded_registry();
    let harbour = Harbour::new(registry.address().to_string());
    let desk = &harbour.desk;
    let ledger = harbour.publish("ledger", "1.0.0", LEDGER, &[]);
    harbour.publish("flow", "1.0.0", FLOW, &[ledger]);
    harbour.publish("flow", "1.1.0", FLOW, &[ledger]);
    let (old, new) = (harbour.place("flow", "1.0.0"), harbour.place("flow", "1.1.0"));
    let mut child = desk.start(&harbour.run(&old, "signals", "[1]"));
    let began = std::time::Instant::now();
    let run = loop {
        let listed = desk.document(&["runs", "list", "--state", "waiting"]);
        if let Some(row) = listed["runs"].get(0) {
            break row["run"].as_str().unwrap().to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(120), "it never waits: {listed:#}");
        std::thread::sleep(Duration::from_millis(50));
    };
    child.kill().unwrap();
    child.wait().unwrap();
    let to = |target: &str| {
        let words = ["runs", "move", &run, "--to", target, "--key", "publisher.pub"];
        words.map(str::to_owned).to_vec()
    };
    // What is no other version of it is told apart, and the run stays where it is.
    let words = to(&harbour.place("ledger", "1.0.0"));
    desk.refuses(6, "LS-RUN-022", &words.iter().map(String::as_str).collect::<Vec<_>>());
    let words = to(&old);
    desk.refuses(6, "LS-RUN-022", &words.iter().map(String::as_str).collect::<Vec<_>>());
    let words = to(&new);
    let moved = desk.document(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(moved["run"], json!(run));
    assert_ne!(moved["from"], moved["to"]);
    desk.does(&["runs", "signal", &run, "go", "1"]);
    let went = desk.does(&["runs", "resume", &run, "--key", "publisher.pub"]);
    assert_eq!(serde_json::from_str::<Value>(&went).unwrap(), json!(["1"]));
    let shown = desk.does(&["runs", "show", &run]);
    assert!(shown.contains("run moved to") && shown.contains("flow:1.1.0"), "{shown}");
    let receipt = desk.document(&["receipt", "show", &run]);
    assert!(receipt.to_string().contains("flow:1.1.0"), "{receipt:#}");
}

#[test]
fn a_run_that_goes_on_as_new_ones_is_waited_for_by_the_name_of_its_first() {
    let registry = embedded_registry();
    let harbour = Harbour::new(registry.address().to_string());
    let desk = &harbour.desk;
    let ledger = harbour.publish("ledger", "1.0.0", LEDGER, &[]);
    let steps = harbour.publish("steps", "1.0.0", STEPS, &[]);
    harbour.publish("tally", "1.0.0", TALLY, &[ledger, steps]);
    let place = harbour.place("tally", "1.0.0");
    let said = desk.does(&harbour.run(&place, "rounds", "[2, 0]"));
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), json!([6, 2]));
    let listed = desk.document(&["runs", "list", "--state", "continued"]);
    let runs = listed["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2, "{listed:#}");
    // Newest first: the last of them is the first of the line.
    let first = runs[1]["run"].as_str().unwrap();
    let waited = desk.does(&["runs", "wait", first]);
    assert_eq!(serde_json::from_str::<Value>(&waited).unwrap(), json!([6, 2]));
    let shown = desk.does(&["runs", "show", first]);
    assert!(shown.contains("goes on as") && shown.contains("pure"), "{shown}");
    let last = desk.does(&["runs", "show", "last"]);
    assert!(last.contains("continues") && last.contains(first), "{last}");
}
