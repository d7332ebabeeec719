//! An interface as WIT text, in the layout of `wasm-tools component wit`. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::arguments::Arguments;
use crate::dependencies::Imported;
use crate::interface::{Body, Interface, Member, members, walk};
use crate::names::escape;
use crate::types::Shape;

/// The interface that failures come from.
pub(crate) const TYPES: &str = "longshore:action/types@0.1.0";
/// The interface of what started calls are waited for with.
pub(crate) const WAITING: &str = "longshore:workflow/waiting@0.1.0";

/// The body of the interface, between the braces of its package.
pub(crate) fn interface_text(
    arguments: &Arguments,
    interface: &Interface,
    imports: &[Imported],
) -> String {
    let mut out = String::new();
    docs(&mut out, "", &interface.docs);
    line(&mut out, "", &format!("interface {} {{", escape(&arguments.interface)));
    let mut first = true;
    for (id, names) in uses(interface, imports) {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        line(&mut out, "  ", &format!("use {id}.{{{names}}};"));
        first = false;
    }
    for defined in &interface.types {
        separate(&mut out, &mut first);
        docs(&mut out, "  ", &defined.docs);
        let keyword = match defined.body {
            Body::Record(_) => "record",
            Body::Enum(_) => "enum",
            Body::Variant(_) => "variant",
        };
        line(&mut out, "  ", &format!("{keyword} {} {{", escape(&defined.name)));
        for member in members(&defined.body) {
            docs(&mut out, "    ", &member.docs);
            line(&mut out, "    ", &format!("{},", member_text(&defined.body, member)));
        }
        line(&mut out, "  ", "}");
    }
    for function in &interface.functions {
        separate(&mut out, &mut first);
        docs(&mut out, "  ", &function.docs);
        let parameters = function
            .parameters
            .iter()
            .map(|(name, parameter)| format!("{}: {}", escape(name), shape_text(&parameter.shape)))
            .collect::<Vec<_>>()
            .join(", ");
        let output =
            function.output.as_ref().map(|s| format!(" -> {}", shape_text(s))).unwrap_or_default();
        line(&mut out, "  ", &format!("{}: func({parameters}){output};", escape(&function.name)));
    }
    line(&mut out, "", "}");
    out
}

/// A package of its own, as it is committed and shared.
pub(crate) fn package_text(arguments: &Arguments, interface: &str) -> String {
    format!(
        "package {}{};\n\n{interface}",
        arguments.package.path(),
        arguments.package.at_version()
    )
}

/// Everything that wit-bindgen is given: the world, the package, and what they stand on.
pub(crate) fn component_text(
    arguments: &Arguments,
    interface: &str,
    dependencies: &str,
    imports: &[Imported],
) -> String {
    let package = &arguments.package;
    let mut out = String::new();
    line(
        &mut out,
        "",
        &format!(
            "package longshore-component:{}-{}-{};",
            package.namespace, package.name, arguments.interface
        ),
    );
    line(&mut out, "", "world component {");
    for import in imports {
        line(&mut out, "  ", &format!("import {};", import.id));
    }
    let export =
        format!("{}/{}{}", package.path(), escape(&arguments.interface), package.at_version());
    line(&mut out, "  ", &format!("export {export};"));
    line(&mut out, "", "}");
    line(
        &mut out,
        "",
        &format!("package {}{} {{\n{interface}}}", package.path(), package.at_version()),
    );
    out.push_str(dependencies);
    out
}

/// What the interface takes from others, by interface.
fn uses(interface: &Interface, imports: &[Imported]) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    let mut visit = |shape: &Shape| match shape {
        Shape::Failure => {
            found.entry(TYPES.to_owned()).or_default().insert("failure".to_owned());
        }
        Shape::Imported(interface, name) => {
            let (interface, name) = (interface.to_string(), name.to_string());
            if let Some((id, kind)) = imported(imports, &interface, &name) {
                found.entry(id).or_default().insert(escape(&kind));
            }
        }
        _ => {}
    };
    for defined in &interface.types {
        members(&defined.body)
            .iter()
            .filter_map(|member| member.shape.as_ref())
            .for_each(|s| walk(s, &mut visit));
    }
    for function in &interface.functions {
        function.parameters.iter().for_each(|(_, parameter)| walk(&parameter.shape, &mut visit));
        function.output.iter().for_each(|shape| walk(shape, &mut visit));
    }
    found
}

/// The interface's id and the type's WIT name.
pub(crate) fn imported(
    imports: &[Imported],
    interface: &str,
    name: &str,
) -> Option<(String, String)> {
    let import =
        imports.iter().find(|import| crate::names::bound_value(&import.name) == interface)?;
    let kind = import.types.iter().find(|kind| crate::names::bound_type(kind) == name)?;
    Some((import.id.clone(), kind.clone()))
}

fn member_text(body: &Body, member: &Member) -> String {
    let name = escape(&member.name);
    match (body, &member.shape) {
        (Body::Record(_), Some(shape)) => format!("{name}: {}", shape_text(shape)),
        (_, Some(shape)) => format!("{name}({})", shape_text(shape)),
        (_, None) => name,
    }
}

fn shape_text(shape: &Shape) -> String {
    match shape {
        Shape::Scalar(name) => (*name).to_owned(),
        Shape::Text => "string".to_owned(),
        Shape::List(inner) => format!("list<{}>", shape_text(inner)),
        Shape::Option(inner) => format!("option<{}>", shape_text(inner)),
        Shape::Result(None, None) => "result".to_owned(),
        Shape::Result(Some(ok), None) => format!("result<{}>", shape_text(ok)),
        Shape::Result(ok, Some(err)) => {
            let ok = ok.as_ref().map_or_else(|| "_".to_owned(), |ok| shape_text(ok));
            format!("result<{ok}, {}>", shape_text(err))
        }
        Shape::Tuple(inner) => {
            format!("tuple<{}>", inner.iter().map(shape_text).collect::<Vec<_>>().join(", "))
        }
        Shape::Local(ident) => {
            crate::names::kebab(ident).map_or_else(|_| ident.to_string(), |n| escape(&n))
        }
        Shape::Failure => "failure".to_owned(),
        Shape::Imported(_, name) => {
            crate::names::kebab(name).map_or_else(|_| name.to_string(), |name| escape(&name))
        }
    }
}

fn separate(out: &mut String, first: &mut bool) {
    if !std::mem::take(first) {
        out.push('\n');
    }
}

fn docs(out: &mut String, indent: &str, docs: &[String]) {
    for text in docs {
        line(out, indent, format!("/// {text}").trim_end());
    }
}

fn line(out: &mut String, indent: &str, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{indent}{text}");
}
