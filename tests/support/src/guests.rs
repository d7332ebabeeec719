//! Guests for the tests: components built from `tests/guests/<name>`, once, however many tests ask.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::{target, workspace};

static BUILT: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);

/// The component of the guest in `tests/guests/<name>`, built for `wasm32-wasip2`. Test binaries
/// that run at once build one after the other: a file lock in the target folder orders them, and
/// cargo does nothing the second time.
///
/// # Panics
///
/// When there is no such guest or it does not build; the message has what cargo said.
#[must_use]
pub fn build(name: &str) -> PathBuf {
    build_in(&workspace().join("tests/guests").join(name), name)
}

/// The same for a guest in any `folder` whose package is called `name`.
///
/// # Panics
///
/// As [`build`].
#[must_use]
pub fn build_in(folder: &Path, name: &str) -> PathBuf {
    // Held while building: two tests of one binary that want one guest build it once.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    let key = folder.join(name).to_string_lossy().into_owned();
    if let Some(path) = built.get(&key) {
        return path.clone();
    }
    let out = target().join("guests");
    std::fs::create_dir_all(&out).expect("the target folder can be written");
    let lock = File::create(out.join("build.lock")).expect("the target folder can be written");
    lock.lock().expect("a file can be locked");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--release", "--target", "wasm32-wasip2", "--package", name])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", &out)
        // What was set for the host's build must not leak into the guest's.
        .env_remove("CARGO_BUILD_BUILD_DIR")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS");
    let output = command.output().expect("cargo runs");
    assert!(
        output.status.success(),
        "the guest `{name}` does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // A library's file has underscores; a command's keeps its name.
    let names = [name.replace('-', "_"), name.to_owned()];
    let paths = names.map(|name| out.join("wasm32-wasip2/release").join(format!("{name}.wasm")));
    let path = paths.into_iter().find(|path| path.is_file());
    let path = path.unwrap_or_else(|| panic!("the guest `{name}` built, but to no known file"));
    built.insert(key, path.clone());
    path
}
