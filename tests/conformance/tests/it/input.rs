//! What is typed: arguments, JSON for a function, settings, policies.

use crate::artifacts::{answer, echo, guest, with_manifest};
use crate::desk::Desk;

#[test]
fn wrong_json_is_told_with_the_way_to_it_and_the_type_that_belongs_there() {
    let desk = Desk::new();
    desk.write("echo.wasm", echo());
    let points =
        r#"{"v":[{"x":1,"y-axis":2.5,"label":null},{"x":1,"y-axis":"high","label":null}]}"#;
    let column = format!("column {}", points.find("\"high\"").unwrap() + 1);
    for (function, input, code, words) in [
        ("to-points", points, "LS-VAL-011", &["`$.v[1].y-axis`", "expected f64", &column][..]),
        ("to-u8", r#"{"v":256}"#, "LS-VAL-012", &["`$.v`", "0..=255"]),
        ("to-u8", r#"{"w":1}"#, "LS-VAL-013", &["`w`"]),
        ("to-u8", "{}", "LS-VAL-014", &["`v`", "u8"]),
        ("to-u8", r#"{"v":1,"v":2}"#, "LS-VAL-015", &["`v`"]),
        ("to-colour", r#"{"v":"blue"}"#, "LS-VAL-016", &["`blue`"]),
        ("join", r#"["a"]"#, "LS-VAL-017", &["2 arguments"]),
        ("to-u8", "{", "LS-VAL-010", &["line 1"]),
        ("to-u8", "not json", "LS-VAL-010", &["line 1, column 1"]),
    ] {
        let run = ["run", "echo.wasm", "-f", function, "--input", input];
        let refused = desk.refuses(2, code, &run);
        for word in words {
            assert!(refused.message().contains(word), "{word}: {}", refused.message());
        }
        desk.refuses(2, code, &[&run[..], &["--dry-run"]].concat());
    }
    assert!(desk.runs().is_empty(), "what does not fit is no run");
}

#[test]
fn input_comes_from_an_argument_a_file_or_standard_input() {
    let desk = Desk::new();
    desk.write("echo.wasm", echo());
    desk.write("in.json", r#"{"left":"a","right":"ß"}"#);
    let run = ["run", "echo.wasm", "-f", "join", "--input"];
    assert_eq!(desk.does(&[&run[..], &["@in.json"]].concat()), "\"aß\"\n");
    let said = desk.run_on(br#"["a","b"]"#, &[&run[..], &["-"]].concat());
    assert_eq!((said.status, said.stdout.as_str()), (Some(0), "\"ab\"\n"));
    desk.refuses(2, "LS-CLI-002", &[&run[..], &["@absent.json"]].concat());
    let said = desk.run_on(b"\xff\xfe", &[&run[..], &["-"]].concat());
    assert_eq!(said.status, Some(2), "{said}");
    assert!(said.stderr.contains("error[LS-CLI-002]: `standard input` cannot be read"), "{said}");
}

#[test]
fn arguments_that_make_no_sense_are_told_in_the_same_form() {
    let desk = Desk::new();
    desk.write("answer.wasm", answer());
    let refused = desk.refuses(2, "LS-CLI-001", &["run", "answer.wasm", "--imput", "1"]);
    assert!(refused.message().contains("--imput"), "{}", refused.message());
    assert!(refused.hint().contains("--input"), "{}", refused.hint());
    desk.refuses(2, "LS-CLI-001", &["rum", "answer.wasm"]);
    desk.refuses(2, "LS-CLI-001", &["run", "answer.wasm", "--", "argument"]);
    let key = ["verify", "127.0.0.1:1/a:1", "--key", "a.pub", "--trust", "t.json"];
    desk.refuses(2, "LS-CLI-001", &key);
}

#[test]
fn settings_are_required_locked_and_typed_by_their_author() {
    let desk = Desk::new();
    let settings = "[settings.endpoint]\ntype = \"string\"\nrequired = true\n\
                    [settings.model]\ntype = \"string\"\ndefault = \"small\"\nlocked = true\n\
                    [settings.retries]\ntype = \"integer\"\ndefault = 3\nmaximum = 5\n\
                    [capabilities.clock]\nreason = \"time\"\noptional = true\n\
                    [capabilities.random]\nreason = \"chance\"\noptional = true\n\
                    [[capabilities.http]]\nscope = \"https://*\"\nreason = \"web\"\noptional = true\n";
    desk.write("info.wasm", with_manifest(&guest("host-info"), settings));
    let run = ["run", "info.wasm", "-f", "settings-all"];
    let set = |more: &[&'static str]| [&run[..], more].concat();
    let missing = desk.refuses(4, "LS-MAN-024", &run);
    assert!(missing.text.contains("`endpoint`"), "{}", missing.text);
    for (code, flag) in [
        ("LS-MAN-025", "model=large"),
        ("LS-MAN-022", "retries=many"),
        ("LS-MAN-023", "retries=9"),
        ("LS-MAN-021", "endpont=x"),
    ] {
        let refused = desk.refuses(4, code, &set(&["--set", "endpoint=here", "--set", flag]));
        let name = flag.split('=').next().unwrap();
        assert!(refused.text.contains(&format!("`{name}`")), "{}", refused.text);
    }
    desk.refuses(2, "LS-POL-003", &set(&["--set", "endpoint"]));
    let said = desk.does(&set(&["--set", "endpoint=here", "--set", "retries=5"]));
    let text: String = serde_json::from_str(&said).unwrap();
    let seen: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(seen["endpoint"], "here", "{seen}");
    assert_eq!(seen["model"], "small", "{seen}");
}

#[test]
fn a_flag_that_is_not_understood_is_told_with_the_syntax() {
    let desk = Desk::new();
    desk.write("answer.wasm", answer());
    for (flag, word) in [
        ("clok", "did you mean `clock`?"),
        ("clock=1", "is not `frozen:`"),
        ("http", "needs a value"),
        ("http=nonsense//", "nonsense"),
        ("dir=/data", "names no folder"),
        ("dir=data=./x", "data"),
        ("env=A B", "A B"),
        ("everything", "there is no capability `everything`"),
    ] {
        let refused = desk.refuses(2, "LS-POL-002", &["run", "answer.wasm", "--allow", flag]);
        assert!(refused.message().contains(word), "{flag}: {}", refused.message());
        assert!(refused.hint().contains("write `"), "{flag}: {}", refused.hint());
    }
}

#[test]
fn a_policy_with_a_mistake_is_told_with_line_and_column() {
    let desk = Desk::new();
    desk.write("answer.wasm", answer());
    let run = ["run", "answer.wasm", "--policy", "policy.toml"];
    for (text, place, word) in [
        ("version = 1\n\n[[allow]]\nclok = true\n", "policy.toml:4:1", "clok"),
        ("version = 2\n", "policy.toml:1:11", "version 1"),
        ("version = 1\n[[allow]]\n  http = [\"nonsense//\"]\n", "policy.toml:3:11", "nonsense"),
        ("version = 1\n[ceilings]\ndeadline-ms = \"soon\"\n", "policy.toml:3:15", "deadline-ms"),
        ("version = \n", "policy.toml:1:", ""),
    ] {
        desk.write("policy.toml", text);
        let refused = desk.refuses(2, "LS-POL-001", &run);
        let shown = refused.message();
        assert!(shown.contains(place) && shown.contains(word), "{text:?}: {shown}");
    }
    desk.write("policy.toml", "version = 1\n[[allow]]\nclok = true\n");
    assert!(desk.refuses(2, "LS-POL-001", &run).hint().contains("`clock`"));
    desk.refuses(2, "LS-CLI-002", &["run", "answer.wasm", "--policy", "absent.toml"]);
    assert!(desk.runs().is_empty());
}
