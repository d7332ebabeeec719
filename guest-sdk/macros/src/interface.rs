//! A module read as an interface: its public functions and the types that they reach. Pure.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    Attribute, Error, Expr, ExprLit, Fields, FnArg, Ident, Item, ItemFn, ItemMod, Lit, Meta, Pat,
    Result,
};

use crate::names::kebab;
use crate::types::{Parameter, Reader, Shape};

/// What the module offers.
pub(crate) struct Interface {
    pub(crate) docs: Vec<String>,
    /// In the order of the source; only what a function reaches.
    pub(crate) types: Vec<Defined>,
    pub(crate) functions: Vec<Function>,
}

/// A struct or an enum.
pub(crate) struct Defined {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) docs: Vec<String>,
    pub(crate) body: Body,
}

/// What is inside.
pub(crate) enum Body {
    Record(Vec<Member>),
    /// Payload-free cases only: a WIT enum.
    Enum(Vec<Member>),
    Variant(Vec<Member>),
}

/// A field, or a case with or without a payload.
pub(crate) struct Member {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) docs: Vec<String>,
    pub(crate) shape: Option<Shape>,
}

/// An operation.
pub(crate) struct Function {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) docs: Vec<String>,
    pub(crate) parameters: Vec<(String, Parameter)>,
    pub(crate) output: Option<Shape>,
}

/// Reads a module with a body.
pub(crate) fn read(module: &ItemMod, imports: bool) -> Result<Interface> {
    let Some((_, items)) = &module.content else {
        return Err(Error::new_spanned(
            module,
            "the module must have its body here: `mod name { … }`",
        ));
    };
    let locals = items
        .iter()
        .filter_map(|item| match item {
            Item::Struct(item) => Some(item.ident.to_string()),
            Item::Enum(item) => Some(item.ident.to_string()),
            _ => None,
        })
        .collect::<BTreeSet<_>>();
    let reader = Reader { locals: &locals, imports };
    let mut errors = Vec::new();
    let functions = items
        .iter()
        .filter_map(|item| match item {
            Item::Fn(function) if matches!(function.vis, syn::Visibility::Public(_)) => {
                Some(function)
            }
            _ => None,
        })
        .filter_map(|function| function_of(&reader, function).map_err(|e| errors.push(e)).ok())
        .collect::<Vec<_>>();
    if functions.is_empty() && errors.is_empty() {
        return Err(Error::new_spanned(
            &module.ident,
            "the module exports nothing: make at least one function `pub`",
        ));
    }
    let types = reached(&reader, items, &functions, &mut errors);
    if let Some(error) = errors.into_iter().reduce(|mut all, next| {
        all.combine(next);
        all
    }) {
        return Err(error);
    }
    let interface = Interface { docs: docs(&module.attrs), types, functions };
    names_differ(&interface)?;
    Ok(interface)
}

/// The types that the functions reach, and that those reach, in the order of the source.
fn reached(
    reader: &Reader<'_>,
    items: &[Item],
    functions: &[Function],
    errors: &mut Vec<Error>,
) -> Vec<Defined> {
    let sources = items
        .iter()
        .filter_map(|item| match item {
            Item::Struct(item) => Some((item.ident.to_string(), item.ident.clone())),
            Item::Enum(item) => Some((item.ident.to_string(), item.ident.clone())),
            _ => None,
        })
        .collect::<Vec<_>>();
    let mut wanted = BTreeSet::new();
    for function in functions {
        for (_, parameter) in &function.parameters {
            locals_in(&parameter.shape, &mut wanted);
        }
        if let Some(output) = &function.output {
            locals_in(output, &mut wanted);
        }
    }
    let mut found = BTreeMap::new();
    while let Some(name) = wanted.iter().find(|name| !found.contains_key(*name)).cloned() {
        let defined = items.iter().find_map(|item| match item {
            Item::Struct(item) if item.ident == name => Some(record(reader, item)),
            Item::Enum(item) if item.ident == name => Some(cases(reader, item)),
            _ => None,
        });
        match defined {
            Some(Ok(defined)) => {
                for member in members(&defined.body) {
                    if let Some(shape) = &member.shape {
                        locals_in(shape, &mut wanted);
                    }
                }
                found.insert(name, Some(defined));
            }
            Some(Err(error)) => {
                errors.push(error);
                found.insert(name, None);
            }
            None => {
                found.insert(name, None);
            }
        }
    }
    recursion(&found, errors);
    sources.iter().filter_map(|(name, _)| found.remove(name).flatten()).collect()
}

/// WIT has no recursive types: says so where the type is defined.
fn recursion(found: &BTreeMap<String, Option<Defined>>, errors: &mut Vec<Error>) {
    for (name, defined) in found {
        let Some(defined) = defined else { continue };
        let mut seen = BTreeSet::new();
        let mut next = vec![defined];
        while let Some(at) = next.pop() {
            let mut inner = BTreeSet::new();
            members(&at.body)
                .iter()
                .filter_map(|m| m.shape.as_ref())
                .for_each(|s| locals_in(s, &mut inner));
            if inner.contains(name) {
                errors.push(Error::new(
                    defined.ident.span(),
                    format!("`{name}` contains itself, which WIT cannot say: refer to the inner ones by index"),
                ));
                break;
            }
            next.extend(
                inner
                    .into_iter()
                    .filter(|n| seen.insert(n.clone()))
                    .filter_map(|n| found.get(&n)?.as_ref()),
            );
        }
    }
}

/// The members of any body.
pub(crate) fn members(body: &Body) -> &[Member] {
    match body {
        Body::Record(members) | Body::Enum(members) | Body::Variant(members) => members,
    }
}

fn locals_in(shape: &Shape, into: &mut BTreeSet<String>) {
    walk(shape, &mut |shape| {
        if let Shape::Local(ident) = shape {
            into.insert(ident.to_string());
        }
    });
}

/// Visits a shape and everything inside it.
pub(crate) fn walk(shape: &Shape, visit: &mut dyn FnMut(&Shape)) {
    visit(shape);
    match shape {
        Shape::List(inner) | Shape::Option(inner) => walk(inner, visit),
        Shape::Result(ok, err) => {
            [ok, err].into_iter().flatten().for_each(|inner| walk(inner, visit))
        }
        Shape::Tuple(inner) => inner.iter().for_each(|inner| walk(inner, visit)),
        Shape::Scalar(_) | Shape::Text | Shape::Local(_) | Shape::Failure | Shape::Imported(..) => {
        }
    }
}

fn function_of(reader: &Reader<'_>, function: &ItemFn) -> Result<Function> {
    let signature = &function.sig;
    if let Some(token) = &signature.asyncness {
        return Err(Error::new_spanned(token, "an operation is a plain function: remove `async`"));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics,
            "an operation cannot be generic: give it the types that callers send",
        ));
    }
    let parameters = signature
        .inputs
        .iter()
        .map(|input| match input {
            FnArg::Receiver(receiver) => {
                Err(Error::new_spanned(receiver, "an operation has no `self`"))
            }
            FnArg::Typed(typed) => {
                let Pat::Ident(pattern) = &*typed.pat else {
                    return Err(Error::new_spanned(&typed.pat, "give this parameter a name"));
                };
                Ok((kebab(&pattern.ident)?, reader.parameter(&typed.ty)?))
            }
        })
        .collect::<Result<_>>()?;
    Ok(Function {
        ident: signature.ident.clone(),
        name: kebab(&signature.ident)?,
        docs: docs(&function.attrs),
        parameters,
        output: reader.output(&signature.output)?,
    })
}

fn record(reader: &Reader<'_>, item: &syn::ItemStruct) -> Result<Defined> {
    not_generic(&item.generics)?;
    let Fields::Named(fields) = &item.fields else {
        return Err(Error::new_spanned(
            &item.ident,
            "a record needs named fields: `struct Name { field: Type }`",
        ));
    };
    if fields.named.is_empty() {
        return Err(Error::new_spanned(
            &item.ident,
            "WIT has no empty record: give it a field, or leave it out",
        ));
    }
    let members = fields
        .named
        .iter()
        .filter_map(|field| field.ident.as_ref().map(|ident| (ident, field)))
        .map(|(ident, field)| {
            Ok(Member {
                ident: ident.clone(),
                name: kebab(ident)?,
                docs: docs(&field.attrs),
                shape: Some(reader.shape(&field.ty)?),
            })
        })
        .collect::<Result<_>>()?;
    defined(&item.ident, &item.attrs, Body::Record(members))
}

fn cases(reader: &Reader<'_>, item: &syn::ItemEnum) -> Result<Defined> {
    not_generic(&item.generics)?;
    if item.variants.is_empty() {
        return Err(Error::new_spanned(&item.ident, "WIT has no empty enum: give it a case"));
    }
    let mut payload = false;
    let members = item
        .variants
        .iter()
        .map(|variant| {
            let shape = match &variant.fields {
                Fields::Unit => None,
                Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                    payload = true;
                    Some(reader.shape(&fields.unnamed[0].ty)?)
                }
                Fields::Unnamed(_) => {
                    return Err(Error::new_spanned(
                        variant,
                        "a case carries at most one value: use a tuple in it, `Case((A, B))`, or a struct",
                    ));
                }
                Fields::Named(_) => {
                    return Err(Error::new_spanned(
                        variant,
                        "a case carries at most one value: define a struct and write `Case(ThatStruct)`",
                    ));
                }
            };
            let ident = variant.ident.clone();
            Ok(Member { name: kebab(&ident)?, ident, docs: docs(&variant.attrs), shape })
        })
        .collect::<Result<Vec<_>>>()?;
    let body = if payload { Body::Variant(members) } else { Body::Enum(members) };
    defined(&item.ident, &item.attrs, body)
}

fn defined(ident: &Ident, attributes: &[Attribute], body: Body) -> Result<Defined> {
    Ok(Defined { ident: ident.clone(), name: kebab(ident)?, docs: docs(attributes), body })
}

fn not_generic(generics: &syn::Generics) -> Result<()> {
    if generics.params.is_empty() {
        return Ok(());
    }
    Err(Error::new_spanned(generics, "a type that crosses the sandbox cannot be generic"))
}

/// Types and functions of an interface share one set of names.
fn names_differ(interface: &Interface) -> Result<()> {
    let mut seen = BTreeSet::new();
    let types = interface.types.iter().map(|defined| (&defined.name, &defined.ident));
    let functions = interface.functions.iter().map(|function| (&function.name, &function.ident));
    for (name, ident) in types.chain(functions) {
        if !seen.insert(name) {
            return Err(Error::new(
                ident.span(),
                format!(
                    "two things are called `{name}` in WIT, where types and functions share names: rename one"
                ),
            ));
        }
    }
    Ok(())
}

/// The lines of a doc comment, without the leading space.
fn docs(attributes: &[Attribute]) -> Vec<String> {
    attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
        .flat_map(|text| {
            text.split('\n')
                .map(|l| l.strip_prefix(' ').unwrap_or(l).to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}
