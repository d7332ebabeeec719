//! `longshore.lock`: which version of each dependency a workflow was built against. The same
//! content, the same bytes.
//!
//! Text comes in and goes out; the file itself is read and written elsewhere, and versions are
//! looked up elsewhere.

use std::collections::BTreeMap;
use std::fmt;

use crate::authored::{Misread, Table, read};
use crate::manifest::{Dependency, Manifest};
use crate::{Digest, Reference};

/// The largest lockfile that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// A lockfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lockfile {
    entries: BTreeMap<String, Locked>,
}

/// What a dependency is locked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The repository, as the manifest names it.
    pub reference: Reference,
    /// The version.
    pub version: semver::Version,
    /// The digest of its OCI manifest.
    pub digest: Digest,
}

/// Why a lockfile cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// The text has a mistake.
    #[error("{0}")]
    Text(Misread),
    /// A dependency is not in it.
    #[error("the lockfile has no entry for `{interface}`")]
    Missing {
        /// The interface of the dependency.
        interface: String,
    },
    /// An entry no longer meets what the manifest requires.
    #[error("the lockfile's entry for `{interface}` is stale: {reason}")]
    Stale {
        /// The interface of the dependency.
        interface: String,
        /// What no longer matches.
        reason: String,
    },
}

impl LockError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Text(_) => "LS-MAN-011",
            Self::Missing { .. } => "LS-MAN-012",
            Self::Stale { .. } => "LS-MAN-013",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Text(misread) => misread.suggestion.clone(),
            Self::Missing { .. } | Self::Stale { .. } => {
                Some("run `longshore build` where the registry can be reached".to_owned())
            }
        }
    }
}

impl Lockfile {
    /// Reads a lockfile; `file` is its name for messages.
    ///
    /// # Errors
    ///
    /// [`LockError::Text`] with the first mistake in the text.
    pub fn parse(text: &str, file: &str) -> Result<Self, LockError> {
        read(text, file, MAX_BYTES, |root| Some(Self { entries: entries(root) }))
            .map_err(LockError::Text)
    }

    /// What `interface` is locked to, whether or not that still meets the manifest.
    #[must_use]
    pub fn get(&self, interface: &str) -> Option<&Locked> {
        self.entries.get(interface)
    }

    /// All entries by interface.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Locked)> {
        self.entries.iter().map(|(interface, locked)| (interface.as_str(), locked))
    }

    /// Locks `interface` to `locked`, in place of what was there.
    pub fn insert(&mut self, interface: impl Into<String>, locked: Locked) {
        self.entries.insert(interface.into(), locked);
    }

    /// Drops every entry that `manifest` has no dependency for.
    pub fn retain(&mut self, manifest: &Manifest) {
        self.entries.retain(|interface, _| manifest.dependency(interface).is_some());
    }

    /// What `dependency` is locked to.
    ///
    /// # Errors
    ///
    /// [`LockError::Missing`] without an entry; [`LockError::Stale`] when the repository is another
    /// one or the version is outside the requirement.
    pub fn fresh(&self, dependency: &Dependency) -> Result<&Locked, LockError> {
        let interface = || dependency.interface.clone();
        let locked = self
            .get(&dependency.interface)
            .ok_or_else(|| LockError::Missing { interface: interface() })?;
        let stale = |reason| Err(LockError::Stale { interface: interface(), reason });
        if locked.reference != dependency.reference {
            return stale(format!(
                "it is for `{}`, the manifest names `{}`",
                locked.reference, dependency.reference
            ));
        }
        if !dependency.version.matches(&locked.version) {
            return stale(format!(
                "it has version `{}`, the manifest requires `{}`",
                locked.version, dependency.version
            ));
        }
        Ok(locked)
    }
}

fn entries(root: &Table<'_>) -> BTreeMap<String, Locked> {
    root.only(&["version", "dependency"]);
    if let Some(item) = root.need("version")
        && item.positive().is_some_and(|version| version != 1)
    {
        item.fail("this version of Longshore reads lockfiles of version 1");
    }
    let mut entries = BTreeMap::new();
    for table in root.tables("dependency") {
        if let Some((interface, locked)) = entry(&table)
            && entries.insert(interface.clone(), locked).is_some()
        {
            table.fail(format!("`{interface}` is locked twice"));
        }
    }
    entries
}

fn entry(table: &Table<'_>) -> Option<(String, Locked)> {
    table.only(&["interface", "reference", "version", "digest"]);
    let interface = table.need("interface").and_then(|item| {
        let interface = item.string()?;
        item.check(crate::manifest::check_interface(interface))?;
        Some(interface.to_owned())
    });
    let reference = table.need("reference").and_then(|item| item.parsed());
    let version = table.need("version").and_then(|item| item.parsed());
    let digest = table.need("digest").and_then(|item| item.parsed());
    Some((interface?, Locked { reference: reference?, version: version?, digest: digest? }))
}

/// The text of the file. Nothing in an entry needs escaping: interfaces, references, versions and
/// digests have no quotes.
impl fmt::Display for Lockfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "# Written by `longshore build`. Keep it under version control.\nversion = 1\n",
        )?;
        for (interface, Locked { reference, version, digest }) in &self.entries {
            write!(
                f,
                "\n[[dependency]]\ninterface = \"{interface}\"\nreference = \"{reference}\"\n\
                 version = \"{version}\"\ndigest = \"{digest}\"\n"
            )?;
        }
        Ok(())
    }
}
