//! Policies: checked, tested, shown, and what they do to runs.

use std::path::Path;

use longshore_test_support::cli::Home;

use crate::{home_with, json, longshore, seen, stdout};

fn write(home: &Home, name: &str, text: &str) {
    let path = home.work().join(name);
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
    std::fs::write(path, text).unwrap();
}

const GOOD: &str = r#"@id("time")
permit (principal in Repository::"r.example/tools/*", action == Action::"clock", resource);

permit (principal, action == Action::"http", resource in Http::"https://*.example.com")
when { context.environment != Environment::"production" || principal.signed };
"#;

const BAD: &str = r#"permit (principal in Repostory::"r.example/x", action, resource);
forbid (principal, action == Action::"http", resource)
when { resource.hots == "a" };
"#;

#[test]
fn every_mistake_in_a_policy_is_told_with_its_place() {
    let home = Home::new();
    write(&home, "policies/good.cedar", GOOD);
    write(&home, "policies/flags.toml", "version = 1\n[[allow]]\nclock = true\nenv = [\"TZ\"]\n");
    seen!("policy-check", &home, "policy check policies");
    write(&home, "policies/bad.cedar", BAD);
    seen!("policy-check-mistakes", &home, "policy check policies");
    let document = json(&longshore(&home, "policy check policies --json"));
    assert_eq!(document["ok"], false);
    assert_eq!(document["files"][0]["findings"][0]["code"], "LS-POL-006");
    assert_eq!(document["files"][0]["findings"][0]["line"], 1);
    seen!("policy-mistake-run", &home, "run x.wasm --policy policies");
    write(
        &home,
        "shadow.cedar",
        "@id(\"a\") permit (principal, action == Action::\"clock\", \
        resource);\n@id(\"b\") forbid (principal, action, resource);\n",
    );
    seen!("policy-check-shadow", &home, "policy check shadow.cedar");
}

const CASES: &str = r#"version = 1
policies = ["policies"]

[[case]]
name = "tools read the time"
component = "r.example/tools/fetch:1.0.0"
request = "clock"
expect = "permit"
by = ["time"]

[[case]]
name = "whom nobody signed reaches nothing in production"
component = "r.example/tools/fetch:1.0.0"
request = "http=https://a.example.com"
expect = "permit"

[[case]]
name = "a request is narrowed"
component = "r.example/tools/fetch:1.0.0"
publisher = ["acme"]
request = "http=https://*"
expect = "permit"
granted = ["http=https://a.example.com"]

[[case]]
name = "files have no time"
component = "file:x.wasm"
request = "clock"
expect = "deny"
"#;

#[test]
fn cases_are_put_to_policies_and_failures_end_with_one() {
    let home = Home::new();
    write(&home, "policies/good.cedar", GOOD);
    write(&home, "cases.toml", CASES);
    seen!("policy-test", &home, "policy test cases.toml");
    let output = longshore(&home, "policy test cases.toml --json");
    assert_eq!(output.status.code(), Some(1));
    let document = json(&output);
    assert_eq!((&document["passed"], &document["failed"]), (&2.into(), &2.into()));
    assert_eq!(document["cases"][0]["by"][0], "time");
    write(&home, "typo.toml", &CASES.replacen("expect", "expct", 1));
    seen!("policy-test-mistake", &home, "policy test typo.toml");
}

#[test]
fn what_is_in_force_is_shown_and_its_translation_is_the_same_policy() {
    let home = Home::new();
    let flags = "version = 1\n[[allow]]\ncomponent = \"r.example/tools/*\"\n\
                 http = [\"*.example.com\"]\nclock = true\n\
                 dir = [{ guest = \"/data\", host = \"corpus\", access = \"rw\" }]\n";
    write(&home, "policy.toml", flags);
    seen!(
        "policy-show",
        &home,
        "policy show --profile production --policy policy.toml --allow env=TZ"
    );
    seen!("policy-show-cedar", &home, "policy show --cedar --policy policy.toml --allow env=TZ");
    let words = "policy show --cedar --policy policy.toml --allow env=TZ";
    write(&home, "translated.cedar", &stdout(&longshore(&home, words)));
    let again = stdout(&longshore(&home, "policy show --cedar --policy translated.cedar"));
    assert_eq!(again, stdout(&longshore(&home, words)));
    assert_eq!(stdout(&longshore(&home, "policy show")), "nothing is allowed");
    assert!(stdout(&longshore(&home, "policy schema")).contains("entity Http in [Http]"));
}

#[test]
fn what_a_profile_forbids_no_flag_allows() {
    let home = home_with(&["hog"]);
    let run = "run hog.wasm -f sleep -i [1] --allow clock";
    assert_eq!(stdout(&longshore(&home, run)), "null");
    seen!(
        "policy-forbidden",
        &home,
        "run hog.wasm -f sleep -i [1] --allow clock --profile production"
    );
    let staging = longshore(&home, &format!("{run} --profile staging"));
    assert_eq!(stdout(&staging), "null");
    write(
        &home,
        "label.cedar",
        "@id(\"public-only\") forbid (principal, action, resource)\n\
        unless { context.label == \"public\" && context.environment == Environment::\"staging\" };\n",
    );
    let words = format!("{run} --policy label.cedar --json");
    let refused = json(&longshore(&home, &words));
    let denial = &refused["error"]["denials"][0];
    assert_eq!(denial["code"], "LS-POL-014");
    assert_eq!(denial["change"]["forbidden"]["policies"][0], "public-only");
    let labelled = format!("{run} --policy label.cedar --label public --env staging");
    assert_eq!(stdout(&longshore(&home, &labelled)), "null");
    std::fs::create_dir_all(home.longshore_home()).unwrap();
    let config = "environment = \"staging\"\nprofile = \"production\"\n";
    std::fs::write(home.longshore_home().join("config.toml"), config).unwrap();
    assert_eq!(longshore(&home, run).status.code(), Some(4), "the settings name the profile");
}
