//! The state folder: caches, journal, and the key that seals receipts. Private to its user.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use longshore_trust::PrivateKey;

use crate::Error;

/// Where a host keeps its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// The state in `path`; nothing is made yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What came from registries, by digest.
    #[must_use]
    pub fn registry_cache(&self) -> PathBuf {
        self.0.join("cache").join("oci")
    }

    /// Compiled code.
    #[must_use]
    pub fn code_cache(&self) -> PathBuf {
        self.0.join("cache").join("code")
    }

    /// The components of runs that came from files, by digest.
    #[must_use]
    pub fn components(&self) -> PathBuf {
        self.0.join("components")
    }

    /// The journal's database.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.db")
    }

    /// The database of the buckets that are kept nowhere else.
    #[must_use]
    pub fn keyvalue(&self) -> PathBuf {
        self.0.join("keyvalue.db")
    }

    /// The containers of objects that are kept nowhere else.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.0.join("blobs")
    }

    /// The scratch directories of runs that are under way.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.0.join("scratch")
    }

    /// What was approved of components, and by whom.
    #[must_use]
    pub fn approvals(&self) -> PathBuf {
        self.0.join("approvals.json")
    }

    /// The key that seals receipts.
    #[must_use]
    pub fn receipt_key(&self) -> PathBuf {
        self.0.join("keys").join("receipt.key")
    }

    /// Its public half, for whoever checks receipts.
    #[must_use]
    pub fn receipt_public_key(&self) -> PathBuf {
        self.0.join("keys").join("receipt.pub")
    }

    /// The key that seals this host's receipts, made on first use. Two processes that start at once agree on one.
    ///
    /// # Errors
    ///
    /// [`Error::Home`] when the folder cannot be used, [`Error::Trust`] when the file holds no key.
    pub fn receipt_signer(&self) -> Result<PrivateKey, Error> {
        let path = self.receipt_key();
        let fail = |source| Error::Home { path: self.0.display().to_string(), source };
        match read(&path) {
            Ok(text) => return Ok(PrivateKey::from_pem(&text, b"")?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fail(error)),
        }
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).map_err(|e| Error::Entropy(e.to_string()))?;
        let key = PrivateKey::generate(&entropy)?;
        let keys = self.0.join("keys");
        private_dir(&keys).map_err(fail)?;
        match publish(&keys, &path, key.to_pkcs8_pem()?.as_bytes()) {
            Ok(()) => {
                let public = self.receipt_public_key();
                let _ = std::fs::remove_file(&public);
                publish(&keys, &public, key.public_key().to_pem().as_bytes()).map_err(fail)?;
                Ok(key)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(PrivateKey::from_pem(&read(&path).map_err(fail)?, b"")?)
            }
            Err(error) => Err(fail(error)),
        }
    }
}

/// Writes `bytes` to `path`, whole or not at all; fine if it is there already.
pub(crate) fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    private_dir(folder)?;
    match publish(folder, path, bytes) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(64 << 10).read_to_string(&mut text)?;
    Ok(text)
}

fn private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Writes `bytes` to a name that must not exist yet: whole or not at all.
fn publish(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = [0; 8];
    getrandom::fill(&mut name).map_err(io::Error::other)?;
    let temporary = dir.join(format!(".{:016x}.tmp", u64::from_le_bytes(name)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = (|| {
        let mut file = options.open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::hard_link(&temporary, path)?;
        File::open(dir)?.sync_all()
    })();
    let _ = std::fs::remove_file(&temporary);
    written
}
