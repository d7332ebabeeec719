//! Reads the repository's text files, and nothing that a build or a tool left there.

use std::path::{Path, PathBuf};

use crate::File;

/// What machines write; `.git` is a file in a linked work tree.
const SKIPPED: [&str; 5] = ["target", ".git", "node_modules", "__pycache__", ".venv"];
/// Larger files are data, not text that people read.
const MAX_BYTES: u64 = 1024 * 1024;

/// The repository's root: two folders above this crate.
///
/// # Panics
///
/// When the crate does not lie at `tests/tidy` of a repository.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(2).expect("the crate lies two folders deep");
    assert!(root.join("Cargo.toml").is_file(), "no workspace at `{}`", root.display());
    root.to_path_buf()
}

/// Every UTF-8 file of at most 1 MiB below `root`, sorted by path.
///
/// # Errors
///
/// When a folder or file cannot be read.
pub fn read(root: &Path) -> std::io::Result<Vec<File>> {
    let mut files = Vec::new();
    walk(root, root, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<File>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        let name = entry.file_name();
        if SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if kind.is_dir() {
            walk(root, &path, files)?;
        } else if kind.is_file() && entry.metadata()?.len() <= MAX_BYTES {
            let bytes = std::fs::read(&path)?;
            if let Ok(text) = String::from_utf8(bytes) {
                let relative = path.strip_prefix(root).unwrap_or(&path);
                let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
                files.push(File { path: parts.join("/"), text });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_output_and_binary_files_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/target")).unwrap();
        std::fs::write(folder.path().join("a/x.rs"), "//! x\n").unwrap();
        std::fs::write(folder.path().join("a/target/y.rs"), "y").unwrap();
        std::fs::write(folder.path().join(".git"), "gitdir: elsewhere").unwrap();
        std::fs::write(folder.path().join("a/z.wasm"), [0xff, 0xfe]).unwrap();
        let files = read(folder.path()).unwrap();
        assert_eq!(files, [File::new("a/x.rs", "//! x\n")]);
    }
}
