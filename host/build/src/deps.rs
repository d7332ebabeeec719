//! The WIT of a workflow's dependencies, below `wit/deps`, where the SDK's macro and every WIT tool look for it.
//!
//! Files that are written here begin with a line that says so; others are the author's, and are left as they are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use longshore_client::Registry;
use longshore_reference::{Dependency, Lockfile, Manifest};
use wit_parser::{PackageName, UnresolvedPackageGroup};

use crate::lock::{self, Terms};
use crate::{Error, Result, build, companion, component, file, wit};

/// Where the WIT lies, in the author's folder.
const FOLDER: &str = "wit/deps";
/// How a file of ours begins.
const MARK: &str = "// Written by `longshore` from ";
/// The largest WIT file that is looked at, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// What became of the WIT of a workflow's dependencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The files that were written, because they were missing or said something else.
    pub written: Vec<PathBuf>,
    /// The packages that the author keeps, for example `acme:text@1.0.0`.
    pub kept: Vec<String>,
    /// The files of packages that no dependency needs any more, which were removed.
    pub removed: Vec<PathBuf>,
}

/// Writes the WIT packages of the dependencies of the workflow in `folder`, each to
/// `wit/deps/<namespace>-<package>-<version>/package.wit`, and pins what is not pinned.
///
/// # Errors
///
/// When manifest or lockfile have a mistake, when a dependency cannot be had, does not export its
/// interface, or disagrees with another. Nothing but the lockfile is written then.
pub async fn fetch_wit(
    folder: &Path,
    registry: &Registry,
    default_registry: Option<&str>,
) -> Result<Fetched> {
    let manifest = build::read_manifest(folder)?;
    let terms = Terms { registry: Some(registry), default_registry, ..Terms::default() };
    let (lock, _) = lock::bring_up_to_date(folder, &manifest, terms).await?;
    fetch(folder, &manifest, &lock, terms).await
}

/// The same with a lockfile that is up to date.
pub(crate) async fn fetch(
    folder: &Path,
    manifest: &Manifest,
    lock: &Lockfile,
    terms: Terms<'_>,
) -> Result<Fetched> {
    let mut wanted = Wanted::default();
    for dependency in &manifest.dependencies {
        wanted.add(dependency, lock, terms).await?;
    }
    let folder = folder.join(FOLDER);
    let present = Present::read(&folder)?;
    let mut fetched = Fetched::default();
    let mut files = wanted.files();
    let foreign = |package: &String| present.authored.contains_key(package);
    if files.values().all(|(package, _)| package == companion::WORKFLOW_PACKAGE || foreign(package))
    {
        // Nothing that is written here speaks of it.
        files.retain(|_, (package, _)| package != companion::WORKFLOW_PACKAGE);
    }
    let packages = files.values().map(|(package, _)| package);
    fetched.kept.extend(packages.filter(|p| present.authored.contains_key(*p)).cloned());
    for (path, (package, text)) in &files {
        let path = folder.join(path);
        let is_same =
            || file::read_text(&path, MAX_BYTES).is_ok_and(|old| old.as_ref() == Some(text));
        if !present.authored.contains_key(package) && !is_same() {
            file::write(&path, text.as_bytes())?;
            fetched.written.push(path);
        }
    }
    for path in present.ours {
        let relative = path.strip_prefix(&folder).unwrap_or(&path);
        if !files.contains_key(relative) {
            let fail = |source| Error::Write { path: path.clone(), source };
            fs::remove_file(&path).map_err(fail)?;
            // Only if nothing else is in it.
            let _ = path.parent().map(fs::remove_dir);
            fetched.removed.push(path);
        }
    }
    Ok(fetched)
}

/// Whether the folder has WIT, but not that of every dependency.
pub(crate) fn is_missing(folder: &Path, manifest: &Manifest) -> Result<bool> {
    // Whoever keeps no WIT here builds from elsewhere.
    if !folder.join("wit").is_dir() {
        return Ok(false);
    }
    let present = Present::read(&folder.join(FOLDER))?;
    let has = |dependency: &Dependency| {
        let (package, interface) = split(&dependency.interface);
        let interfaces = present.authored.get(&package).or_else(|| present.written.get(&package));
        interfaces.is_some_and(|interfaces| interfaces.contains(&interface))
    };
    Ok(!manifest.dependencies.iter().all(has))
}

/// `ns:package/name@version` as package and interface.
fn split(interface: &str) -> (String, String) {
    let (path, version) = match interface.split_once('@') {
        Some((path, version)) => (path, format!("@{version}")),
        None => (interface, String::new()),
    };
    let (package, name) = path.split_once('/').unwrap_or((path, ""));
    (format!("{package}{version}"), name.to_owned())
}

/// What lies in `wit/deps`: the interfaces of each package.
#[derive(Default)]
struct Present {
    authored: BTreeMap<String, Vec<String>>,
    written: BTreeMap<String, Vec<String>>,
    ours: Vec<PathBuf>,
}

impl Present {
    fn read(folder: &Path) -> Result<Self> {
        let mut found = Self::default();
        let fail = |source| Error::Read { path: folder.to_owned(), source };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(fail(error)),
        };
        for entry in entries {
            let path = entry.map_err(fail)?.path();
            let text = file::read_text(&path.join("package.wit"), MAX_BYTES).ok().flatten();
            let is_ours = text.is_some_and(|text| text.starts_with(MARK));
            // What does not parse is the author's to mend; the compiler says where.
            let Some((package, interfaces)) = parse(&path) else { continue };
            if is_ours {
                found.ours.push(path.join("package.wit"));
                found.written.insert(package, interfaces);
            } else {
                found.authored.insert(package, interfaces);
            }
        }
        found.ours.sort();
        Ok(found)
    }
}

fn parse(path: &Path) -> Option<(String, Vec<String>)> {
    let group = if path.is_dir() {
        UnresolvedPackageGroup::parse_dir(path).ok()?
    } else if path.extension().is_some_and(|extension| extension == "wit") {
        let text = file::read_text(path, MAX_BYTES).ok()??;
        UnresolvedPackageGroup::parse(path, &text).ok()?
    } else {
        return None;
    };
    let interfaces = group.main.interfaces.iter();
    let interfaces = interfaces.filter_map(|(_, interface)| interface.name.clone()).collect();
    Some((group.main.name.to_string(), interfaces))
}

/// The interfaces that all dependencies need together.
#[derive(Default)]
struct Wanted {
    packages: BTreeMap<String, Package>,
    /// Whether any of them has calls that are waited for.
    waits: bool,
}

struct Package {
    name: PackageName,
    /// By name: the text, and whose it is.
    interfaces: BTreeMap<String, (String, String)>,
}

impl Wanted {
    async fn add(
        &mut self,
        dependency: &Dependency,
        lock: &Lockfile,
        terms: Terms<'_>,
    ) -> Result<()> {
        let interface = &dependency.interface;
        let locked = lock.fresh(dependency)?;
        let Some(registry) = terms.registry else { return Ok(()) };
        let repository = lock::absolute(dependency, terms.default_registry)?;
        let resolved = registry.resolve(&repository.with_digest(locked.digest)).await?;
        let fetched = registry.fetch(&resolved).await?;
        // Without the registry: the same text wherever it is built.
        let name = format!("{} {}", dependency.reference, locked.version);
        component::check(&name, fetched.bytes())?;
        let (resolve, world) = component::decode(&name, fetched.bytes())?;
        let exports = wit::exports(&resolve, world);
        let Some(id) = exports.get(interface) else {
            let (interface, exports) = (interface.clone(), exports.into_keys().collect());
            return Err(Error::NotExported { interface, reference: name, exports });
        };
        let mut texts = wit::texts(&name, &resolve, *id)?;
        let types: Vec<_> = resolve.interfaces[*id].types.keys().map(String::as_str).collect();
        // The first is the interface itself; the others are those whose types it uses.
        if let Some((package, own, text)) = texts.first()
            && let Some(starting) = companion::text(own, &types, text)
        {
            texts.push((package.clone(), companion::name(own), starting));
            self.waits = true;
        }
        for (package, own, text) in texts {
            let package = self
                .packages
                .entry(package.to_string())
                .or_insert_with(|| Package { name: package, interfaces: BTreeMap::new() });
            let first = package.interfaces.entry(own.clone());
            let (first_text, first) = first.or_insert_with(|| (text.clone(), name.clone()));
            if *first_text != text {
                let mut interface = package.name.interface_id(&own);
                interface.truncate(256);
                let (first, second) = (first.clone(), name);
                return Err(Error::Disagree { interface, first, second });
            }
        }
        Ok(())
    }

    /// By path below `wit/deps`: the package and its text.
    fn files(&self) -> BTreeMap<PathBuf, (String, String)> {
        let mut files = BTreeMap::new();
        for (id, Package { name, interfaces }) in &self.packages {
            let version = name.version.as_ref().map(|v| format!("-{v}")).unwrap_or_default();
            let folder = format!("{}-{}{version}", name.namespace, name.name);
            let mut sources: Vec<_> = interfaces.values().map(|(_, source)| source).collect();
            sources.sort();
            sources.dedup();
            let sources: Vec<_> = sources.into_iter().map(|s| format!("`{s}`")).collect();
            let mut text = format!("{MARK}{}. Do not edit.\n", sources.join(", "));
            text.push_str(&header(name));
            for (interface, _) in interfaces.values() {
                text.push('\n');
                text.push_str(interface.trim_end());
                text.push('\n');
            }
            files.insert(PathBuf::from(folder).join("package.wit"), (id.clone(), text));
        }
        if self.waits {
            let path = PathBuf::from(companion::WORKFLOW_FOLDER).join("package.wit");
            let text = format!("{MARK}itself. Do not edit.\n{}", companion::WORKFLOW_WIT);
            files.insert(path, (companion::WORKFLOW_PACKAGE.to_owned(), text));
        }
        files
    }
}

fn header(name: &PackageName) -> String {
    let version = name.version.as_ref().map(|v| format!("@{v}")).unwrap_or_default();
    // A keyword is a name where it is marked as one; marking any name is allowed.
    format!("package %{}:%{}{version};\n", name.namespace, name.name)
}
