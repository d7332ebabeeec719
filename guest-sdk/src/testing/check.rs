//! Holding generated WIT against the committed file, which is what others build from.

use std::path::Path;

/// Holds `wit`, a module's `WIT`, against the file at `path`; with `LONGSHORE_BLESS=1` in the environment writes it instead.
///
/// # Panics
///
/// When they differ, or the file cannot be read or written: it is an assertion.
pub fn check_wit(wit: &str, path: impl AsRef<Path>) {
    let path = path.as_ref();
    if blessing() {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("the folder of the WIT file can be made");
        }
        std::fs::write(path, wit).expect("the WIT file can be written");
        return;
    }
    let committed = std::fs::read_to_string(path).unwrap_or_else(|error| {
        panic!("cannot read `{}`: {error}; bless it with LONGSHORE_BLESS=1", path.display())
    });
    assert!(
        committed == wit,
        "`{}` is not what the code says; bless it with LONGSHORE_BLESS=1\n--- committed\n{committed}\n--- code\n{wit}",
        path.display(),
    );
}

#[expect(clippy::disallowed_methods, reason = "the switch of a test harness, read nowhere else")]
fn blessing() -> bool {
    std::env::var_os("LONGSHORE_BLESS").is_some_and(|value| value == "1")
}
