//! Programs of others that some tests run: `crane`, `oras`, `cosign`, `docker-registry`, `python3`.

use std::env;
use std::path::{Path, PathBuf};

/// Set to `1` where the tools must be there (in CI): then a missing one fails the test instead of
/// skipping it.
pub const REQUIRE: &str = "LONGSHORE_REQUIRE_SERVERS";
/// A folder to look into before `PATH`.
pub const TOOLS: &str = "LONGSHORE_TOOLS";

/// The program of that name, from the folder `LONGSHORE_TOOLS` or `PATH`. `None` means: skip the
/// test; that was said aloud.
///
/// # Panics
///
/// When it is missing and `LONGSHORE_REQUIRE_SERVERS` is `1`.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let tools = env::var_os(TOOLS).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let found = tools
        .into_iter()
        .flat_map(|folder| [folder.join("bin"), folder])
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|program| is_program(program));
    if found.is_none() {
        skip(&format!("`{name}` is neither in the folder `{TOOLS}` nor on PATH"));
    }
    found
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// Says that the running test is skipped and why; the test then returns.
///
/// # Panics
///
/// When `LONGSHORE_REQUIRE_SERVERS` is `1`.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub fn skip(reason: &str) {
    assert!(env::var_os(REQUIRE).is_none_or(|value| value != "1"), "{REQUIRE} is set: {reason}");
    let test = std::thread::current();
    eprintln!("SKIPPED {}: {reason}", test.name().unwrap_or("a test"));
}
