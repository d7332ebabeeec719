//! What a version asks for beyond another, who accepted it, and what is held until somebody does.

use longshore_test_support::cli::Home;

use crate::{guest, json, longshore, seen, stdout};

/// A project folder that wraps the guest `hog` and asks for `requests`.
fn project(home: &Home, folder: &str, version: &str, requests: &str) {
    let folder = home.work().join(folder);
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(guest("hog"), folder.join("built.wasm")).unwrap();
    let manifest = format!(
        "[package]\nname = \"hog\"\nversion = \"{version}\"\nkind = \"action\"\n{requests}\
         [build]\ncommand = [\"true\"]\ncomponent = \"built.wasm\"\n"
    );
    std::fs::write(folder.join("longshore.toml"), manifest).unwrap();
}

const CLOCK: &str = "[capabilities.clock]\nreason = \"to sleep\"\n";
const MORE: &str = "[[capabilities.http]]\nscope = \"GET https://api.example.com/v1\"\n\
                    reason = \"asks for the weather\"\n";

#[test]
fn a_version_that_asks_for_more_than_was_approved_is_held_until_it_is_approved_too() {
    let home = Home::new();
    project(&home, "one", "1.0.0", CLOCK);
    project(&home, "two", "2.0.0", &format!("{CLOCK}{MORE}[limits]\ncalls = 5\n"));
    let run = |folder: &str| {
        let flags = "--allow clock --allow http=https://api.example.com";
        longshore(&home, &format!("run {folder} -f sleep -i [1] {flags}"))
    };

    assert!(run("two").status.success(), "what nobody approved is not held");
    seen!("diff", &home, "diff one two");
    let changes = json(&longshore(&home, "diff one two --json"));
    assert_eq!(changes["widened"][0]["reason"], "asks for the weather", "{changes}");
    assert_eq!(longshore(&home, "diff one two --exit-code").status.code(), Some(4));
    assert_eq!(longshore(&home, "diff two one --exit-code").status.code(), Some(0));

    let unasked = longshore(&home, "approve one --by ada");
    assert_eq!(unasked.status.code(), Some(2), "nobody said yes");
    seen!("approve", &home, "approve one --by ada --note reviewed --yes");
    assert!(run("one").status.success());
    let held = run("two");
    assert_eq!(held.status.code(), Some(4));
    let error = String::from_utf8_lossy(&held.stderr).into_owned();
    assert!(error.contains("`ada` approved 1.0.0"), "{error}");
    assert!(error.contains("longshore approve"), "{error}");

    stdout(&longshore(&home, "approve two --by bob --yes"));
    assert!(run("two").status.success() && run("one").status.success());
    let all = json(&longshore(&home, "approvals list --json"))["approvals"].clone();
    assert_eq!((&all[0]["by"], &all[1]["by"]), (&"bob".into(), &"ada".into()), "{all}");
    assert_eq!(all[1]["note"], "reviewed");

    let name = all[0]["component"].as_str().unwrap();
    stdout(&longshore(&home, &format!("approvals revoke {name}")));
    assert_eq!(longshore(&home, &format!("approvals revoke {name}")).status.code(), Some(2));
    assert!(run("two").status.success());
}

#[test]
fn approvals_that_cannot_be_read_stop_every_run() {
    let home = Home::new();
    project(&home, "one", "1.0.0", CLOCK);
    stdout(&longshore(&home, "approve one --yes"));
    let file = home.longshore_home().join("approvals.json");
    std::fs::write(&file, "{}").unwrap();
    let output = longshore(&home, "run one -f sleep -i [1] --allow clock --json");
    assert_eq!(json(&output)["error"]["code"], "LS-POL-004");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_observed_run_tells_what_manifest_and_policy_would_have_sufficed() {
    let home = Home::new();
    project(&home, "one", "1.0.0", &format!("{CLOCK}[capabilities.random]\nreason = \"ids\"\n"));
    let run = "run one -f sleep -i [1] --allow clock --allow random --observe --json";
    let seen = json(&longshore(&home, run))["observed"][0].clone();
    assert_eq!(seen["used"], serde_json::json!(["clock"]), "{seen}");
    for side in ["manifest", "policy"] {
        let changes = seen[side].as_array().unwrap().iter();
        let changes: Vec<_> = changes.map(|change| (&change["what"], &change["scope"])).collect();
        let expected = [("keep".into(), "clock".into()), ("remove".into(), "random".into())];
        assert_eq!(changes, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>(), "{seen}");
    }
}
