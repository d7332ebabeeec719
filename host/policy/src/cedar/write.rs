//! How policies are written in Cedar: the rules of flags and TOML files, translated.

use std::fmt::Write as _;

use crate::rule::Rule;

use super::principal::Group;
use super::{parameter, resource};

/// A text as Cedar writes it.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            '\0' => quoted.push_str("\\0"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{{{:x}}}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A rule as a policy.
pub(crate) fn rule(rule: &Rule) -> String {
    let kind = rule.scope.kind();
    let mut text = format!("@id({})\n", quoted(&rule.origin));
    if let Some((name, value)) = parameter::annotation(&rule.parameter) {
        let _ = writeln!(text, "@{name}({})", quoted(&value));
    }
    let who = Group::of_target(&rule.target).map(|group| format!(" in {group}"));
    let _ = writeln!(
        text,
        "permit (\n  principal{},\n  action == Action::{},\n  resource{}\n);",
        who.unwrap_or_default(),
        quoted(kind.as_str()),
        resource::written(&rule.scope),
    );
    text
}
