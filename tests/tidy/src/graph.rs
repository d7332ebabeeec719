//! Who may depend on whom: the rooms of the house as a table, checked against every `Cargo.toml`.
//!
//! Development dependencies are free; only what ships is judged.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toml::{Table, Value};

use crate::{Breach, File};

/// The crates of this workspace that a crate may depend on. A crate without a row is a breach.
const ROOMS: &[(&str, &[&str])] = &[
    ("longshore-reference", &[]),
    ("longshore-client", &["longshore-reference"]),
    ("longshore-trust", &["longshore-reference"]),
    ("longshore-registry-server", &["longshore-reference"]),
    ("longshore-model", &["longshore-reference"]),
    ("longshore-policy", &["longshore-model", "longshore-reference"]),
    ("longshore-ports", &["longshore-policy"]),
    ("longshore-vault", &["longshore-policy", "longshore-ports"]),
    ("longshore-stores", &["longshore-policy", "longshore-ports"]),
    ("longshore-journal", &["longshore-model", "longshore-reference"]),
    ("longshore-receipt", &["longshore-model", "longshore-reference", "longshore-trust"]),
    ("longshore-store-sqlite", &["longshore-journal", "longshore-model", "longshore-reference"]),
    ("longshore-store-postgres", &["longshore-journal", "longshore-model", "longshore-reference"]),
    (
        "longshore-engine",
        &[
            "longshore-journal",
            "longshore-model",
            "longshore-policy",
            "longshore-ports",
            "longshore-reference",
            "longshore-trust",
        ],
    ),
    (
        "longshore",
        &[
            "longshore-client",
            "longshore-engine",
            "longshore-journal",
            "longshore-model",
            "longshore-policy",
            "longshore-ports",
            "longshore-receipt",
            "longshore-reference",
            "longshore-store-sqlite",
            "longshore-trust",
        ],
    ),
    ("longshore-build", &["longshore-client", "longshore-reference"]),
    ("longshore-config", &["longshore-model", "longshore-policy", "longshore-reference"]),
    (
        "longshore-cli",
        &[
            "longshore",
            "longshore-build",
            "longshore-config",
            "longshore-registry-server",
            "longshore-store-postgres",
            "longshore-store-sqlite",
            "longshore-stores",
            "longshore-vault",
        ],
    ),
    ("longshore-guest", &["longshore-guest-macros"]),
    ("longshore-guest-macros", &[]),
];

/// Packages from outside that only some crates may use; a trailing `*` stands for every continuation of the name.
const SOLE_USERS: &[(&str, &[&str])] = &[
    ("wasmtime*", &["longshore-engine"]),
    ("cap-std", &["longshore-engine", "longshore-stores"]),
    ("oci-client", &["longshore-client"]),
    ("docker_credential", &["longshore-client"]),
    ("axum", &["longshore-registry-server"]),
    ("rusqlite", &["longshore-store-sqlite", "longshore-stores"]),
    ("tokio-postgres", &["longshore-store-postgres", "longshore-stores"]),
    ("redis", &["longshore-stores"]),
    ("p256", &["longshore-trust", "longshore-receipt"]),
    ("clap*", &["longshore-cli"]),
    ("anyhow", &["longshore-cli"]),
    ("cedar-policy-core", &["longshore-policy"]),
    ("miette", &["longshore-cli", "longshore-policy"]),
    ("tracing-subscriber", &["longshore-cli"]),
];

/// Crates that are pure: no runtime and no network.
const PURE: &[&str] = &[
    "longshore-reference",
    "longshore-trust",
    "longshore-model",
    "longshore-policy",
    "longshore-receipt",
];
const IMPURE: &[&str] = &["tokio", "hyper", "reqwest", "ureq", "async-std", "socket2"];

/// What one `Cargo.toml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Where its `Cargo.toml` lies.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Names of the packages it depends on when it ships (build dependencies too), sorted.
    pub needs: Vec<String>,
}

impl Package {
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.starts_with("fuzz/")
    }

    fn is_guest(&self) -> bool {
        ["plugins/", "tests/guests/", "tests/hostile-guests/"]
            .iter()
            .any(|folder| self.path.starts_with(folder))
    }
}

/// Every package of the repository, sorted by name.
///
/// # Errors
///
/// A breach for each `Cargo.toml` that is not valid TOML.
pub fn packages(files: &[File]) -> Result<Vec<Package>, Vec<Breach>> {
    let mut found = Vec::new();
    let mut breaches = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with("Cargo.toml")) {
        match file.text.parse::<Table>() {
            Ok(table) => found.extend(package(&file.path, &table)),
            Err(error) => breaches.push(Breach::new(&file.path, 0, error.message())),
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    if breaches.is_empty() { Ok(found) } else { Err(breaches) }
}

fn package(path: &str, table: &Table) -> Option<Package> {
    let name = table.get("package")?.get("name")?.as_str()?.to_owned();
    let mut needs = BTreeMap::new();
    collect(table, &mut needs);
    if let Some(targets) = table.get("target").and_then(Value::as_table) {
        for target in targets.values().filter_map(Value::as_table) {
            collect(target, &mut needs);
        }
    }
    Some(Package { path: path.to_owned(), name, needs: needs.into_keys().collect() })
}

fn collect(table: &Table, needs: &mut BTreeMap<String, ()>) {
    for section in ["dependencies", "build-dependencies"] {
        let entries = table.get(section).and_then(Value::as_table).into_iter().flatten();
        for (key, value) in entries {
            let renamed = value.get("package").and_then(Value::as_str);
            needs.insert(renamed.unwrap_or(key).to_owned(), ());
        }
    }
}

/// The golden text: one line a crate, `name -> its needs among ours`, first-party guests left out.
#[must_use]
pub fn render(packages: &[Package]) -> String {
    let mut out = String::new();
    for package in packages.iter().filter(|package| !package.is_guest()) {
        let ours = package.needs.iter().filter(|need| is_ours(packages, need));
        let ours: Vec<&str> = ours.map(String::as_str).collect();
        let _ = writeln!(out, "{} -> {}", package.name, ours.join(" "));
    }
    out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn is_ours(packages: &[Package], name: &str) -> bool {
    packages.iter().any(|package| package.name == name)
}

fn row<'a>(table: &'a [(&str, &[&str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(key, _)| *key == name).map(|(_, row)| *row)
}

fn covers(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |stem| name.starts_with(stem))
}

/// Every edge that the tables forbid, and every crate that they do not know.
#[must_use]
pub fn forbidden_edges(packages: &[Package]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for package in packages {
        if package.is_test() && !package.is_guest() {
            continue;
        }
        let name = &package.name;
        let allowed = if package.is_guest() {
            &["longshore-guest"][..]
        } else if let Some(allowed) = row(ROOMS, name) {
            allowed
        } else {
            let what = format!("`{name}` has no row in the table of rooms: say what it may touch");
            breaches.push(Breach::new(&package.path, 0, what));
            continue;
        };
        for need in &package.needs {
            breaches.extend(judge(packages, package, need, allowed));
        }
    }
    breaches
}

fn judge(packages: &[Package], package: &Package, need: &str, allowed: &[&str]) -> Option<Breach> {
    let name = &package.name;
    // Guests may build on one another; of the host's rooms they see only the SDK.
    let judged =
        if package.is_guest() { row(ROOMS, need).is_some() } else { is_ours(packages, need) };
    let what = if judged && !allowed.contains(&need) {
        format!("`{name}` may not depend on `{need}`: that arrow is not in the house")
    } else if PURE.contains(&name.as_str()) && IMPURE.contains(&need) {
        format!("`{name}` is pure and may not depend on `{need}`")
    } else {
        let (_, users) = SOLE_USERS.iter().find(|(pattern, _)| covers(pattern, need))?;
        if users.contains(&name.as_str()) {
            return None;
        }
        format!("`{need}` belongs to `{}`, not to `{name}`", users.join("`, `"))
    };
    Some(Breach::new(&package.path, 0, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(path: &str, name: &str, rest: &str) -> File {
        File::new(path, &format!("[package]\nname = \"{name}\"\n{rest}"))
    }

    fn told(files: &[File]) -> Vec<String> {
        let breaches = forbidden_edges(&packages(files).unwrap());
        breaches.into_iter().map(|breach| breach.what).collect()
    }

    #[test]
    fn an_arrow_that_points_upward_is_a_breach() {
        let files = [
            manifest("host/model/Cargo.toml", "longshore-model", ""),
            manifest(
                "registry/reference/Cargo.toml",
                "longshore-reference",
                "[target.'cfg(unix)'.dependencies]\nm = { package = \"longshore-model\" }",
            ),
        ];
        assert_eq!(told(&files).len(), 1);
        assert!(told(&files)[0].contains("may not depend on `longshore-model`"));
    }

    #[test]
    fn a_library_that_imports_what_belongs_to_another_room_is_a_breach() {
        let file = manifest(
            "host/runtime/Cargo.toml",
            "longshore",
            "[dependencies]\nwasmtime-wasi = \"1\"\nanyhow = \"1\"\nserde = \"1\"\n[dev-dependencies]\nclap = \"4\"",
        );
        let told = told(&[file]);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("`anyhow` belongs to `longshore-cli`"));
        assert!(told[1].starts_with("`wasmtime-wasi` belongs to `longshore-engine`"));
    }

    #[test]
    fn a_pure_crate_with_a_runtime_and_a_crate_without_a_row_are_breaches() {
        let pure = manifest(
            "host/policy/Cargo.toml",
            "longshore-policy",
            "[build-dependencies]\ntokio = \"1\"",
        );
        assert_eq!(told(&[pure]), ["`longshore-policy` is pure and may not depend on `tokio`"]);
        let stranger = manifest("host/new/Cargo.toml", "longshore-new", "");
        assert!(told(&[stranger])[0].contains("has no row"));
    }

    #[test]
    fn nothing_that_ships_depends_on_a_test_crate() {
        let files = [
            manifest("tests/support/Cargo.toml", "longshore-test-support", ""),
            manifest(
                "host/cli/Cargo.toml",
                "longshore-cli",
                "[dependencies]\nlongshore-test-support.workspace = true",
            ),
        ];
        assert_eq!(told(&files).len(), 1);
    }

    #[test]
    fn a_guest_sees_the_sdk_and_other_guests_but_no_room_of_the_host() {
        let files = [
            manifest("plugins/text/Cargo.toml", "text", ""),
            manifest(
                "plugins/chunk/Cargo.toml",
                "chunk",
                "[dependencies]\ntext.path = \"../text\"\nlongshore-guest = \"0\"\nlongshore-model = \"0\"",
            ),
        ];
        assert_eq!(told(&files).len(), 1);
        assert!(told(&files)[0].contains("may not depend on `longshore-model`"));
    }

    #[test]
    fn the_golden_text_names_only_our_crates() {
        let files = [
            manifest("a/Cargo.toml", "a", "[dependencies]\nb.workspace = true\nserde = \"1\""),
            manifest("b/Cargo.toml", "b", ""),
        ];
        assert_eq!(render(&packages(&files).unwrap()), "a -> b\nb ->\n");
    }
}
