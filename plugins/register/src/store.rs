//! The folder: one file for each hash, written whole or not at all. Knows files, nothing of components.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use longshore_guest::Failure;
use sha2::{Digest, Sha256};

use crate::register::{Entry, Registered};

/// Registers `entries` in `folder`; `step` sets this step's temporary files apart from another's.
pub(crate) fn put(folder: &Path, entries: &[Entry], step: &str) -> Result<Registered, Failure> {
    // All before any: a bad entry must not leave half of its call behind.
    for entry in entries {
        if entry.hash != hex(entry.text.as_bytes()) {
            return Err(Failure::fatal("bad-hash", "a hash is not the SHA-256 of its text"));
        }
    }
    let mark = &hex(step.as_bytes())[..16];
    let mut registered = Registered::default();
    for entry in entries {
        if holds(folder, entry)? {
            registered.existing.push(entry.hash.clone());
        } else {
            write(folder, entry, mark)?;
            registered.new.push(entry.hash.clone());
        }
    }
    Ok(registered)
}

/// Whether the entry is there and whole; a damaged file counts as missing and is written anew.
fn holds(folder: &Path, entry: &Entry) -> Result<bool, Failure> {
    match fs::read(folder.join(format!("{}.json", entry.hash))) {
        Ok(bytes) => Ok(serde_json::from_slice::<Entry>(&bytes)
            .is_ok_and(|found| found.hash == entry.hash && found.text == entry.text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn write(folder: &Path, entry: &Entry, mark: &str) -> Result<(), Failure> {
    let temporary = folder.join(format!(".{}.{mark}.tmp", entry.hash));
    let mut bytes = serde_json::to_vec(entry)?;
    bytes.push(b'\n');
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, folder.join(format!("{}.json", entry.hash))));
    if let Err(error) = written {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
        return Err(error.into());
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Entry {
        Entry {
            hash: hex(text.as_bytes()),
            text: text.into(),
            tokens: 1,
            embedding: vec![0.5, -0.5],
            source: "http://a/".into(),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn registering_twice_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (entry("a"), entry("b"));
        let first = put(folder.path(), std::slice::from_ref(&a), "run/1").unwrap();
        assert_eq!((first.new.len(), first.existing.len()), (1, 0));
        let again = put(
            folder.path(),
            &[Entry { source: "http://b/".into(), ..a.clone() }, b.clone()],
            "run/2",
        )
        .unwrap();
        assert_eq!((again.existing, again.new), (vec![a.hash.clone()], vec![b.hash.clone()]));
        assert_eq!(names(folder.path()).len(), 2, "no temporary file is left");
        let kept: Entry = serde_json::from_slice(
            &fs::read(folder.path().join(format!("{}.json", a.hash))).unwrap(),
        )
        .unwrap();
        assert_eq!(kept, a, "the first source is kept");
    }

    #[test]
    fn a_hash_that_is_not_of_its_text_writes_nothing_and_leaves_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let bad = Entry { hash: "../escape".into(), ..entry("x") };
        assert_eq!(put(&inner, &[entry("good"), bad], "s").unwrap_err().code, "bad-hash");
        assert_eq!(names(&inner), [""; 0]);
        assert_eq!(names(folder.path()), ["inner"]);
    }

    #[test]
    fn a_damaged_file_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let a = entry("a");
        fs::write(folder.path().join(format!("{}.json", a.hash)), b"{\"hash\":").unwrap();
        assert_eq!(put(folder.path(), std::slice::from_ref(&a), "s").unwrap().new, [a.hash]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_failure() {
        let failure = put(Path::new("/nowhere/at/all"), &[entry("a")], "s").unwrap_err();
        assert_eq!(failure.code, "io");
    }
}
