//! Runs that are listed, narrowed, kept and removed.

use serde_json::Value;

use crate::{home_with, json, longshore, stdout};

/// The runs that a list gives.
fn listed(home: &longshore_test_support::cli::Home, words: &str) -> Vec<String> {
    let document = json(&longshore(home, format!("runs list --json {words}").trim()));
    let runs = document["runs"].as_array().unwrap();
    runs.iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_are_narrowed_by_component_time_and_page() {
    let home = home_with(&["echo", "hog"]);
    stdout(&longshore(&home, "run echo.wasm -f to-u8 -i [1]"));
    assert!(!longshore(&home, "run hog.wasm -f sleep -i [1]").status.success());
    stdout(&longshore(&home, "run echo.wasm -f to-u8 -i [2]"));
    let all = listed(&home, "--limit 9");
    assert_eq!(all.len(), 3);
    assert_eq!(listed(&home, "--component echo.wasm"), [all[0].as_str(), &all[2]]);
    assert_eq!(listed(&home, "--component hog.wasm --state fault"), [all[1].as_str()]);
    assert_eq!(listed(&home, "--component ech"), [] as [&str; 0]);
    let shown = json(&longshore(&home, &format!("runs show {} --json", all[1])));
    let digest = shown["run"]["component"].as_str().unwrap();
    assert_eq!(listed(&home, &format!("--component {digest}")), [all[1].as_str()]);
    assert_eq!(listed(&home, &format!("--before {} --limit 1", all[0])), [all[1].as_str()]);
    assert_eq!(listed(&home, "--since 1h --until 2200-01-01"), all);
    assert_eq!(listed(&home, "--until 1h"), [] as [&str; 0]);
    for wrong in ["--since yesterday", "--component sha256:zz"] {
        let output = longshore(&home, &format!("runs list --json {wrong}"));
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        assert!(json(&output)["error"]["hint"].is_string());
    }
}

#[test]
fn what_is_old_is_named_archived_and_removed_and_its_receipt_stays() {
    let home = home_with(&["echo", "hog"]);
    for n in 0..3 {
        stdout(&longshore(&home, &format!("run echo.wasm -f to-u8 -i [{n}]")));
    }
    assert!(!longshore(&home, "run hog.wasm -f sleep -i [1]").status.success());
    let all = listed(&home, "");
    let none = longshore(&home, "runs prune --older-than 1d --yes");
    assert!(none.status.success() && listed(&home, "").len() == 4);
    // Without `--yes` it says what it would do.
    let named = longshore(&home, "runs prune --older-than 0s --outcome ok --archive kept");
    assert!(stdout(&named).contains(&all[1]) && !stdout(&named).contains(&all[0]));
    let talk = String::from_utf8(named.stderr.clone()).unwrap();
    assert!(talk.contains("3 runs would be removed"), "{talk}");
    assert_eq!(listed(&home, "").len(), 4);
    assert!(!home.work().join("kept").exists());

    let words = "runs prune --older-than 0s --outcome ok --archive kept --yes --json";
    let done = json(&longshore(&home, words));
    assert_eq!(done["removed"].as_array().unwrap().len(), 3);
    assert_eq!(listed(&home, ""), [all[0].as_str()]);
    let gone = longshore(&home, &format!("runs show {} --json", all[1]));
    assert_eq!(gone.status.code(), Some(2));
    // The archive holds every entry as it was hashed, and the receipt that names the last hash.
    let text = std::fs::read_to_string(home.work().join(format!("kept/{}.jsonl", all[1]))).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["run"]["entries"]), (6, &Value::from(4)));
    assert_eq!(lines[4]["hash"], lines[0]["run"]["head"]);
    let last: Value = serde_json::from_str(lines[4]["entry"].as_str().unwrap()).unwrap();
    assert_eq!(last["event"]["run-ended"]["outcome"]["ok"], 2);
    // The chain of receipts goes on, and what was sealed can still be checked.
    let exported = stdout(&longshore(&home, &format!("receipt export {}", all[0])));
    assert!(exported.contains("payload"));
    stdout(&longshore(&home, "run echo.wasm -f to-u8 -i [9]"));
    let proof = json(&longshore(&home, "receipt verify last --json"));
    assert_eq!(proof["valid"], true);
    let show = json(&longshore(&home, "receipt show last --json"));
    assert!(show["predicate"]["previous"].is_string());
    std::fs::write(home.work().join("old.json"), lines[5]["receipt"].as_str().unwrap()).unwrap();
    let proof = json(&longshore(&home, "receipt verify old.json --json"));
    assert_eq!(proof["valid"], true, "{proof}");
    for wrong in ["--older-than soon", "--older-than 1d --outcome open", ""] {
        let output = longshore(&home, format!("runs prune --yes {wrong}").trim());
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}
