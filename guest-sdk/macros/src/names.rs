//! Names on their way between Rust and WIT, exactly as wit-bindgen writes them. Pure.

use heck::{ToKebabCase, ToSnakeCase, ToUpperCamelCase};
use proc_macro2::Span;
use syn::{Error, Ident, Result};

/// The words that WIT keeps for itself; as names they carry a `%`.
const WIT_KEYWORDS: &[&str] = &[
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "error-context",
    "export",
    "f32",
    "f64",
    "flags",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "use",
    "variant",
    "with",
    "world",
    "external-id",
    "implements",
];

/// The words that Rust keeps for itself; wit-bindgen appends a `_` to them.
const RUST_KEYWORDS: &[&str] = &[
    "as", "break", "const", "continue", "crate", "else", "enum", "extern", "false", "fn", "for",
    "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return",
    "self", "static", "struct", "super", "trait", "true", "type", "unsafe", "use", "where",
    "while", "async", "await", "dyn", "abstract", "become", "box", "do", "final", "macro",
    "override", "priv", "typeof", "unsized", "virtual", "yield", "try",
];

/// The WIT name of a Rust identifier.
pub(crate) fn kebab(ident: &Ident) -> Result<String> {
    let text = ident.to_string();
    let kebab = text.trim_start_matches("r#").to_kebab_case();
    let well_formed = !kebab.is_empty()
        && kebab.split('-').all(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
        && kebab.is_ascii();
    if !well_formed {
        return Err(Error::new(
            ident.span(),
            format!(
                "`{text}` has no WIT name: every word must begin with an ASCII letter (`part_1` → `part1`)"
            ),
        ));
    }
    Ok(kebab)
}

/// A WIT name as it is written in WIT text.
pub(crate) fn escape(kebab: &str) -> String {
    if WIT_KEYWORDS.contains(&kebab) { format!("%{kebab}") } else { kebab.to_owned() }
}

/// The identifier that wit-bindgen gives a field, a function or a module of this WIT name.
pub(crate) fn bound_value(kebab: &str) -> Ident {
    let text =
        if RUST_KEYWORDS.contains(&kebab) { format!("{kebab}_") } else { kebab.to_snake_case() };
    Ident::new(&text, Span::call_site())
}

/// The identifier that wit-bindgen gives a type of this WIT name.
pub(crate) fn bound_type(kebab: &str) -> Ident {
    let text = if kebab == "guest" { "Guest_".to_owned() } else { kebab.to_upper_camel_case() };
    Ident::new(&text, Span::call_site())
}

/// The identifier that wit-bindgen gives a case of an enum or variant of this WIT name.
pub(crate) fn bound_case(kebab: &str) -> Ident {
    Ident::new(&kebab.to_upper_camel_case(), Span::call_site())
}
