//! What `docs/grants.md` shows is read as it stands, and its limits are the limits.

use longshore_model::LIMITS;
use longshore_policy::Policy;

const PAGE: &str = include_str!("../../../docs/grants.md");

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

#[test]
fn every_limit_has_its_unit_and_default() {
    for (name, unit, default) in LIMITS {
        let row = format!("| `{name}` | {unit} | {default} |");
        assert!(PAGE.contains(&row), "the page lacks `{row}`");
    }
}
