//! Components as commands name them: a reference, a file, or a folder that is built first; and
//! looking at one without running it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longshore::client::{Artifact, Pushed};
use longshore::engine::{Compiled, MAX_COMPONENT_BYTES};
use longshore::reference::{Fetched, Manifest, Reference, Resolved};
use longshore::{Longshore, Target};

use crate::context::{Context, read_bytes, variable};
use crate::error::Error;

/// What `text` names. A folder with a `longshore.toml` is built.
pub(crate) fn target(text: &str, context: &Context) -> Result<Target, Error> {
    if Path::new(text).is_dir() {
        return file(Path::new(text), context).map(Target::File);
    }
    if Path::new(text).is_file() {
        return Ok(Target::File(PathBuf::from(text)));
    }
    Ok(Target::parse(text)?)
}

/// The component file that `path` names: itself, or what its folder builds.
pub(crate) fn file(path: &Path, _context: &Context) -> Result<PathBuf, Error> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    Err(Error::bad(format!("`{}` is a folder", path.display()), "name the component file in it"))
}

/// A component that was looked at: its bytes, whatever claims to vouch for it, and what it compiles
/// to.
pub(crate) struct Looked {
    pub(crate) resolved: Option<Resolved>,
    pub(crate) fetched: Fetched,
    pub(crate) compiled: Arc<Compiled>,
}

/// Looks at `target` with a host that takes anything and runs nothing.
pub(crate) async fn look(
    host: &Longshore,
    target: &Target,
    context: &Context,
) -> Result<Looked, Error> {
    let (resolved, fetched) = match target {
        Target::File(path) => {
            let bytes = read_bytes(path, MAX_COMPONENT_BYTES)?;
            (None, Fetched::from_file(&path.display().to_string(), bytes))
        }
        Target::Reference(reference) => {
            let (resolved, fetched) = fetch(host, reference, context).await?;
            (Some(resolved), fetched)
        }
    };
    let verified = host.trust().verify(fetched.clone(), context.now().unix_s())?;
    let compiled = host.engine().compile(&verified)?;
    Ok(Looked { resolved, fetched, compiled })
}

/// Resolves and fetches, with the signatures that there are now.
pub(crate) async fn fetch(
    host: &Longshore,
    reference: &Reference,
    context: &Context,
) -> Result<(Resolved, Fetched), Error> {
    let reference = context.reference(&reference.to_string())?;
    let resolved = host.registry().resolve(&reference).await?;
    if !host.registry().is_offline() {
        host.registry().refresh_signatures(&resolved).await?;
    }
    let fetched = host.registry().fetch(&resolved).await?;
    Ok((resolved, fetched))
}

/// Pushes the component in the file at `path`, described by what it says of itself.
pub(crate) async fn push(
    host: &Longshore,
    path: &Path,
    reference: &Reference,
    context: &Context,
) -> Result<Pushed, Error> {
    let looked = look(host, &Target::File(path.to_owned()), context).await?;
    if let (Some(manifest), Some(tag)) = (looked.compiled.manifest(), reference.tag()) {
        let version = manifest.package.version.to_string();
        if tag.starts_with(|c: char| c.is_ascii_digit()) && tag != version {
            let text = format!("the tag is `{tag}`, and the manifest says version `{version}`");
            context.output.warn(&text);
        }
    }
    let artifact = artifact(path, &looked.compiled);
    let bytes = bytes::Bytes::from_owner(Arc::clone(looked.fetched.bytes()));
    Ok(host.registry().push(reference, bytes, &artifact).await?)
}

/// What the registry is told of a component.
fn artifact(path: &Path, compiled: &Compiled) -> Artifact {
    let title = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let exports: BTreeSet<_> =
        compiled.functions().iter().map(|f| f.interface().unwrap_or(f.name()).to_owned()).collect();
    let manifest = compiled.manifest();
    Artifact {
        title: title.unwrap_or_else(|| "component.wasm".to_owned()),
        created: created(),
        author: manifest.and_then(|m| m.package.authors.first().cloned()),
        exports: exports.into_iter().collect(),
        imports: compiled.imports().to_vec(),
        target: None,
        annotations: manifest.map(annotations).unwrap_or_default(),
    }
}

/// The annotations by which registries and other tools know a component (image spec, "Pre-Defined
/// Annotation Keys").
fn annotations(manifest: &Manifest) -> BTreeMap<String, String> {
    let package = &manifest.package;
    let authors = (!package.authors.is_empty()).then(|| package.authors.join(", "));
    let pairs = [
        ("title", Some(package.name.clone())),
        ("version", Some(package.version.to_string())),
        ("description", package.description.clone()),
        ("authors", authors),
        ("licenses", package.license.clone()),
        ("source", package.source.clone()),
        ("revision", package.revision.clone()),
        ("documentation", package.documentation.clone()),
    ];
    let named = |(key, value): (&str, Option<String>)| {
        Some((format!("org.opencontainers.image.{key}"), value?))
    };
    pairs.into_iter().filter_map(named).collect()
}

/// The time that an artifact states: `SOURCE_DATE_EPOCH`, else 1970, so that the same component
/// always gives the same digest (<https://reproducible-builds.org/specs/source-date-epoch>).
fn created() -> String {
    let epoch = variable("SOURCE_DATE_EPOCH").and_then(|v| v.into_string().ok()?.parse().ok());
    let us = epoch.unwrap_or(0_u64).saturating_mul(1_000_000);
    let text = longshore::model::Timestamp::from_unix_us(us).rfc3339();
    text.replace(".000000Z", "Z")
}
