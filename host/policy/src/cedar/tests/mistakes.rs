//! Every mistake in a policy has its line and column, a code of its own, and where one is near, what
//! was probably meant.

use crate::Policy;

/// What is wrong with a text: where, the code, words of the message, words of the hint.
struct Mistake {
    text: &'static str,
    place: (usize, usize),
    code: &'static str,
    message: &'static str,
    hint: &'static str,
}

const fn mistake(
    text: &'static str,
    place: (usize, usize),
    code: &'static str,
    message: &'static str,
    hint: &'static str,
) -> Mistake {
    Mistake { text, place, code, message, hint }
}

const SYNTAX: &str = "LS-POL-005";
const UNKNOWN: &str = "LS-POL-006";
const NO_SCOPE: &str = "LS-POL-007";
const CONTRADICTION: &str = "LS-POL-008";

const MISTAKES: &[Mistake] = &[
    mistake("permit (principal, action, resource", (1, 36), SYNTAX, "unexpected end", ""),
    mistake("permit (principal, action, resource)\nwhen { 1 };", (2, 8), SYNTAX, "type", ""),
    mistake("permit (principal == ?principal, action, resource);", (1, 1), SYNTAX, "templates", ""),
    mistake(
        r#"permit (principal, action == Action::"htp", resource);"#,
        (1, 30),
        UNKNOWN,
        "unrecognized action",
        "http",
    ),
    mistake(
        r#"permit (principal in Repostory::"r.example/x", action, resource);"#,
        (1, 22),
        UNKNOWN,
        "unrecognized entity type",
        "Repository",
    ),
    mistake(
        "permit (principal, action == Action::\"http\", resource)\nwhen { resource.hots == \"a\" };",
        (2, 8),
        UNKNOWN,
        "`hots`",
        "host",
    ),
    mistake(
        "permit (principal, action, resource)\nwhen { context.environment == Environment::\"prod\" };",
        (2, 31),
        UNKNOWN,
        "prod",
        "production",
    ),
    mistake(
        r#"permit (principal, action == Action::"http", resource in Http::"ftp://a");"#,
        (1, 58),
        NO_SCOPE,
        "is not an HTTP scope",
        "",
    ),
    mistake(
        r#"permit (principal, action == Action::"http", resource == Http::"https://a.example");"#,
        (1, 58),
        NO_SCOPE,
        "covers many",
        "resource in Http",
    ),
    mistake(
        r#"permit (principal in Repository::"flows/x", action, resource);"#,
        (1, 22),
        NO_SCOPE,
        "names no registry",
        "",
    ),
    mistake(
        "@scope(\"ftp://a\")\npermit (principal, action == Action::\"http\", resource);",
        (1, 1),
        NO_SCOPE,
        "is not an HTTP scope",
        "",
    ),
    mistake(
        "@scope(\"https://a\")\npermit (principal, action, resource);",
        (1, 1),
        NO_SCOPE,
        "needs an action of one kind",
        "Action::",
    ),
    mistake(
        "@host(\"x\")\npermit (principal, action == Action::\"http\", resource);",
        (1, 1),
        NO_SCOPE,
        "is for policies about",
        "",
    ),
    mistake(
        r#"permit (principal, action == Action::"dir", resource);"#,
        (1, 1),
        NO_SCOPE,
        "needs `@host`",
        "@host(",
    ),
    mistake(
        "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);",
        (2, 1),
        CONTRADICTION,
        "line 1",
        "@id",
    ),
    mistake(
        r#"permit (principal, action == Action::"http", resource in Env::"TZ");"#,
        (1, 1),
        CONTRADICTION,
        "does nothing",
        "",
    ),
    mistake(
        "permit (principal, action == Action::\"http\", resource)\nwhen { false };",
        (1, 1),
        CONTRADICTION,
        "does nothing",
        "",
    ),
];

#[test]
fn mistakes_have_a_place_a_code_and_a_suggestion() {
    for Mistake { text, place, code, message, hint } in MISTAKES {
        let error = Policy::from_cedar(text, "dir/p.cedar").unwrap_err();
        let told = error.to_string();
        let (line, column) = place;
        assert!(told.starts_with(&format!("dir/p.cedar:{line}:{column}: ")), "{told}\n{text}");
        assert!(told.contains(message), "{told}\n{text}");
        assert_eq!(&error.code(), code, "{told}\n{text}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{:?}\n{text}", error.hint());
    }
}
