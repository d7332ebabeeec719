//! Pinning a workflow's dependencies: by the lockfile where it is fresh, by the registry where it is not.

use std::path::Path;

use longshore_client::Registry;
use longshore_reference::{Dependency, LockError, Locked, Lockfile, Manifest, Repository};

use crate::{Error, Result, file};

/// The name of the lockfile, beside the manifest.
pub const LOCKFILE: &str = "longshore.lock";
/// The largest lockfile that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What may be asked and changed to pin dependencies.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms<'r> {
    pub(crate) registry: Option<&'r Registry>,
    pub(crate) default_registry: Option<&'r str>,
    pub(crate) offline: bool,
    pub(crate) locked: bool,
    pub(crate) update: bool,
}

/// The lockfile for `manifest`, and whether it had to be written. On any error it is what it was.
pub(crate) async fn bring_up_to_date(
    folder: &Path,
    manifest: &Manifest,
    terms: Terms<'_>,
) -> Result<(Lockfile, bool)> {
    let path = folder.join(LOCKFILE);
    let text = file::read_text(&path, MAX_BYTES)?;
    let before = match &text {
        Some(text) => Lockfile::parse(text, LOCKFILE)?,
        None => Lockfile::default(),
    };
    let mut lock = before.clone();
    lock.retain(manifest);
    for dependency in &manifest.dependencies {
        let stale = match lock.fresh(dependency) {
            Ok(_) if !terms.update => continue,
            Ok(_) => None,
            Err(stale) => Some(stale),
        };
        if let Some(locked) = look_up(dependency, stale, terms).await? {
            lock.insert(&dependency.interface, locked);
        }
    }
    if lock == before {
        return Ok((lock, false));
    }
    if terms.locked {
        let reason = changes(&before, &lock);
        return Err(Error::Locked { reason });
    }
    file::write(&path, lock.to_string().as_bytes())?;
    Ok((lock, true))
}

/// What the registry has for `dependency`; nothing where none may be asked and the pin is still good.
async fn look_up(
    dependency: &Dependency,
    stale: Option<LockError>,
    terms: Terms<'_>,
) -> Result<Option<Locked>> {
    let interface = || dependency.interface.clone();
    if terms.locked
        && let Some(stale) = stale
    {
        return Err(Error::Locked { reason: stale.to_string() });
    }
    let registry = terms.registry.filter(|registry| !terms.offline && !registry.is_offline());
    let Some(registry) = registry else {
        return match stale {
            Some(source) => Err(Error::Unreachable { interface: interface(), source }),
            None => Ok(None),
        };
    };
    let repository = absolute(dependency, terms.default_registry)?;
    let (version, resolved) = registry.resolve_version(&repository, &dependency.version).await?;
    let reference = dependency.reference.clone();
    Ok(Some(Locked { reference, version, digest: resolved.manifest.digest }))
}

/// The repository of `dependency`, in the default registry if it names none.
pub(crate) fn absolute(
    dependency: &Dependency,
    default_registry: Option<&str>,
) -> Result<Repository> {
    let repository = dependency.reference.repository().clone();
    match (repository.registry(), default_registry) {
        (Some(_), _) => Ok(repository),
        (None, Some(registry)) => Ok(repository.in_registry(registry)),
        (None, None) => Err(Error::NoRegistry {
            interface: dependency.interface.clone(),
            reference: dependency.reference.to_string(),
        }),
    }
}

/// The first difference, in words.
fn changes(before: &Lockfile, after: &Lockfile) -> String {
    let gone = before.iter().find(|(interface, _)| after.get(interface).is_none());
    if let Some((interface, _)) = gone {
        return format!("it has `{interface}`, which the manifest does not");
    }
    let changed = after.iter().find(|(interface, locked)| before.get(interface) != Some(*locked));
    changed.map_or_else(String::new, |(interface, locked)| {
        format!("`{interface}` would become `{}`", locked.version)
    })
}
