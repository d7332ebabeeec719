//! What the settings, the trust policy and the policy in the home do to commands.

use crate::{home_with, json, longshore, seen, stdout};

#[test]
fn a_mistake_in_a_file_of_the_home_is_told_with_its_place() {
    let home = home_with(&["hog"]);
    std::fs::create_dir_all(home.longshore_home()).unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(home.longshore_home().join(name), text).unwrap();
    };
    write("config.toml", "offline = false\nregisty = \"r.example\"\n");
    seen!("settings-config", &home, "runs list");
    write("config.toml", "");
    write("policy.toml", "version = 1\n[[allow]]\nclokc = true\n");
    seen!("settings-policy", &home, "run hog.wasm -f trap");
    write("policy.toml", "version = 1\n");
    write("trust.json", "{\"version\": 1, \"default\": [{\"type\": \"rejct\"}]}");
    seen!("settings-trust", &home, "run hog.wasm -f trap");
}

#[test]
fn the_policy_of_the_home_allows_and_a_named_one_takes_its_place() {
    let home = home_with(&["hog"]);
    std::fs::create_dir_all(home.longshore_home()).unwrap();
    let policy = "version = 1\n[[allow]]\ncomponent = \"file:hog.wasm\"\nclock = true\n";
    std::fs::write(home.longshore_home().join("policy.toml"), policy).unwrap();
    assert_eq!(stdout(&longshore(&home, "run hog.wasm -f sleep -i [1]")), "null");
    std::fs::write(home.work().join("none.toml"), "version = 1\n").unwrap();
    let refused = longshore(&home, "run hog.wasm -f sleep -i [1] --policy none.toml");
    assert_eq!(refused.status.code(), Some(4));
    let missing = longshore(&home, "run hog.wasm -f sleep -i [1] --policy nothing.toml --json");
    assert_eq!(json(&missing)["error"]["code"], "LS-CLI-002");
}

#[test]
fn a_trust_policy_may_refuse_files_too() {
    let home = home_with(&["echo"]);
    let policy =
        r#"{"version": 1, "default": [{"type": "reject"}], "local": [{"type": "reject"}]}"#;
    std::fs::write(home.work().join("strict.json"), policy).unwrap();
    let output =
        longshore(&home, r#"run echo.wasm -f join -i ["a","b"] --trust strict.json --json"#);
    assert_eq!(
        (output.status.code(), &json(&output)["error"]["code"]),
        (Some(3), &"LS-TRU-008".into())
    );
}
