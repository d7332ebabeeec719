//! `docs/sandbox.md` lists every attack: its tables are this crate's table. `LONGSHORE_BLESS=1` writes them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "blessing is asked for in the environment")]

use std::fmt::Write as _;

use longshore_hostile::FAMILIES;
use longshore_test_support::workspace;

#[test]
fn the_document_lists_the_attacks_that_are_tested() {
    let path = workspace().join("docs/sandbox.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut written = text.clone();
    for (family, about, attacks) in FAMILIES {
        let start = format!("<!-- attacks: {family} -->\n");
        let from = written.find(&start).unwrap_or_else(|| panic!("`{start}` is missing"));
        let from = from + start.len();
        let length = written[from..].find("<!-- end -->").unwrap();
        let mut table = format!("{}\n\n| attack | the guest |\n|---|---|\n", about.trim());
        for (name, does) in *attacks {
            let _ = writeln!(table, "| `{name}` | {} |", does.replace('|', "\\|"));
        }
        written.replace_range(from..from + length, &table);
    }
    if std::env::var_os("LONGSHORE_BLESS").is_some() {
        std::fs::write(&path, &written).unwrap();
    } else {
        assert_eq!(text, written, "run it with LONGSHORE_BLESS=1");
    }
}

#[test]
fn there_are_at_least_sixty_attacks_and_each_has_one_name() {
    let mut names: Vec<_> = FAMILIES
        .iter()
        .flat_map(|(family, _, attacks)| attacks.iter().map(move |(name, _)| (family, name)))
        .collect();
    let count = names.len();
    assert!(count >= 60, "{count}");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}
