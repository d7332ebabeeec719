//! The whole way, on one screen: manifest, pins, toolchain, checks, manifest embedded, file written.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longshore_client::Registry;
use longshore_reference::{Digest, Kind, Lockfile, MANIFEST_MAX_BYTES, Manifest};

use crate::lock::{self, Terms};
use crate::toolchain::{self, Cargo};
use crate::{
    Error, MANIFEST, MAX_COMPONENT_BYTES, Result, Revision, companion, component, deps, embed, file,
};

/// Is given each line that the author's toolchain writes.
pub type OnLine<'l> = &'l mut (dyn FnMut(&str) + Send);

/// How a folder is built.
///
/// The default asks no registry, builds in release mode, and records no revision but the manifest's.
#[derive(Clone, Debug)]
pub struct BuildOptions<'r> {
    /// The registry client that looks up dependencies. Without one the lockfile must have them all.
    pub registry: Option<&'r Registry>,
    /// The registry of dependencies whose reference names none.
    pub default_registry: Option<String>,
    /// Cargo's profile. Default `release`.
    pub profile: String,
    /// Ask no registry, and tell cargo to stay offline.
    pub offline: bool,
    /// Change no lockfile, neither ours nor cargo's.
    pub locked: bool,
    /// Look up every dependency anew, also those whose pin is good.
    pub update: bool,
    /// The revision to record where the manifest states none.
    pub revision: Revision,
    /// The program to run as cargo. Default `cargo`, by `PATH`.
    pub cargo: Option<OsString>,
}

impl Default for BuildOptions<'_> {
    fn default() -> Self {
        Self {
            registry: None,
            default_registry: None,
            profile: "release".to_owned(),
            offline: false,
            locked: false,
            update: false,
            revision: Revision::default(),
            cargo: None,
        }
    }
}

/// A component that was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// Its bytes, the manifest inside.
    pub bytes: Arc<[u8]>,
    /// Where they were written: `target/longshore/<name>.wasm` in the author's folder.
    pub path: PathBuf,
    /// The manifest as it was embedded, its dependencies pinned.
    pub manifest: Manifest,
    /// The digest of the bytes.
    pub digest: Digest,
    /// Whether `longshore.lock` was written.
    pub lock_changed: bool,
    /// The WIT files of dependencies that were written on the way.
    pub wit: Vec<PathBuf>,
    /// What the author may want to look at.
    pub warnings: Vec<Warning>,
}

/// Something that does not keep a component from running.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A dependency that the component does not import.
    Unused {
        /// The interface.
        interface: String,
    },
    /// The WIT of a dependency is not below `wit/deps`, and no registry could be asked for it.
    WitMissing,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unused { interface } => {
                write!(f, "`{interface}` is a dependency that the component does not import")
            }
            Self::WitMissing => f.write_str(
                "the WIT of a dependency is not below `wit/deps`, and no registry may be asked",
            ),
        }
    }
}

/// Builds the action or workflow in `folder`: runs its toolchain, pins its dependencies, embeds its
/// manifest and writes the component.
///
/// For a cargo package it runs `cargo build --target wasm32-wasip2`; otherwise what `[build]` names. The same inputs give
/// the same bytes, as far as the toolchain's own output does. Whatever fails, an earlier component stays as it was.
///
/// # Errors
///
/// Every variant of [`Error`] but those of [`new`](crate::new).
pub async fn build(
    folder: &Path,
    options: &BuildOptions<'_>,
    on_line: OnLine<'_>,
) -> Result<Built> {
    let mut manifest = read_manifest(folder)?;
    let terms = Terms {
        registry: options.registry,
        default_registry: options.default_registry.as_deref(),
        offline: options.offline,
        locked: options.locked,
        update: options.update,
    };
    let (lock, lock_changed) = lock::bring_up_to_date(folder, &manifest, terms).await?;
    manifest.pin(&lock)?;
    let (wit, missing) = bring_wit(folder, &manifest, &lock, lock_changed, terms).await?;
    let mut warnings = Vec::from_iter(missing);
    let cargo = Cargo {
        program: options.cargo.as_deref(),
        profile: &options.profile,
        offline: options.offline,
        locked: options.locked,
    };
    let made = toolchain::run(folder, &manifest, cargo, on_line).await?;
    let name = made.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let missing = || Error::NoComponent { expected: format!("there is no `{}`", made.display()) };
    let component = file::read(&made, MAX_COMPONENT_BYTES)?.ok_or_else(missing)?;
    component::check(&name, &component)?;
    warnings.extend(match_imports(&name, &component, &manifest)?);
    if manifest.package.revision.is_none() {
        manifest.package.revision = options.revision.find(folder).await;
    }
    let bytes: Arc<[u8]> = embed::embed(&name, &component, &manifest)?.into();
    let path = folder.join("target/longshore").join(format!("{}.wasm", manifest.package.name));
    file::write(&path, &bytes)?;
    // How it is built is the author's affair, and not embedded.
    manifest.build = None;
    let digest = Digest::of(&bytes);
    Ok(Built { bytes, path, manifest, digest, lock_changed, wit, warnings })
}

/// Writes the WIT of dependencies where the author's folder needs it.
async fn bring_wit(
    folder: &Path,
    manifest: &Manifest,
    lock: &Lockfile,
    lock_changed: bool,
    terms: Terms<'_>,
) -> Result<(Vec<PathBuf>, Option<Warning>)> {
    let missing = deps::is_missing(folder, manifest)?;
    let is_stale = lock_changed && folder.join("wit").is_dir();
    if !missing && !is_stale {
        return Ok((Vec::new(), None));
    }
    // Offline, a client that knows it is may still have everything in its cache.
    let registry = terms.registry.filter(|registry| !terms.offline || registry.is_offline());
    let Some(registry) = registry else {
        return Ok((Vec::new(), missing.then_some(Warning::WitMissing)));
    };
    match deps::fetch(folder, manifest, lock, terms).await {
        Ok(fetched) => Ok((fetched.written, None)),
        Err(Error::Registry(_)) if registry.is_offline() => {
            Ok((Vec::new(), missing.then_some(Warning::WitMissing)))
        }
        Err(error) => Err(error),
    }
}

/// The manifest of the author's folder.
pub(crate) fn read_manifest(folder: &Path) -> Result<Manifest> {
    // One byte more than the reader takes: it says best what is wrong.
    let text = file::read_text(&folder.join(MANIFEST), MANIFEST_MAX_BYTES as u64 + 1)?;
    let text = text.ok_or_else(|| Error::NoManifest { folder: folder.to_owned() })?;
    Ok(Manifest::from_toml(&text, MANIFEST)?)
}

/// Holds what the component imports against what the manifest says is behind it.
fn match_imports(name: &str, component: &[u8], manifest: &Manifest) -> Result<Vec<Warning>> {
    let imports = component::foreign_imports(name, component)?;
    // What starts the calls of a dependency is served with it.
    let of = |import: &String| companion::of(import).unwrap_or_else(|| import.clone());
    let behind: Vec<_> = imports
        .iter()
        .map(|import| match manifest.dependency(import) {
            Some(_) => import.clone(),
            None => of(import),
        })
        .collect();
    let pairs = imports.iter().zip(&behind);
    let without: Vec<_> = pairs
        .filter(|(_, behind)| manifest.dependency(behind).is_none())
        .map(|(import, _)| import.clone())
        .collect();
    if !without.is_empty() {
        let workflow = manifest.package.kind == Kind::Workflow;
        return Err(Error::Unprovided { imports: without, workflow });
    }
    let unused = manifest.dependencies.iter().filter(|d| !behind.contains(&d.interface));
    Ok(unused.map(|d| Warning::Unused { interface: d.interface.clone() }).collect())
}
