//! Components from files: run, refused, stopped, inspected, listed, proved.

use std::path::Path;
use std::process::Command;

use longshore_test_support::tools;

use crate::{home_with, json, longshore, run, seen, stdout};

#[test]
fn a_function_runs_and_its_run_can_be_listed_shown_and_proved() {
    let home = home_with(&["echo"]);
    seen!("run-ok", &home, r#"run echo.wasm -f join -i ["a","b"]"#);
    seen!("runs-list", &home, "runs list");
    seen!("runs-show", &home, "runs show last");
    seen!("receipt-show", &home, "receipt show last");
    seen!("receipt-verify", &home, "receipt verify last");
    let report = longshore(&home, r#"run echo.wasm -f to-u64 -i [18446744073709551615] --json"#);
    let document = json(&report);
    // Exact to the last digit: the text, not a float that was read from it.
    assert_eq!(document["outcome"]["ok"].as_u64(), Some(u64::MAX), "{document}");
    for field in ["run", "usage", "journal", "receipt"] {
        assert!(!document[field].is_null(), "{document}");
    }
    let show =
        json(&longshore(&home, &format!("runs show {} --json", document["run"].as_str().unwrap())));
    assert_eq!(show["receipt"]["digest"], document["receipt"]["digest"]);
    assert_eq!(show["run"]["head"], document["journal"]);
    assert_eq!(show["entries"].as_array().unwrap().len(), 4);
}

#[test]
fn input_comes_from_an_argument_a_file_or_standard_input() {
    let home = home_with(&["echo"]);
    let input = r#"{"right": "b", "left": "a"}"#;
    std::fs::write(home.work().join("in.json"), input).unwrap();
    assert_eq!(stdout(&longshore(&home, "run echo.wasm -f join -i @in.json")), r#""ab""#);
    let words = ["run", "echo.wasm", "-f", "join", "-i", "-"];
    assert_eq!(stdout(&run(home.longshore().args(words), input)), r#""ab""#);
}

#[test]
fn a_refusal_names_what_is_missing_and_how_to_allow_it() {
    let home = home_with(&["hog"]);
    seen!("refused", &home, "run hog.wasm -f sleep -i [1]");
    seen!("refused-dry", &home, "run hog.wasm -f sleep -i [1] --dry-run");
    let output = longshore(&home, "run hog.wasm -f sleep -i [1] --json");
    let document = json(&output);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(document["error"]["code"], "LS-POL-010");
    assert_eq!(document["error"]["denials"][0]["asked"], "clock");
    // Refused, and sealed.
    let run = document["run"].as_str().unwrap();
    assert!(longshore(&home, &format!("receipt verify {run}")).status.success());
    let denials = json(&longshore(&home, &format!("runs show {run} --json")))["entries"][1].clone();
    assert_eq!(denials["event"]["denied"]["capability"], "clock");
}

#[test]
fn a_dry_run_decides_and_runs_and_journals_nothing() {
    let home = home_with(&["hog"]);
    seen!("dry-run", &home, "run hog.wasm -f trap --allow clock --dry-run");
    let runs = json(&longshore(&home, "runs list --json"));
    assert_eq!(runs["runs"].as_array().unwrap().len(), 0);
    assert!(!home.longshore_home().join("journal.db").exists());
}

#[test]
fn a_guest_that_is_stopped_or_fails_ends_with_the_status_of_its_class() {
    let home = home_with(&["hog", "echo"]);
    seen!("fault-trap", &home, "run hog.wasm --allow clock -f trap");
    let output = longshore(&home, "run hog.wasm --allow clock -f print -i [2000000] --json");
    assert_eq!(output.status.code(), Some(6));
    assert_eq!(json(&output)["outcome"]["fault"]["limit"], "stdout-bytes");
    let exit = longshore(&home, "run hog.wasm --allow clock -f exit --json");
    assert_eq!(exit.status.code(), Some(1));
    assert_eq!(json(&exit)["outcome"]["fault"]["code"], "LS-RUN-009");
    seen!("failed", &home, r#"run echo.wasm -f to-result -i [{"err":"no"}]"#);
    let list = json(&longshore(&home, "runs list --state fault --json"));
    assert_eq!(list["runs"].as_array().unwrap().len(), 3);
}

#[test]
fn what_a_function_prints_goes_to_standard_error() {
    let home = home_with(&["hog"]);
    let output = longshore(&home, "run hog.wasm --allow clock -f print -i [3]");
    assert_eq!(stdout(&output), "null");
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("ooo\n"), "{output:?}");
}

#[test]
fn events_are_the_journal_as_lines_on_standard_error() {
    let home = home_with(&["echo"]);
    let output = longshore(&home, r#"run echo.wasm -f join -i ["a","b"] --events --json"#);
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = lines
        .iter()
        .map(|line| line["event"].as_object().unwrap().keys().next().unwrap().as_str())
        .collect();
    assert_eq!(kinds, ["run-started", "call-started", "call-ended", "run-ended"]);
    assert_eq!(json(&output)["outcome"]["ok"], "ab");
}

#[test]
fn inspecting_explains_every_import_and_types_every_export() {
    let home = home_with(&["echo", "hog"]);
    seen!("inspect", &home, "inspect hog.wasm");
    let schema = json(&longshore(&home, "inspect echo.wasm --schema join"));
    assert_eq!(schema["input"]["required"], serde_json::json!(["left", "right"]));
    assert_eq!(schema["output"]["type"], "string");
    let all = json(&longshore(&home, "inspect echo.wasm --schema"));
    assert_eq!(all.as_array().unwrap().len(), 25);
    let wit = stdout(&longshore(&home, "inspect echo.wasm --wit"));
    assert!(wit.contains("join: func(left: string, right: string) -> string"), "{wit}");
    let document = json(&longshore(&home, "inspect hog.wasm --json"));
    let clock = document["imports"].as_array().unwrap().iter();
    let clock = clock.filter(|i| i["name"].as_str().unwrap().starts_with("wasi:clocks/"));
    assert!(clock.clone().count() > 0);
    assert!(clock.clone().all(|import| import["explained-by"] == "operator"), "{document}");
}

#[test]
fn a_receipt_is_checked_anywhere_with_the_public_key_alone() {
    let home = home_with(&["echo"]);
    let ran = longshore(&home, r#"run echo.wasm -f join -i ["a","b"] --receipt r.json --json"#);
    assert_eq!(json(&ran)["receipt"]["path"], "r.json");
    longshore(&home, "receipt export last -o exported.json");
    let read = |name: &str| std::fs::read(home.work().join(name)).unwrap();
    assert_eq!(read("r.json"), read("exported.json"));
    longshore(&home, "receipt public-key -o r.pub");
    std::fs::remove_dir_all(home.longshore_home()).unwrap();
    let verified = longshore(&home, "receipt verify r.json --key r.pub --json");
    assert_eq!(json(&verified)["valid"], true);
    assert!(!home.longshore_home().exists(), "it needs no state");
    // An independent reader agrees.
    if let Some(python) = tools::find("python3") {
        let script = longshore_test_support::workspace().join("tests/verify_receipt.py");
        independent(&python, &script, &home.work());
    }
    let mut bytes = read("r.json");
    let at = bytes.windows(9).position(|w| w == b"\"payload\"").unwrap() + 20;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    std::fs::write(home.work().join("r.json"), bytes).unwrap();
    seen!("receipt-tampered", &home, "receipt verify r.json --key r.pub");
}

fn independent(python: &Path, script: &Path, work: &Path) {
    let import = Command::new(python).args(["-c", "import cryptography"]).output().unwrap();
    if !import.status.success() {
        tools::skip("Python has no `cryptography`");
        return;
    }
    let mut command = Command::new(python);
    let output = command.arg(script).args(["r.json", "r.pub"]).current_dir(work).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
