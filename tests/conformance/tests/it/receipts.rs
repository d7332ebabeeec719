//! Receipts of real runs, checked by the independent verifier in Python, which shares no code with
//! Longshore.

use std::path::PathBuf;

use longshore_test_support::{servers, tools, workspace};

use crate::artifacts::echo;
use crate::desk::{Desk, Said};
use crate::foreign::on;

fn python(desk: &Desk, program: &PathBuf, arguments: &[&str]) -> Said {
    let script = workspace().join("tests/verify_receipt.py");
    Said::of(on(desk, program).arg(script).args(arguments).output().unwrap())
}

/// A desk with a run of a signed component from a registry, its receipt in `receipt.json` and the
/// key in `receipt.pub`.
fn ran() -> Desk {
    let (desk, registry) = (Desk::new(), servers::embedded_registry());
    desk.write("echo.wasm", echo());
    desk.key("publisher");
    let reference = format!("{}/team/echo:1.0.0", registry.address());
    desk.does(&["publish", "echo.wasm", &reference, "--key", "publisher.key"]);
    let run = ["run", &reference, "--key", "publisher.pub", "-f", "join"];
    let input = ["--input", r#"["a","b"]"#, "--receipt", "beside.json"];
    assert_eq!(desk.does(&[&run[..], &input].concat()), "\"ab\"\n");
    desk.does(&["receipt", "export", "last", "-o", "receipt.json"]);
    desk.does(&["receipt", "public-key", "-o", "receipt.pub"]);
    desk
}

#[test]
fn the_independent_verifier_accepts_the_receipt_of_a_real_run() {
    let Some(program) = tools::find("python3") else { return };
    let desk = ran();
    for receipt in ["receipt.json", "beside.json"] {
        let good = python(&desk, &program, &[receipt, "receipt.pub"]);
        assert_eq!(good.status, Some(0), "{good}");
        let run = desk.runs()[0]["run"].as_str().unwrap().to_owned();
        for word in [&run, "outcome    ok", "team/echo", "signer", "verified"] {
            assert!(good.stdout.contains(word), "{word}: {good}");
        }
    }
    let ours = ["receipt", "verify", "receipt.json", "--key", "receipt.pub"];
    assert_eq!(desk.document(&ours)["valid"], true);
}

#[test]
fn both_verifiers_refuse_a_changed_receipt_and_another_key() {
    let Some(program) = tools::find("python3") else { return };
    let desk = ran();
    desk.key("stranger");
    let refused = |receipt: &str, key: &str| {
        let theirs = python(&desk, &program, &[receipt, key]);
        let ours = desk.run(&["receipt", "verify", receipt, "--key", key]);
        assert_eq!((theirs.status, ours.status), (Some(1), Some(3)), "{theirs}\n{ours}");
        assert_eq!(ours.stdout, "", "{ours}");
        assert!(ours.stderr.starts_with("error[LS-"), "{ours}");
    };
    refused("receipt.json", "stranger.pub");
    let whole = std::fs::read(desk.at("receipt.json")).unwrap();
    // In the envelope's head, the payload, and the signature: wherever a byte is another one.
    for at in [1, whole.len() / 4, whole.len() / 2, whole.len() - 40] {
        let mut changed = whole.clone();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        desk.write("changed.json", changed);
        refused("changed.json", "receipt.pub");
    }
    desk.write("changed.json", &whole[..whole.len() - 1]);
    refused("changed.json", "receipt.pub");
}

#[test]
fn the_independent_verifier_recomputes_the_head_of_the_journal() {
    let Some(program) = tools::find("python3") else { return };
    let desk = ran();
    let shown = desk.document(&["receipt", "show", "receipt.json"]);
    let entries = shown["predicate"]["journal"]["entries"].as_u64().unwrap();
    let history = desk.document(&["runs", "show", "last"]);
    assert_eq!(history["entries"].as_array().unwrap().len() as u64, entries);
    assert_eq!(history["run"]["head"], shown["predicate"]["journal"]["head"]);
    // The verifier refuses a journal that is not the one that was sealed.
    desk.write("journal.json", "[]");
    let other = python(&desk, &program, &["receipt.json", "receipt.pub", "journal.json"]);
    assert_eq!(other.status, Some(1), "{other}");
    assert!(other.stderr.contains("journal"), "{other}");
}
