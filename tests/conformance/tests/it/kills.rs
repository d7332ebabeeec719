//! Sixty-four runs at once make effects at a ledger that another process keeps, while the processes that carry them are killed at
//! random moments; then the ledger is reconciled with the journal. `just kills` kills five hundred times.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Child;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use longshore_reference::{Digest, Manifest, Pin};
use longshore_test_support::http::StaticSite;
use longshore_test_support::servers::embedded_registry;
use serde_json::Value;

use crate::artifacts::guest;
use crate::desk::Desk;

const REMOTE: &str = r#"
[package]
name = "remote"
version = "1.0.0"
kind = "action"
[capabilities.clock]
reason = "to take its time"
[capabilities.random]
reason = "the standard library imports it"
optional = true
[[capabilities.http]]
scope = "http://*"
reason = "to be counted"
[settings.url]
type = "string"
required = true
"#;

const FLOW: &str = r#"
[package]
name = "flow"
version = "1.0.0"
kind = "workflow"
[dependencies]
"fixtures:ledger/ledger@0.1.0" = { reference = "team/remote", version = "^1.0" }
"#;

/// How many runs are under way at once.
const AT_ONCE: usize = 64;
/// How many times a process is killed, where `LONGSHORE_KILLS` does not say.
const KILLS: usize = 60;
/// Longer than a lease.
const LEASE: Duration = Duration::from_secs(11);
/// What a run does: so many steps at the ledger.
const STEPS: usize = 8;
const INPUT: &str = r#"{"names": ["a", "b", "c", "d", "e", "f", "g", "h"]}"#;

/// A number that looks random and is the same each time.
fn dice(throw: u64) -> u64 {
    let mut x = throw.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

struct Yard {
    desk: Desk,
    ledger: StaticSite,
    flow: String,
}

impl Yard {
    fn new(address: &str) -> Self {
        let desk = Desk::new();
        desk.key("publisher");
        let publish = |name: &str, bytes: Vec<u8>| {
            let (file, reference) =
                (format!("{name}.wasm"), format!("{address}/team/{name}:1.0.0"));
            desk.write(&file, bytes);
            desk.document(&["publish", &file, &reference, "--key", "publisher.key"])
        };
        let remote = Manifest::from_toml(REMOTE, "longshore.toml").unwrap();
        let made = publish("remote", longshore_build::wrap(&guest("remote"), &remote).unwrap());
        let digest: Digest = made["manifest"].as_str().unwrap().parse().unwrap();
        let mut flow = Manifest::from_toml(FLOW, "longshore.toml").unwrap();
        flow.dependencies[0].pinned = Some(Pin { version: "1.0.0".parse().unwrap(), digest });
        publish("flow", longshore_build::wrap(&guest("flow"), &flow).unwrap());
        let ledger = StaticSite::of([("/enter", "entered")]);
        Self { desk, ledger, flow: format!("{address}/team/flow:1.0.0") }
    }

    fn command(&self, run: Option<&str>) -> Vec<String> {
        let words: Vec<String> = match run {
            Some(run) => {
                ["runs", "resume", run, "--key", "publisher.pub"].map(str::to_owned).into()
            }
            None => {
                let allowed = format!("http=http://{}", self.ledger.address());
                let url =
                    format!("fixtures:ledger/ledger@0.1.0::url={}", self.ledger.url("/enter"));
                [
                    "run",
                    &self.flow,
                    "--function",
                    "sequence",
                    "--input",
                    INPUT,
                    "--key",
                    "publisher.pub",
                    "--allow",
                    "clock",
                    "--allow",
                    &allowed,
                    "--set",
                    &url,
                ]
                .map(str::to_owned)
                .into()
            }
        };
        words
    }

    fn start(&self, run: Option<&str>) -> Child {
        let words = self.command(run);
        self.desk.start(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The rows of all runs.
    fn rows(&self) -> Vec<Value> {
        let listed = self.desk.document(&["runs", "list", "--limit", "10000"]);
        listed["runs"].as_array().unwrap().clone()
    }

    /// The ids of the runs that did not end.
    fn unfinished(&self) -> Vec<String> {
        let rows = self.rows();
        let open = rows.iter().filter(|row| row["state"] != "ok");
        open.map(|row| row["run"].as_str().unwrap().to_owned()).collect()
    }

    /// The attempts that the ledger has for each key.
    fn entered(&self) -> BTreeMap<String, Vec<u64>> {
        let mut entered = BTreeMap::<_, Vec<_>>::new();
        for request in self.ledger.requests() {
            let key = request.headers.iter().find(|(name, _)| name == "idempotency-key");
            let attempt = request.target.rsplit('=').next().unwrap().parse().unwrap();
            entered.entry(key.unwrap().1.clone()).or_default().push(attempt);
        }
        entered
    }
}

/// Kills it at a moment of its own within `span` from now; whether it was alive then.
fn killer(mut child: Child, span: Duration, throw: u64) -> JoinHandle<bool> {
    let most = u64::try_from(span.as_millis()).unwrap().max(1);
    let after = Duration::from_millis(dice(throw) % most);
    std::thread::spawn(move || {
        std::thread::sleep(after);
        let alive = child.try_wait().unwrap().is_none();
        let _ = child.kill();
        let _ = child.wait();
        alive
    })
}

/// Holds a run's journal against the ledger: each key at least once, no attempt that the journal does not have, and none after
/// the one whose result it has.
fn reconcile(desk: &Desk, run: &str, entered: &BTreeMap<String, Vec<u64>>) {
    let shown = desk.document(&["runs", "show", run]);
    let mut started = BTreeMap::<u64, Vec<u64>>::new();
    let mut ended = Vec::new();
    for entry in shown["entries"].as_array().unwrap() {
        let event = &entry["event"];
        if let Some(call) = event.get("call-started") {
            let (id, attempt) = (call["call"].as_u64().unwrap(), call["attempt"].as_u64().unwrap());
            assert!(!ended.contains(&id), "call {id} of {run} ran again after its end");
            if call["function"].as_str().unwrap().ends_with("#enter") {
                started.entry(id).or_default().push(attempt);
            }
        }
        if let Some(call) = event.get("call-ended") {
            ended.push(call["call"].as_u64().unwrap());
        }
    }
    assert_eq!(started.len(), STEPS, "{run}");
    // Every second request doubles what the one before it gave.
    for (place, (_, attempts)) in started.iter().enumerate() {
        let key = format!("{run}/0.{}", 2 * place + 1);
        let entries = entered.get(&key).unwrap_or_else(|| panic!("`{key}` never happened"));
        let last = attempts.last().unwrap();
        assert!(entries.contains(last), "the attempt that ended happened: {key} {entries:?}");
        for attempt in entries {
            assert!(attempts.contains(attempt), "{key} has {entries:?}, the journal {attempts:?}");
            let times = entries.iter().filter(|other| *other == attempt).count();
            assert_eq!(times, 1, "attempt {attempt} of {key} happened twice");
        }
    }
}

#[test]
fn killed_while_sixty_four_runs_make_effects_outside_the_ledger_and_the_journals_agree() {
    let kills = std::env::var("LONGSHORE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let registry = embedded_registry();
    let yard = Yard::new(&registry.address().to_string());
    // Compiles everything, and shows how long it takes when nobody is killed.
    let words = yard.command(None);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(yard.desk.does(&words).trim(), "16");
    let began = Instant::now();
    let calm: Vec<Child> = (0..AT_ONCE).map(|_| yard.start(None)).collect();
    for child in calm {
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "16", "{output:?}");
    }
    let span = began.elapsed();
    let (mut killed, mut throw, mut rounds) = (0, 0, 0);
    while killed < kills {
        let open = yard.unfinished();
        let again = open.iter().take(AT_ONCE).map(|run| Some(run.as_str()));
        let new = std::iter::repeat_n(None, AT_ONCE.saturating_sub(open.len()));
        let killers: Vec<_> = again
            .chain(new)
            .map(|run| {
                throw += 1;
                killer(yard.start(run), span, throw)
            })
            .collect();
        killed +=
            killers.into_iter().map(|killer| usize::from(killer.join().unwrap())).sum::<usize>();
        rounds += 1;
        std::thread::sleep(LEASE);
    }
    let began = Instant::now();
    while !yard.unfinished().is_empty() {
        let said = yard.desk.run(&["runs", "resume", "--all", "--key", "publisher.pub"]);
        assert!(began.elapsed() < Duration::from_secs(300), "they do not end: {said}");
    }
    let (rows, entered) = (yard.rows(), yard.entered());
    for row in &rows {
        let run = row["run"].as_str().unwrap();
        assert_eq!(yard.desk.does(&["runs", "wait", run]).trim(), "16", "{row:#}");
        reconcile(&yard.desk, run, &entered);
    }
    // Nothing happened that no run knows of.
    let known = |key: &String| rows.iter().any(|row| key.starts_with(row["run"].as_str().unwrap()));
    assert!(entered.keys().all(known));
    let effects: usize = entered.values().map(Vec::len).sum();
    let again = effects - entered.len();
    writeln!(
        std::io::stderr(),
        "{killed} kills in {rounds} rounds; {} runs, {} steps, {again} attempts made again",
        rows.len(),
        entered.len()
    )
    .unwrap();
}
