//! The interfaces of components as WIT text. Pure.

use std::collections::{BTreeMap, BTreeSet};

use wit_component::{Output as _, WitPrinter};
use wit_parser::{InterfaceId, PackageName, Resolve, WorldId, WorldItem};

use crate::{Error, Result, component};

/// The WIT of a component: the world that it is, then every package that this world mentions.
///
/// # Errors
///
/// When `bytes`, called `name`, are no component, or one whose types WIT cannot say.
pub fn wit_of(name: &str, bytes: &[u8]) -> Result<String> {
    component::check(name, bytes)?;
    let (resolve, world) = component::decode(name, bytes)?;
    let fail = |reason: String| Error::Wit { name: name.to_owned(), reason };
    let main = resolve.worlds[world].package.ok_or_else(|| fail("it has no package".into()))?;
    let others: Vec<_> =
        resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != main).collect();
    let mut printer = WitPrinter::default();
    printer.print(&resolve, main, &others).map_err(|error| fail(format!("{error:#}")))?;
    Ok(printer.output.to_string())
}

/// The interfaces that a component exports, sorted.
pub(crate) fn exports(resolve: &Resolve, world: WorldId) -> BTreeMap<String, InterfaceId> {
    let exports = resolve.worlds[world].exports.iter();
    let exports = exports.filter_map(|(key, item)| match item {
        WorldItem::Interface { id, .. } => Some((resolve.name_world_key(key), *id)),
        _ => None,
    });
    exports.collect()
}

/// The text of `interface` and of every interface whose types it uses, by package and name.
pub(crate) fn texts(
    name: &str,
    resolve: &Resolve,
    interface: InterfaceId,
) -> Result<Vec<(PackageName, String, String)>> {
    let fail = |reason: String| Error::Wit { name: name.to_owned(), reason };
    let mut seen = BTreeSet::new();
    let mut left = vec![interface];
    let mut texts = Vec::new();
    while let Some(id) = left.pop() {
        let interface = &resolve.interfaces[id];
        let (Some(package), Some(own)) = (interface.package, &interface.name) else {
            return Err(fail("an interface has no name".into()));
        };
        let package = &resolve.packages[package].name;
        if !seen.insert((package.to_string(), own.clone())) {
            continue;
        }
        let mut printer = WitPrinter::default();
        let outer = printer.print_interface_outer(resolve, id, own);
        outer.map_err(|error| fail(format!("{error:#}")))?;
        printer.output.indent_start();
        let inner = printer.print_interface(resolve, id);
        inner.map_err(|error| fail(format!("{error:#}")))?;
        printer.output.indent_end();
        texts.push((package.clone(), own.clone(), printer.output.to_string()));
        left.extend(resolve.interface_direct_deps(id));
    }
    Ok(texts)
}
