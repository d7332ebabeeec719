//! The author's toolchain: cargo for a Rust package, or whatever `[build]` names. It runs with the author's own rights and
//! environment, as it would from a shell.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use longshore_reference::Manifest;
use tokio::process::Command;

use crate::process::{self, Stream};
use crate::{Error, OnLine, Result};

const TARGET: &str = "wasm32-wasip2";
/// How much of the output a failure keeps.
const TAIL_LINES: usize = 40;
const TAIL_BYTES: usize = 8 << 10;

/// How cargo is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cargo<'c> {
    pub(crate) program: Option<&'c OsStr>,
    pub(crate) profile: &'c str,
    pub(crate) offline: bool,
    pub(crate) locked: bool,
}

/// Builds what is in `folder` and says where the component lies.
pub(crate) async fn run(
    folder: &Path,
    manifest: &Manifest,
    cargo: Cargo<'_>,
    on_line: OnLine<'_>,
) -> Result<PathBuf> {
    let build = manifest.build.as_ref();
    let command = build.map(|build| build.command.as_slice()).unwrap_or_default();
    let named = build.and_then(|build| build.component.as_ref()).map(|path| folder.join(path));
    let has_cargo = folder.join("Cargo.toml").is_file();
    if let [program, arguments @ ..] = command {
        let mut command = Command::new(found_in(folder, program));
        let shown = std::iter::once(program).chain(arguments).map(String::as_str);
        let shown = shown.collect::<Vec<_>>().join(" ");
        watch(command.args(arguments).current_dir(folder), &shown, &mut |_| false, on_line).await?;
    } else if has_cargo {
        let made = run_cargo(folder, cargo, on_line).await?;
        if named.is_none() {
            return the_one(folder, made);
        }
    } else if named.is_none() {
        return Err(Error::NothingToBuild { folder: folder.to_owned() });
    }
    let path = named.ok_or_else(|| Error::NothingToBuild { folder: folder.to_owned() })?;
    if path.is_file() {
        return Ok(path);
    }
    let expected = format!("there is no `{}`", path.display());
    Err(Error::NoComponent { expected })
}

/// A program as a shell would find it from `folder`: by `PATH`, or relative to the folder.
fn found_in(folder: &Path, program: &str) -> PathBuf {
    if Path::new(program).components().count() > 1 {
        folder.join(program)
    } else {
        PathBuf::from(program)
    }
}

async fn run_cargo(
    folder: &Path,
    cargo: Cargo<'_>,
    on_line: OnLine<'_>,
) -> Result<BTreeSet<PathBuf>> {
    let program = cargo.program.map_or_else(|| OsString::from("cargo"), OsStr::to_owned);
    let mut command = Command::new(program);
    command.current_dir(folder).args(["build", "--target", TARGET, "--profile", cargo.profile]);
    let mut shown = format!("cargo build --target {TARGET} --profile {}", cargo.profile);
    for (flag, on) in [("--offline", cargo.offline), ("--locked", cargo.locked)] {
        if on {
            command.arg(flag);
            shown = format!("{shown} {flag}");
        }
    }
    command.arg("--message-format=json-render-diagnostics");
    let own = folder.join("Cargo.toml");
    let own = own.canonicalize().map_err(|source| Error::Read { path: own.clone(), source })?;
    let mut made = BTreeSet::new();
    let mut take = |line: &str| artifact(line, &own, &mut made);
    watch(&mut command, &shown, &mut take, on_line).await?;
    Ok(made)
}

/// Notes the files of a `compiler-artifact` message of the package `own`; says whether `line` was a
/// message of cargo at all (cargo, "External tools").
fn artifact(line: &str, own: &Path, made: &mut BTreeSet<PathBuf>) -> bool {
    let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { return false };
    let Some(reason) = message["reason"].as_str() else { return false };
    let manifest = message["manifest_path"].as_str().map(Path::new);
    let is_own = manifest.is_some_and(|path| path.canonicalize().is_ok_and(|path| path == own));
    if reason == "compiler-artifact" && is_own {
        let files = message["filenames"].as_array().into_iter().flatten();
        let files = files.filter_map(|file| file.as_str()).map(PathBuf::from);
        made.extend(files.filter(|file| file.extension() == Some(OsStr::new("wasm"))));
    }
    true
}

fn the_one(folder: &Path, mut made: BTreeSet<PathBuf>) -> Result<PathBuf> {
    if made.len() > 1 {
        let shown =
            |path: &PathBuf| path.strip_prefix(folder).unwrap_or(path).display().to_string();
        return Err(Error::SeveralComponents { found: made.iter().map(shown).collect() });
    }
    made.pop_first().ok_or_else(|| Error::NoComponent {
        expected: "the package has neither a `cdylib` nor a binary".to_owned(),
    })
}

/// Runs `command` to its end. What `take` takes of standard output is not shown.
async fn watch(
    command: &mut Command,
    shown: &str,
    take: &mut (dyn FnMut(&str) -> bool + Send),
    on_line: OnLine<'_>,
) -> Result<()> {
    let mut tail = Tail::default();
    let mut on = |stream, line: &str| {
        if stream == Stream::Err || !take(line) {
            tail.push(line);
            on_line(line);
        }
    };
    let status = process::run(command, &mut on).await?;
    if status.success() {
        return Ok(());
    }
    let tail = tail.text();
    if tail.contains(&format!("`{TARGET}` target may not be installed")) {
        return Err(Error::WasmTarget);
    }
    Err(Error::Failed { command: shown.to_owned(), status: status.to_string(), tail })
}

/// The last lines of an output.
#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Tail {
    fn push(&mut self, line: &str) {
        let line: String = line.chars().take(1024).collect();
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        while self.lines.len() > TAIL_LINES || self.bytes > TAIL_BYTES {
            self.bytes -= self.lines.pop_front().map_or(self.bytes, |line| line.len() + 1);
        }
    }

    fn text(self) -> String {
        Vec::from(self.lines).join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_output_is_kept_within_bounds() {
        let mut tail = Tail::default();
        for n in 0..100 {
            tail.push(&format!("line {n}"));
        }
        let text = tail.text();
        assert!(text.starts_with("line 60\n") && text.ends_with("line 99"), "{text}");
        let mut tail = Tail::default();
        for _ in 0..100 {
            tail.push(&"x".repeat(5000));
        }
        assert_eq!(tail.text().len(), 7 * 1024 + 6);
    }

    #[test]
    fn only_wasm_of_the_package_itself_counts() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("Cargo.toml");
        std::fs::write(&own, "").unwrap();
        let own = own.canonicalize().unwrap();
        let mut made = BTreeSet::new();
        let message = |reason: &str, manifest: &Path| {
            let message = serde_json::json!({
                "reason": reason, "manifest_path": manifest, "filenames": ["/t/a.wasm", "/t/a.rlib"],
            });
            message.to_string()
        };
        assert!(artifact(&message("compiler-artifact", Path::new("/x")), &own, &mut made));
        assert!(artifact(&message("build-finished", &own), &own, &mut made));
        assert!(made.is_empty());
        assert!(artifact(&message("compiler-artifact", &own), &own, &mut made));
        assert_eq!(Vec::from_iter(made.clone()), [PathBuf::from("/t/a.wasm")]);
        assert!(!artifact("Compiling a", &own, &mut made));
        assert!(!artifact("[1]", &own, &mut made));
    }
}
