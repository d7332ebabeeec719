//! What `docs/grants.md` and `docs/policy.md` show is read as it stands, and the limits are the limits.

use longshore_model::LIMITS;
use longshore_policy::{Cases, Policy};

const PAGE: &str = include_str!("../../../docs/grants.md");
const POLICIES: &str = include_str!("../../../docs/policy.md");

#[test]
fn the_policy_file_is_a_policy() {
    let text = PAGE.split("```toml\n").nth(1).and_then(|part| part.split("```").next()).unwrap();
    let policy = Policy::from_toml(text, "policy.toml").unwrap();
    assert_eq!(policy.ceilings().deadline_ms, 600_000);
}

#[test]
fn every_flag_is_taken() {
    let flags = PAGE.split("--allow ").skip(1).map(|rest| match rest.strip_prefix('\'') {
        Some(rest) => rest.split('\'').next().unwrap_or_default(),
        None => rest.split([' ', '`', '\n']).next().unwrap_or_default(),
    });
    let flags: Vec<_> = flags.collect();
    assert!(flags.len() >= 8, "{flags:?}");
    for flag in flags {
        Policy::default().allow_flag(flag).unwrap();
    }
}

/// The blocks of a page in that language, without what indents them.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let open = format!("```{language}\n");
    let block = |rest: &str| {
        let lines = rest.lines().take_while(|line| line.trim() != "```");
        lines.map(|line| line.strip_prefix("  ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
    };
    page.split(&open).skip(1).map(block).collect()
}

#[test]
fn the_policies_shown_are_policies_and_the_cases_come_out_as_they_say() {
    let shown = blocks(POLICIES, "cedar");
    assert_eq!(shown.len(), 2);
    let (policy, findings) = Policy::examine(&shown[0], "policies.cedar");
    assert_eq!((policy.len(), findings.as_slice()), (2, &[][..]));
    assert_eq!(Policy::examine(&shown[1], "policies.cedar").1, []);
    let cases = Cases::from_toml(&blocks(POLICIES, "toml")[0], "cases.toml").unwrap();
    assert_eq!(cases.cases.len(), 2);
    for case in &cases.cases {
        assert_eq!(case.run(&policy).differences, Vec::<String>::new(), "{}", case.name);
    }
}

#[test]
fn every_limit_has_its_unit_and_default() {
    for (name, unit, default) in LIMITS {
        let row = format!("| `{name}` | {unit} | {default} |");
        assert!(PAGE.contains(&row), "the page lacks `{row}`");
    }
}
