//! The WIT packages that a module stands on: Longshore's own, and for a workflow those of its actions.
//! Reads the folder it is given and nothing else.

use std::path::{Path, PathBuf};

use guest_wit_component::WitPrinter;
use guest_wit_parser::{Resolve, SourceMap, TypeDefKind, UnresolvedPackageGroup};

/// The package with `types`, which every failure comes from; frozen, so it can live in the macro.
const ACTION_WIT: &[(&str, &str)] =
    &[("action.wit", include_str!("../../../wit/longshore-action-0.1.0/action.wit"))];

/// Everything that is imported, ready to be pasted behind a main package.
pub(crate) struct Dependencies {
    /// All packages in WIT's nested form.
    pub(crate) text: String,
    /// The interfaces with operations, in the order of the files.
    pub(crate) interfaces: Vec<Imported>,
    /// What was read, so that a change rebuilds the crate.
    pub(crate) files: Vec<PathBuf>,
}

/// An interface of an action.
pub(crate) struct Imported {
    pub(crate) namespace: String,
    pub(crate) package: String,
    pub(crate) name: String,
    /// `ns:package/name@version`.
    pub(crate) id: String,
    /// The names of its types.
    pub(crate) types: Vec<String>,
}

impl Dependencies {
    /// Longshore's own packages and those in `folder`, a WIT file or folder for each.
    pub(crate) fn load(folder: Option<&Path>) -> Result<Self, String> {
        let mut resolve = Resolve::default();
        let mut files = Vec::new();
        let mut groups = vec![parse(ACTION_WIT)?];
        let own = groups[0].main.name.clone();
        for path in folder.map(entries).transpose()?.unwrap_or_default() {
            let group = if path.is_dir() {
                files.extend(entries(&path)?);
                UnresolvedPackageGroup::parse_dir(&path).map_err(|error| format!("{error:#}"))?
            } else {
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
                files.push(path.clone());
                parse(&[(&path.display().to_string(), &text)])?
            };
            // The copy that the SDK carries is the one that its types are made from.
            if group.main.name != own {
                groups.push(group);
            }
        }
        let main = parse(&[("main.wit", "package longshore-component:nothing;")])?;
        resolve
            .push_groups(main, groups)
            .map_err(|error| format!("the WIT packages do not fit together: {error}"))?;
        let packages = resolve.topological_packages();
        let mut printer = WitPrinter::default();
        for package in &packages {
            if resolve.packages[*package].name.namespace != "longshore-component" {
                printer
                    .print_package(&resolve, *package, false)
                    .map_err(|error| error.to_string())?;
            }
        }
        Ok(Self { text: printer.output.to_string(), interfaces: interfaces(&resolve), files })
    }
}

fn interfaces(resolve: &Resolve) -> Vec<Imported> {
    let mut found = Vec::new();
    for (_, package) in &resolve.packages {
        if matches!(package.name.namespace.as_str(), "longshore" | "longshore-component") {
            continue;
        }
        for (name, id) in &package.interfaces {
            let interface = &resolve.interfaces[*id];
            if interface.functions.is_empty() {
                continue;
            }
            let types = interface.types.iter().filter(|(_, id)| {
                !matches!(
                    resolve.types[**id].kind,
                    TypeDefKind::Type(guest_wit_parser::Type::Id(_))
                )
            });
            found.push(Imported {
                namespace: package.name.namespace.clone(),
                package: package.name.name.clone(),
                name: name.clone(),
                id: package.name.interface_id(name),
                types: types.map(|(name, _)| name.clone()).collect(),
            });
        }
    }
    found
}

/// What wit-bindgen needs to be told about the whole: checks it, and says which of the SDK's own interfaces are in it.
pub(crate) fn shared(inline: &str) -> Result<Vec<&'static str>, String> {
    let mut resolve = Resolve::default();
    let package =
        resolve.push_source("component.wit", inline).map_err(|error| format!("{error:#}"))?;
    let world = resolve.select_world(&[package], None).map_err(|error| format!("{error:#}"))?;
    let world = &resolve.worlds[world];
    let imports: Vec<_> = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    let own = [crate::wit_text::TYPES, crate::wit_text::WAITING];
    Ok(own.into_iter().filter(|own| imports.iter().any(|import| import == own)).collect())
}

/// One package out of its files: name and text of each.
fn parse(files: &[(&str, &str)]) -> Result<UnresolvedPackageGroup, String> {
    let mut map = SourceMap::default();
    for (name, text) in files {
        map.push_str(name, *text);
    }
    map.parse().map_err(|(map, error)| error.render(&map))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot = |error| format!("cannot read the WIT folder `{}`: {error}", folder.display());
    let mut paths = std::fs::read_dir(folder)
        .map_err(cannot)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(cannot)?;
    paths.retain(|path| {
        path.is_dir() || path.extension().is_some_and(|extension| extension == "wit")
    });
    paths.sort();
    Ok(paths)
}
