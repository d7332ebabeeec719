//! Several hosts on one PostgreSQL: each a home of its own, all with one journal.

use std::time::{Duration, Instant};

use longshore_test_support::postgres::{self, PASSWORD, Postgres};

use crate::artifacts::{answer, guest};
use crate::desk::{Desk, Said};

/// A host on the database at `address`.
fn host(address: &str) -> Desk {
    let mut desk = Desk::new();
    desk.set("LONGSHORE_STORE", address);
    desk.write("answer.wasm", answer());
    desk
}

#[test]
fn two_hosts_with_one_journal_see_each_others_runs_in_one_chain_of_receipts() {
    let Some(server) = postgres::shared() else { return };
    let address = server.database();
    let hosts = [host(&address), host(&address)];
    for desk in hosts.iter().chain(&hosts) {
        assert_eq!(desk.does(&["run", "answer.wasm"]), "42\n");
        assert_eq!(desk.document(&["receipt", "verify", "last"])["valid"], true);
    }
    let [first, second] = hosts.each_ref().map(Desk::runs);
    assert_eq!((first.len(), &first), (4, &second));
    assert!(!hosts[0].state().join("journal.db").exists());
    let mut previous: Vec<_> = first
        .iter()
        .map(|run| hosts[1].document(&["receipt", "show", run["run"].as_str().unwrap()]))
        .map(|shown| shown["predicate"]["previous"].to_string())
        .collect();
    previous.sort_unstable();
    previous.dedup();
    assert_eq!(previous.len(), 4, "{previous:?}");
    let prune = ["runs", "prune", "--older-than", "0s"];
    hosts[0].does(&prune);
    assert_eq!(hosts[1].runs().len(), 4);
    hosts[0].does(&[prune.as_slice(), &["--yes"]].concat());
    assert_eq!(hosts[1].runs().len(), 0);
}

#[test]
fn nothing_says_the_password_of_the_store() {
    let Some(server) = postgres::shared() else { return };
    let address = server.database();
    let desk = host(&address);
    let doctor = desk.run(&["doctor"]);
    assert_eq!(doctor.status, Some(0), "{doctor}");
    assert!(doctor.stdout.contains("postgres://captain@127.0.0.1:"), "{doctor}");
    let wrong = host(&address.replace(PASSWORD, "hunter2"));
    let nonsense = host("mysql://longshore:hunter2@127.0.0.1/x");
    let closed = host("postgres://longshore:hunter2@127.0.0.1:1/x?hunter2=1");
    let mut said = vec![doctor];
    for (desk, status, code) in
        [(&wrong, 7, "LS-JRN-029"), (&nonsense, 2, "LS-CFG-004"), (&closed, 7, "LS-JRN-025")]
    {
        for command in [["runs", "list"], ["run", "answer.wasm"]] {
            desk.refuses(status, code, &command);
            said.push(desk.run(&command));
        }
        said.push(desk.run(&["doctor"]));
    }
    for said in said {
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(!text.contains("hunter2") && !text.contains(PASSWORD), "{text}");
    }
}

fn signal(name: &str, process: u32) {
    let sent = std::process::Command::new("kill").args([name, &process.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Waits until the only run stands so, seen from `desk`.
fn wait_for(desk: &Desk, state: &str) -> String {
    let began = Instant::now();
    loop {
        let runs = desk.runs();
        if let Some(run) = runs.first().filter(|run| run["state"] == state) {
            return run["run"].as_str().unwrap().to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "never `{state}`: {runs:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Takes the only run, as a third host does that lets go of it again.
fn take(server: &Postgres, address: &str) {
    let database = address.rsplit('/').next().unwrap();
    let taken = "UPDATE longshore.runs SET fence = fence + 1, host = NULL, held_until = NULL
                 WHERE held_until < extract(epoch FROM now()) * 1000000 RETURNING fence";
    assert_eq!(server.sql(database, taken), "2");
}

#[test]
fn a_host_that_is_paused_past_its_lease_is_refused_when_it_wakes() {
    let Some(server) = postgres::shared() else { return };
    let address = server.database();
    let (paused, other) = (host(&address), host(&address));
    paused.write("hog.wasm", guest("hog"));
    let sleep = [
        "run", "hog.wasm", "-f", "sleep", "-i", "[6000]", "--allow", "clock", "--allow", "random",
        "--json",
    ];
    let child = paused.start(&sleep);
    let run = wait_for(&other, "open");
    signal("-STOP", child.id());
    assert_eq!(wait_for(&other, "interrupted"), run);
    take(server, &address);
    let before = other.runs();
    signal("-CONT", child.id());
    let said = Said::of(child.wait_with_output().unwrap());
    assert_eq!(said.status, Some(7), "{said}");
    assert!(said.stdout.contains("LS-JRN-030"), "{said}");
    // It added nothing, and sealed nothing.
    assert_eq!(other.runs(), before);
    other.refuses(2, "LS-CLI-006", &["receipt", "show", &run]);
}
