//! Grants: what is missing is refused before anything runs, with the flag that allows it; and the
//! flag does.

use serde_json::Value;

use crate::artifacts::{guest, with_manifest};
use crate::desk::{Desk, Refusal};

/// The values of the `--allow` flags that a refusal proposes.
fn proposed(refused: &Refusal) -> Vec<String> {
    let denials = refused.json["error"]["denials"].as_array().unwrap();
    let flag = |denial: &Value| denial["change"]["operator"]["flag"].as_str().unwrap().to_owned();
    denials.iter().map(flag).collect()
}

/// Two lines for each denial: what is missing and for which import, then the flag.
fn says_two_lines_each(refused: &Refusal) {
    let lines: Vec<_> = refused.text.lines().map(str::trim).collect();
    let denials = refused.json["error"]["denials"].as_array().unwrap();
    assert!(!denials.is_empty());
    for denial in denials {
        let asked = denial["asked"].as_str().unwrap();
        let at = lines.iter().position(|l| l.starts_with(&format!("denied: `{asked}`")));
        let at = at.unwrap_or_else(|| panic!("`{asked}` is not told:\n{}", refused.text));
        if let Some(import) = denial["import"].as_str() {
            assert!(lines[at].contains(&format!("`{import}`")), "{}", lines[at]);
        }
        let flag = denial["change"]["operator"]["flag"].as_str().unwrap();
        let hint = lines[at + 1];
        assert!(hint.starts_with("hint: allow it with `--allow "), "{hint}");
        assert!(hint.contains(flag), "{hint}");
    }
}

#[test]
fn an_import_that_is_not_granted_is_refused_and_the_flag_that_is_proposed_grants_it() {
    let desk = Desk::new();
    desk.write("info.wasm", guest("host-info"));
    let run = ["run", "info.wasm", "-f", "random"];
    let refused = desk.refuses(4, "LS-POL-010", &run);
    says_two_lines_each(&refused);
    let imports: Vec<_> = refused.json["error"]["denials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|denial| denial["import"].as_str().unwrap().split('@').next().unwrap())
        .collect();
    assert!(imports.iter().any(|import| import.starts_with("wasi:random/")), "{imports:?}");

    let mut allowed: Vec<String> = run.map(str::to_owned).into();
    for flag in proposed(&refused) {
        allowed.extend(["--allow".to_owned(), flag]);
    }
    let allowed: Vec<_> = allowed.iter().map(String::as_str).collect();
    desk.does(&allowed).trim().parse::<u64>().unwrap();

    // A refusal is a run that ended before it began: journaled, with its denials and a receipt.
    let runs = desk.runs();
    assert_eq!(runs.len(), 3, "two refusals and a run");
    assert_eq!(runs[1]["state"], "fault");
    assert_eq!(refused.json["run"], runs[1]["run"]);
    let shown = desk.document(&["runs", "show", runs[1]["run"].as_str().unwrap()]);
    assert!(shown.to_string().contains("wasi:random") || shown.to_string().contains("random"));
    desk.every_run_is_closed();
}

#[test]
fn every_kind_of_capability_is_granted_by_the_flag_that_its_refusal_proposes() {
    let desk = Desk::new();
    let site = longshore_test_support::http::StaticSite::of([("/a.txt", "page")]);
    let manifest = format!(
        "[capabilities.clock]\nreason = \"time\"\n\
         [capabilities.random]\nreason = \"chance\"\n\
         [[capabilities.env]]\nname = \"TZ\"\nreason = \"time zone\"\n\
         [[capabilities.dir]]\npath = \"/data\"\naccess = \"rw\"\nreason = \"keeps files\"\n\
         [[capabilities.http]]\nscope = \"http://{}\"\nreason = \"pages\"\n",
        site.address()
    );
    desk.write("info.wasm", with_manifest(&guest("host-info"), &manifest));
    desk.write("data/there.txt", "hello");
    let refused = desk.refuses(4, "LS-POL-010", &["run", "info.wasm", "-f", "now-ms"]);
    says_two_lines_each(&refused);
    assert!(refused.text.contains("no rule allows it"), "{}", refused.text);
    let flags = proposed(&refused);
    assert_eq!(flags.len(), 5, "{flags:?}");

    let call = |function: &str, input: &str| {
        let mut arguments = vec!["run", "info.wasm", "-f", function, "--input", input];
        arguments.extend(flags.iter().flat_map(|flag| ["--allow", flag]));
        let mut command = desk.longshore(&arguments);
        let said = crate::desk::Said::of(command.env("TZ", "UTC-1").output().unwrap());
        assert_eq!(said.status, Some(0), "{function}: {said}");
        serde_json::from_str::<Value>(&said.stdout).unwrap()
    };
    assert!(call("now-ms", "[]").as_u64() > Some(1_600_000_000_000));
    assert!(call("random", "[]").is_u64());
    assert_eq!(call("env", r#"["TZ"]"#), "UTC-1");
    assert_eq!(call("env", r#"["HOME"]"#), Value::Null, "only what was granted is seen");
    assert_eq!(call("read-file", r#"["/data/there.txt"]"#), "hello");
    call("write-file", r#"["/data/new.txt","text"]"#);
    assert_eq!(std::fs::read_to_string(desk.at("data/new.txt")).unwrap(), "text");
    let url = serde_json::json!([site.url("/a.txt")]).to_string();
    assert_eq!(call("http-get", &url), serde_json::json!([200, "page"]));
    desk.every_run_is_closed();
}

#[test]
fn one_missing_capability_is_enough_to_refuse_and_less_than_asked_is_not_enough() {
    let desk = Desk::new();
    let manifest = "[[capabilities.dir]]\npath = \"/data\"\naccess = \"rw\"\nreason = \"files\"\n\
                    [capabilities.clock]\nreason = \"time\"\noptional = true\n\
                    [capabilities.random]\nreason = \"chance\"\noptional = true\n\
                    [[capabilities.http]]\nscope = \"https://*\"\nreason = \"w\"\noptional = true\n";
    desk.write("info.wasm", with_manifest(&guest("host-info"), manifest));
    desk.write("data/there.txt", "hello");
    let run = ["run", "info.wasm", "-f", "list-dir", "--input", "[\"/data\"]"];
    let read_only = [&run[..], &["--allow", "dir=/data=./data:ro"]].concat();
    let refused = desk.refuses(4, "LS-POL-010", &read_only);
    assert!(refused.text.contains("allows only"), "{}", refused.text);
    let said = desk.does(&[&run[..], &["--allow", "dir=/data=./data:rw"]].concat());
    assert_eq!(said, "[\"there.txt\"]\n");
    let absent = [&run[..], &["--allow", "dir=/data=./absent:rw"]].concat();
    desk.refuses(2, "LS-ENG-012", &absent);
}

#[test]
fn a_dry_run_decides_the_same_and_leaves_nothing_behind() {
    let desk = Desk::new();
    desk.write("info.wasm", guest("host-info"));
    let run = ["run", "info.wasm", "-f", "random", "--dry-run"];
    let refused = desk.refuses(4, "LS-POL-010", &run);
    says_two_lines_each(&refused);
    let mut allowed: Vec<String> = run.map(str::to_owned).into();
    for flag in proposed(&refused) {
        allowed.extend(["--allow".to_owned(), flag]);
    }
    let allowed: Vec<_> = allowed.iter().map(String::as_str).collect();
    let plan = desk.document(&allowed);
    assert_eq!(plan["decision"], "granted", "{plan:#}");
    assert!(desk.runs().is_empty(), "a dry run is no run");
}
