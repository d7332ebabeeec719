//! Rust types as WIT types: what is supported, and what to use instead of what is not. Pure.

use std::collections::BTreeSet;

use syn::{Error, GenericArgument, Ident, PathArguments, Result, ReturnType, Type};

/// A Rust type that WIT can say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// `bool`, numbers, `char`: the name in WIT.
    Scalar(&'static str),
    Text,
    List(Box<Shape>),
    Option(Box<Shape>),
    /// Both sides may be `()`.
    Result(Option<Box<Shape>>, Option<Box<Shape>>),
    Tuple(Vec<Shape>),
    /// A struct or an enum of the module.
    Local(Ident),
    /// `longshore_guest::Failure`.
    Failure,
    /// A type of an imported interface: `actions::<interface>::<Type>`.
    Imported(Ident, Ident),
}

/// A parameter: WIT hands over values, and the author may look at one through a reference.
pub(crate) struct Parameter {
    pub(crate) shape: Shape,
    pub(crate) borrowed: bool,
}

/// Reads types where only the module's own names are known.
pub(crate) struct Reader<'a> {
    /// The structs and enums of the module.
    pub(crate) locals: &'a BTreeSet<String>,
    /// Whether `actions::…` names the imports.
    pub(crate) imports: bool,
}

impl Reader<'_> {
    /// The type of a parameter; `&str` and `&[T]` are allowed here.
    pub(crate) fn parameter(&self, ty: &Type) -> Result<Parameter> {
        let Type::Reference(reference) = ty else {
            return Ok(Parameter { shape: self.shape(ty)?, borrowed: false });
        };
        if reference.mutability.is_some() {
            return Err(Error::new_spanned(
                ty,
                "a caller in another sandbox cannot see changes: take the value and return the changed one",
            ));
        }
        let shape = match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => Shape::Text,
            Type::Slice(slice) => Shape::List(Box::new(self.shape(&slice.elem)?)),
            other => self.shape(other)?,
        };
        Ok(Parameter { shape, borrowed: true })
    }

    /// The type that a function returns; `None` for nothing.
    pub(crate) fn output(&self, output: &ReturnType) -> Result<Option<Shape>> {
        match output {
            ReturnType::Default => Ok(None),
            ReturnType::Type(_, ty) => self.unit_or_shape(ty),
        }
    }

    fn unit_or_shape(&self, ty: &Type) -> Result<Option<Shape>> {
        match ty {
            Type::Tuple(tuple) if tuple.elems.is_empty() => Ok(None),
            _ => Ok(Some(self.shape(ty)?)),
        }
    }

    /// The type of a field, an element or a payload.
    pub(crate) fn shape(&self, ty: &Type) -> Result<Shape> {
        match ty {
            Type::Paren(inner) => self.shape(&inner.elem),
            Type::Group(inner) => self.shape(&inner.elem),
            Type::Path(path) if path.qself.is_none() => self.path(ty, &path.path),
            Type::Tuple(tuple) if tuple.elems.is_empty() => Err(Error::new_spanned(
                ty,
                "`()` is only known as a return value and inside `Result`: leave it out",
            )),
            Type::Tuple(tuple) => Ok(Shape::Tuple(
                tuple.elems.iter().map(|ty| self.shape(ty)).collect::<Result<_>>()?,
            )),
            Type::Array(array) => Err(unsupported(ty, &format!("`Vec<{}>`", text(&array.elem)))),
            Type::Reference(_) => Err(Error::new_spanned(
                ty,
                "a reference cannot cross the sandbox here: use the owned type (`String`, `Vec<T>`, the value itself)",
            )),
            Type::ImplTrait(_) | Type::TraitObject(_) | Type::BareFn(_) => Err(Error::new_spanned(
                ty,
                "behaviour cannot cross the sandbox: use an enum of the choices, or a struct of the data",
            )),
            _ => Err(Error::new_spanned(ty, "this type has no WIT form: use a struct or an enum")),
        }
    }

    fn path(&self, ty: &Type, path: &syn::Path) -> Result<Shape> {
        let Some(last) = path.segments.last() else {
            return Err(Error::new_spanned(ty, "this type has no WIT form"));
        };
        let name = last.ident.to_string();
        if self.imports && path.segments.len() == 3 && path.segments[0].ident == "actions" {
            return Ok(Shape::Imported(path.segments[1].ident.clone(), last.ident.clone()));
        }
        let single = path.segments.len() == 1;
        if single && self.locals.contains(&name) {
            if !last.arguments.is_none() {
                return Err(Error::new_spanned(
                    ty,
                    "a type that crosses the sandbox cannot be generic",
                ));
            }
            return Ok(Shape::Local(last.ident.clone()));
        }
        if let Some(scalar) = scalar(&name).filter(|_| single) {
            return Ok(Shape::Scalar(scalar));
        }
        let inner = arguments(&last.arguments);
        match (name.as_str(), inner.as_slice()) {
            ("String", []) => Ok(Shape::Text),
            ("Failure", []) => Ok(Shape::Failure),
            ("Vec", [element]) => Ok(Shape::List(Box::new(self.shape(element)?))),
            ("Option", [value]) => Ok(Shape::Option(Box::new(self.shape(value)?))),
            ("Result", [ok, err]) => Ok(Shape::Result(
                self.unit_or_shape(ok)?.map(Box::new),
                self.unit_or_shape(err)?.map(Box::new),
            )),
            ("Result", [ok]) => Ok(Shape::Result(
                self.unit_or_shape(ok)?.map(Box::new),
                Some(Box::new(Shape::Failure)),
            )),
            _ => Err(foreign(ty, &name, &inner)),
        }
    }
}

fn scalar(name: &str) -> Option<&'static str> {
    Some(match name {
        "bool" => "bool",
        "char" => "char",
        "u8" => "u8",
        "u16" => "u16",
        "u32" => "u32",
        "u64" => "u64",
        "i8" => "s8",
        "i16" => "s16",
        "i32" => "s32",
        "i64" => "s64",
        "f32" => "f32",
        "f64" => "f64",
        _ => return None,
    })
}

fn foreign(ty: &Type, name: &str, inner: &[&Type]) -> Error {
    let first = inner.first().map_or_else(|| "T".to_owned(), |ty| text(ty));
    match (name, inner) {
        ("HashMap" | "BTreeMap" | "IndexMap", [key, value]) => {
            unsupported(ty, &format!("`Vec<({}, {})>`", text(key), text(value)))
        }
        ("HashSet" | "BTreeSet" | "VecDeque" | "BinaryHeap" | "LinkedList", _) => {
            unsupported(ty, &format!("`Vec<{first}>`"))
        }
        ("Box" | "Rc" | "Arc" | "Cow", _) => unsupported(ty, "the value itself"),
        ("usize", _) => unsupported(ty, "`u32`, or `u64`"),
        ("isize", _) => unsupported(ty, "`i32`, or `i64`"),
        ("u128" | "i128", _) => unsupported(ty, "`String` with decimal digits"),
        ("str" | "OsString" | "PathBuf" | "Path", _) => unsupported(ty, "`String`"),
        ("Duration", _) => {
            unsupported(ty, "`u64` with the unit in the name, for example `timeout_ms`")
        }
        ("SystemTime" | "Instant", _) => unsupported(ty, "`u64` milliseconds since the epoch"),
        ("Value", _) => unsupported(ty, "`String` with JSON text, or a struct"),
        ("Bytes", _) => unsupported(ty, "`Vec<u8>`"),
        _ => Error::new_spanned(
            ty,
            format!(
                "`{name}` has no WIT form: define it as a struct with named fields or an enum inside this module"
            ),
        ),
    }
}

fn unsupported(ty: &Type, instead: &str) -> Error {
    Error::new_spanned(ty, format!("`{}` has no WIT form: use {instead}", text(ty)))
}

/// A type as an author would write it.
fn text(ty: &Type) -> String {
    quote::quote!(#ty)
        .to_string()
        .replace(" < ", "<")
        .replace(" >", ">")
        .replace(" ,", ",")
        .replace(" :: ", "::")
}

fn arguments(arguments: &PathArguments) -> Vec<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return Vec::new() };
    arguments
        .args
        .iter()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
        .collect()
}
