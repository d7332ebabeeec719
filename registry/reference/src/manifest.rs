//! The manifest: what a component says of itself, asks for, and depends on.
//!
//! Authored as `longshore.toml`, embedded as canonical JSON in the component's custom section
//! [`SECTION`], so that the signature over the component covers it. Text and bytes come in; no file
//! is opened and nothing is decided.

mod author;
mod check;
mod settings;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::authored::Misread;
use crate::lockfile::{LockError, Lockfile};
use crate::{Digest, LimitName, Limits, Reference, Scope, canonical};

pub use author::{access as read_access, limits as read_limits};
pub use check::{
    env_name as check_env_name, guest_path as check_guest_path, interface as check_interface,
    store_name as check_store_name,
};
pub use settings::{Setting, SettingKind, SettingsError, SettingsSchema};

/// The name of the custom section that holds the embedded manifest.
pub const SECTION: &str = "longshore:manifest";
/// The largest manifest that is read, authored or embedded, in bytes.
pub const MAX_BYTES: usize = 256 << 10;
/// The version of the embedded form.
const FORMAT: u64 = 1;

/// What a component says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// What it is.
    pub package: Package,
    /// The capabilities that it asks for; each scope once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Request>,
    /// The limits that it wants to differ from the defaults. The operator's ceilings stand above
    /// them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<LimitName, u64>,
    /// The settings that it reads.
    #[serde(default, skip_serializing_if = "SettingsSchema::is_empty")]
    pub settings: SettingsSchema,
    /// The ids of the WCP capabilities that it provides, for example `cap.doc.chunk`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wcp: Vec<String>,
    /// What it may do to the world; none where the author does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// The components behind a workflow's imports, by interface.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// How the component is built. Authored only: never embedded.
    #[serde(skip)]
    pub build: Option<Build>,
}

/// Whether a component is called by workflows, or calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Its exported functions are operations.
    Action,
    /// It imports the interfaces of actions and calls them.
    Workflow,
}

/// What a component is: `[package]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Package {
    /// Its name, in kebab-case.
    pub name: String,
    /// Its version.
    pub version: semver::Version,
    /// Action or workflow.
    pub kind: Kind,
    /// What it does, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// An SPDX licence expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Where its source is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The revision of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Where its documentation is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation: Option<String>,
}

/// A capability that is asked for, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Request {
    /// What is asked for.
    pub scope: Scope,
    /// The author's reason, shown to the operator.
    pub reason: String,
    /// Whether the component also runs without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// For HTTP: whether requests that change something carry the key of their step in the header
    /// `idempotency-key`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotency_key: bool,
}

/// What a component may do to the world, as its author declares: `[risk]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Risk {
    /// Whether data may leave the host.
    pub egress: bool,
    /// Whether it changes anything outside itself.
    pub writes: bool,
    /// Whether what it changes can be undone.
    pub reversible: bool,
}

/// The component behind an imported interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Dependency {
    /// The WIT interface, for example `acme:text/chunk@1.0.0`.
    pub interface: String,
    /// The repository, without tag and digest. Without a registry it is in the registry of the
    /// workflow itself.
    pub reference: Reference,
    /// The versions that serve.
    pub version: semver::VersionReq,
    /// What the lockfile had at build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pin>,
}

/// The exact version of a dependency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pin {
    /// The version.
    pub version: semver::Version,
    /// The digest of its OCI manifest.
    pub digest: Digest,
}

/// How a component is built: `[build]`. Never embedded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The program and its arguments; empty for a cargo package.
    pub command: Vec<String>,
    /// Where the component lies afterwards, relative to the manifest's folder.
    pub component: Option<String>,
}

/// Why a manifest cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The authored text has a mistake.
    #[error("{0}")]
    Authored(Misread),
    /// The embedded manifest is larger than [`MAX_BYTES`].
    #[error("the embedded manifest has {size} bytes; {MAX_BYTES} are the most that is read")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// The embedded manifest was made for another version of Longshore.
    #[error("the embedded manifest has format `{format}`; this version reads format `{FORMAT}`")]
    Format {
        /// The format that it states.
        format: u64,
    },
    /// The embedded manifest is not what it must be.
    #[error("the embedded manifest is malformed: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
}

impl ManifestError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Authored(_) => "LS-MAN-001",
            Self::TooLarge { .. } => "LS-MAN-002",
            Self::Format { .. } => "LS-MAN-003",
            Self::Malformed { .. } => "LS-MAN-004",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Authored(misread) => misread.suggestion.clone(),
            Self::TooLarge { .. } => {
                Some("shorten descriptions and reasons, and rebuild".to_owned())
            }
            Self::Format { .. } => {
                Some("use a version of Longshore as new as its author's".to_owned())
            }
            Self::Malformed { .. } => {
                Some("rebuild the component with `longshore build`".to_owned())
            }
        }
    }

    /// Where the mistake is, for an authored manifest.
    #[must_use]
    pub const fn misread(&self) -> Option<&Misread> {
        if let Self::Authored(misread) = self { Some(misread) } else { None }
    }
}

impl Manifest {
    /// Reads an authored manifest; `file` is its name for messages.
    ///
    /// # Errors
    ///
    /// The first mistake in the text, with line, column and, where one is near, the word that was
    /// meant.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, ManifestError> {
        crate::authored::read(text, file, MAX_BYTES, author::manifest)
            .map_err(ManifestError::Authored)
    }

    /// Reads the content of the custom section of a component: hostile until proven to be exactly
    /// what [`Manifest::to_canonical`] writes.
    ///
    /// # Errors
    ///
    /// When it is larger than [`MAX_BYTES`], of another format, not canonical, or states what no
    /// author could have.
    pub fn from_embedded(bytes: &[u8]) -> Result<Self, ManifestError> {
        let malformed = |reason: String| ManifestError::Malformed { reason };
        if bytes.len() > MAX_BYTES {
            return Err(ManifestError::TooLarge { size: bytes.len() });
        }
        let mut value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
        let format = value.as_object_mut().and_then(|map| map.remove("format"));
        match format.as_ref().and_then(serde_json::Value::as_u64) {
            Some(FORMAT) => {}
            Some(format) => return Err(ManifestError::Format { format }),
            None => return Err(malformed("it states no format".to_owned())),
        }
        let manifest: Self = serde_json::from_value(value)
            .map_err(|e| malformed(crate::authored::printable(&e.to_string())))?;
        check::manifest(&manifest).map_err(malformed)?;
        if manifest.to_canonical() != bytes {
            return Err(malformed("it is not in canonical form".to_owned()));
        }
        Ok(manifest)
    }

    /// The bytes to embed: canonical JSON, the same for the same manifest everywhere. `build` is
    /// left out.
    #[must_use]
    pub fn to_canonical(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Embedded<'m> {
            format: u64,
            #[serde(flatten)]
            manifest: &'m Manifest,
        }
        let embedded = Embedded { format: FORMAT, manifest: self };
        canonical::to_vec(&embedded).expect("every field of a manifest has a JSON form")
    }

    /// The defaults with the limits that the manifest wants.
    #[must_use]
    pub fn wanted_limits(&self) -> Limits {
        let mut limits = Limits::default();
        for (&name, &value) in &self.limits {
            limits.set(name, value);
        }
        limits
    }

    /// The dependency behind `interface`.
    #[must_use]
    pub fn dependency(&self, interface: &str) -> Option<&Dependency> {
        self.dependencies.iter().find(|dependency| dependency.interface == interface)
    }

    /// Pins every dependency to what `lock` has for it.
    ///
    /// # Errors
    ///
    /// When the lockfile lacks one, or has one that no longer meets the requirement. Nothing is
    /// pinned then.
    pub fn pin(&mut self, lock: &Lockfile) -> Result<(), LockError> {
        let pin = |dependency: &Dependency| {
            let locked = lock.fresh(dependency)?;
            Ok(Pin { version: locked.version.clone(), digest: locked.digest })
        };
        let pins = self.dependencies.iter().map(pin).collect::<Result<Vec<_>, LockError>>()?;
        for (dependency, pin) in self.dependencies.iter_mut().zip(pins) {
            dependency.pinned = Some(pin);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
