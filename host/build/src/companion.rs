//! The interface beside a dependency's own whose functions start calls: `chunk-start` beside `chunk`. Pure.
//!
//! For each function `split` it has a resource `split-call` with `wait`, `subscribe` and `cancel`, and a function `split` that
//! returns one. `host/engine` serves what is written here.

use std::fmt::Write as _;

/// What is put behind a dependency's interface.
const SUFFIX: &str = "-start";
/// What is put behind a function for the resource of its calls.
const CALL: &str = "-call";
/// The package that says what waiting is, its name, and its folder below `wit/deps`.
pub(crate) const WORKFLOW_WIT: &str =
    include_str!("../../../wit/longshore-workflow-0.1.0/workflow.wit");
pub(crate) const WORKFLOW_PACKAGE: &str = "longshore:workflow@0.1.0";
pub(crate) const WORKFLOW_FOLDER: &str = "longshore-workflow-0.1.0";

/// The interface whose calls the import `name` starts, if its name says that it does.
pub(crate) fn of(name: &str) -> Option<String> {
    let (path, version) = match name.split_once('@') {
        Some((path, version)) => (path, format!("@{version}")),
        None => (name, String::new()),
    };
    path.strip_suffix(SUFFIX).map(|path| format!("{path}{version}"))
}

/// What the companion of the interface `own` is called.
pub(crate) fn name(own: &str) -> String {
    format!("{own}{SUFFIX}")
}

/// The companion of the interface `own` that has the types `types` and is printed as `text`; none where it has no function, or
/// a type whose name the companion would need for itself.
pub(crate) fn text(own: &str, types: &[&str], text: &str) -> Option<String> {
    let functions: Vec<_> = text.lines().filter_map(function).collect();
    let clash = |name: &str| types.contains(&format!("{name}{CALL}").as_str());
    if functions.is_empty() || functions.iter().any(|(name, _)| clash(name)) {
        return None;
    }
    let mut out = format!(
        "/// Starts calls of `{own}`, to be waited for together.\ninterface {own}{SUFFIX} {{\n"
    );
    let mentioned = |ty: &&&str| functions.iter().any(|(_, signature)| mentions(signature, ty));
    let used: Vec<_> = types.iter().filter(mentioned).map(|ty| format!("%{ty}")).collect();
    if !used.is_empty() {
        let _ = writeln!(out, "  use %{own}.{{{}}};", used.join(", "));
    }
    out.push_str("  use longshore:workflow/waiting@0.1.0.{pending};\n");
    for (name, signature) in &functions {
        let (params, result) = match signature.rsplit_once(" -> ") {
            Some((params, result)) => (params, format!(" -> {result}")),
            None => (*signature, String::new()),
        };
        let call = format!("{name}{CALL}");
        let _ = write!(
            out,
            "\n  /// A call of `{name}` that was started. Dropped before its end, it is cancelled.\n  \
             resource {call} {{\n    \
               /// Waits for its result.\n    wait: func(){result};\n    \
               /// The same for `wait-any` and `wait-all`.\n    subscribe: func() -> pending;\n    \
               /// Stops it, unless it has ended.\n    cancel: func();\n  }}\n  \
             /// Starts `{name}`.\n  %{name}: func{params} -> {call};\n"
        );
    }
    out.push_str("}\n");
    Some(out)
}

/// A function of the interface itself, and not of a resource in it: its name, its parameters and result.
fn function(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("  ").filter(|line| !line.starts_with([' ', '/']))?;
    let (name, signature) = line.split_once(": func")?;
    Some((name.trim_start_matches('%'), signature.strip_suffix(';')?))
}

/// Whether the word `ty` stands in a signature.
fn mentions(signature: &str, ty: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    signature.split(|c| !word(c)).any(|found| found == ty)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: &str = "interface chunk {\n  use longshore:action/types@0.1.0.{failure};\n\n  \
        record piece {\n    text: string,\n  }\n\n  resource cutter {\n    next: func();\n  }\n\n  \
        /// Cuts.\n  split: func(text: string, most: option<u32>) -> result<list<piece>, failure>;\n\n  \
        %result: func();\n}\n";

    #[test]
    fn each_function_has_a_start_and_a_call_with_its_result() {
        let text = text("chunk", &["failure", "piece", "cutter"], CHUNK).unwrap();
        for line in [
            "interface chunk-start {",
            "  use %chunk.{%failure, %piece};",
            "  resource split-call {",
            "    wait: func() -> result<list<piece>, failure>;",
            "  %split: func(text: string, most: option<u32>) -> split-call;",
            "    wait: func();",
            "  %result: func() -> result-call;",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("next"), "{text}");
        let package = format!(
            "package acme:text@1.0.0;\n{}{text}",
            CHUNK.replace(
                "  use longshore:action/types@0.1.0.{failure};\n",
                "  record failure { code: string }\n"
            )
        );
        let mut resolve = wit_parser::Resolve::default();
        resolve.push_source("workflow.wit", WORKFLOW_WIT).unwrap();
        resolve.push_source("package.wit", &package).unwrap_or_else(|e| panic!("{e:#}\n{package}"));
    }

    #[test]
    fn where_a_name_is_taken_there_is_no_companion() {
        assert_eq!(text("chunk", &["split-call"], CHUNK), None);
        assert_eq!(text("types", &[], "interface types {\n  record a { b: u8 }\n}\n"), None);
    }

    #[test]
    fn a_companion_is_told_by_its_name() {
        assert_eq!(of("acme:text/chunk-start@1.0.0").as_deref(), Some("acme:text/chunk@1.0.0"));
        assert_eq!(of("acme:text/chunk@1.0.0"), None);
    }
}
