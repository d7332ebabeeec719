//! Golden files: what was agreed on, compared with what is, and rewritten only on request.

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::{Breach, File};

/// Compares `actual` with the golden file at `path` below `root`, or rewrites the file when `bless` is set.
///
/// # Errors
///
/// When the golden file cannot be written.
pub fn compare(root: &Path, path: &str, actual: &str, bless: bool) -> std::io::Result<Vec<Breach>> {
    let full = root.join(path);
    if bless {
        std::fs::write(&full, actual)?;
        return Ok(Vec::new());
    }
    let expected = std::fs::read_to_string(&full).unwrap_or_default();
    Ok(difference(path, &expected, actual))
}

/// One breach for every line that only one side has.
#[must_use]
pub fn difference(path: &str, expected: &str, actual: &str) -> Vec<Breach> {
    let told = |line: &str, why: &str| {
        Breach::new(path, 0, format!("{why}: `{line}`; when this is meant, run `just bless`"))
    };
    let gone = expected.lines().filter(|line| !actual.lines().any(|other| other == *line));
    let new = actual.lines().filter(|line| !expected.lines().any(|other| other == *line));
    gone.map(|line| told(line, "no longer true"))
        .chain(new.map(|line| told(line, "not in the golden file")))
        .collect()
}

/// A line `<sha256>  <path>` for each file below `wit/`: a contract changes only where a reviewer sees it.
#[must_use]
pub fn wit_digests(files: &[File]) -> String {
    let mut out = String::new();
    for file in files.iter().filter(|file| file.path.starts_with("wit/")) {
        for byte in Sha256::digest(file.text.as_bytes()) {
            let _ = write!(out, "{byte:02x}");
        }
        let _ = writeln!(out, "  {}", file.path);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_contract_is_a_breach_and_blessing_settles_it() {
        let folder = tempfile::tempdir().unwrap();
        let before = wit_digests(&[File::new("wit/a/a.wit", "package a:a;\n")]);
        let after = wit_digests(&[File::new("wit/a/a.wit", "package a:b;\n")]);
        assert!(compare(folder.path(), "g.txt", &before, true).unwrap().is_empty());
        assert!(compare(folder.path(), "g.txt", &before, false).unwrap().is_empty());
        assert_eq!(compare(folder.path(), "g.txt", &after, false).unwrap().len(), 2);
        assert!(compare(folder.path(), "g.txt", &after, true).unwrap().is_empty());
        assert!(compare(folder.path(), "g.txt", &after, false).unwrap().is_empty());
    }

    #[test]
    fn a_missing_golden_file_is_a_breach() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(compare(folder.path(), "none.txt", "a\n", false).unwrap().len(), 1);
    }
}
