//! A new project for a Rust author. It builds, passes its own tests, and is written as a whole or not at all.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use longshore_reference::Manifest;

use crate::{Error, MANIFEST, Result, file};

/// What a new project is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// An action with one operation.
    Action,
    /// A workflow that calls nothing yet.
    Workflow,
}

/// Where a new project has the SDK from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SdkSource {
    /// A folder with the SDK's sources.
    Path(PathBuf),
    /// A version requirement for the package registry.
    Version(String),
}

impl Default for SdkSource {
    /// The SDK that is released with this version.
    fn default() -> Self {
        Self::Version(env!("CARGO_PKG_VERSION").to_owned())
    }
}

/// A project to lay out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scaffold {
    /// What it is.
    pub template: Template,
    /// Its name: lower-case words joined by `-`, each beginning with a letter.
    pub name: String,
    /// Where it has the SDK from.
    pub sdk: SdkSource,
}

/// Lays out a project in `folder`, which is made if need be, and says what was written.
///
/// # Errors
///
/// When the name cannot be one, when any of the files is there already (nothing is written then), and when the folder
/// cannot be written to.
pub fn new(folder: &Path, scaffold: &Scaffold) -> Result<Vec<PathBuf>> {
    check(&scaffold.name)?;
    let files = files(scaffold);
    for (path, _) in &files {
        let path = folder.join(path);
        match fs::symlink_metadata(&path) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound) => {}
            Err(source) => return Err(Error::Read { path, source }),
            Ok(_) => return Err(Error::Exists { path }),
        }
    }
    let mut written: Vec<PathBuf> = Vec::new();
    for (path, text) in files {
        let path = folder.join(path);
        if let Err(error) = file::write_new(&path, text.as_bytes()) {
            // All or nothing; the first error is the one to tell.
            for path in &written {
                let _ = fs::remove_file(path);
            }
            return Err(error);
        }
        written.push(path);
    }
    Ok(written)
}

fn files(scaffold: &Scaffold) -> Vec<(&'static str, String)> {
    let sdk = match &scaffold.sdk {
        SdkSource::Path(path) => format!("{{ path = {} }}", quoted(&path.to_string_lossy())),
        SdkSource::Version(version) => quoted(version),
    };
    let fill = |text: &str| text.replace("@SDK@", &sdk).replace("@NAME@", &scaffold.name);
    let (manifest, source, readme) = match scaffold.template {
        Template::Action => (
            include_str!("../templates/action.toml.txt"),
            include_str!("../templates/action.rs.txt"),
            include_str!("../templates/action.md.txt"),
        ),
        Template::Workflow => (
            include_str!("../templates/workflow.toml.txt"),
            include_str!("../templates/workflow.rs.txt"),
            include_str!("../templates/workflow.md.txt"),
        ),
    };
    let mut files = vec![
        ("Cargo.toml", fill(include_str!("../templates/Cargo.toml.txt"))),
        (MANIFEST, fill(manifest)),
        ("src/lib.rs", fill(source)),
        ("README.md", fill(readme)),
        (".gitignore", include_str!("../templates/gitignore.txt").to_owned()),
    ];
    if scaffold.template == Template::Workflow {
        // The SDK's macro reads this folder, and git keeps no empty one.
        files.push(("wit/deps/.gitkeep", String::new()));
    }
    files
}

/// A string of TOML: JSON's escapes are TOML's, but for DEL.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// Names that cargo or rustc keep for themselves.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Whether `name` can be that of a manifest, a cargo package and a WIT package at once.
fn check(name: &str) -> Result<()> {
    let fail = |reason: &str| Error::Name {
        name: name.chars().take(128).flat_map(char::escape_debug).collect(),
        reason: reason.to_owned(),
    };
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if !name.split('-').all(word) {
        return Err(fail("it is not lower-case words joined by `-`"));
    }
    if TAKEN.contains(&name) || name == "longshore-guest" {
        return Err(fail("cargo or Rust keeps it for itself"));
    }
    let toml = include_str!("../templates/action.toml.txt").replace("@NAME@", name);
    Manifest::from_toml(&toml, MANIFEST).map_err(|error| fail(&error.to_string()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaffold(template: Template, name: &str) -> Scaffold {
        Scaffold { template, name: name.to_owned(), sdk: SdkSource::default() }
    }

    #[test]
    fn what_is_laid_out_reads_back() {
        for template in [Template::Action, Template::Workflow] {
            let folder = tempfile::tempdir().unwrap();
            let written =
                new(&folder.path().join("a/b"), &scaffold(template, "word-count")).unwrap();
            let text =
                |name: &str| fs::read_to_string(folder.path().join("a/b").join(name)).unwrap();
            let manifest = Manifest::from_toml(&text(MANIFEST), MANIFEST).unwrap();
            assert_eq!(manifest.package.name, "word-count");
            assert!(text("Cargo.toml").contains("longshore-guest = \"0.1.0\""));
            assert!(text("src/lib.rs").contains("package = \"local:word-count@0.1.0\""));
            assert!(written.iter().all(|path| path.is_file()));
            assert!(!written.iter().any(|p| fs::read_to_string(p).unwrap().contains("@NAME@")));
        }
    }

    #[test]
    fn nothing_is_overwritten_and_then_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("README.md"), "mine").unwrap();
        let error = new(folder.path(), &scaffold(Template::Action, "x")).unwrap_err();
        assert_eq!(error.code(), "LS-BLD-023");
        assert_eq!(fs::read_to_string(folder.path().join("README.md")).unwrap(), "mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn names_that_something_downstream_would_choke_on_are_refused() {
        let long = "x".repeat(65);
        for name in
            ["", "-", "a-", "A", "a_b", "a b", "a-1", "1a", "../x", "a\"b", "fn", "std", &long]
        {
            let folder = tempfile::tempdir().unwrap();
            let error = new(folder.path(), &scaffold(Template::Action, name)).unwrap_err();
            assert_eq!(error.code(), "LS-BLD-024", "{name:?}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_path_with_quotes_stays_one_string() {
        let sdk = SdkSource::Path(PathBuf::from("/a \"b\"\\c"));
        let files = files(&Scaffold { sdk, ..scaffold(Template::Action, "x") });
        assert!(files[0].1.contains(r#"longshore-guest = { path = "/a \"b\"\\c" }"#));
    }
}
