//! The arguments of the attributes: `package = "ns:name@1.0.0", interface = "name"`. Nothing is looked up here.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, LitStr, MetaNameValue, Result, Token};

/// What the author wrote between the parentheses.
pub(crate) struct Arguments {
    /// Where the WIT package is to live.
    pub(crate) package: Package,
    /// The interface that the module becomes; kebab-case.
    pub(crate) interface: String,
    /// The folder with the WIT packages that a workflow imports, relative to its `Cargo.toml`.
    pub(crate) deps: Option<LitStr>,
}

/// A WIT package name in parts.
pub(crate) struct Package {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) version: Option<String>,
}

impl Package {
    fn parse(literal: &LitStr) -> Result<Self> {
        let text = literal.value();
        let wrong = || {
            Error::new(
                literal.span(),
                format!("`{text}` is not a WIT package name: write it like `acme:text@1.0.0`"),
            )
        };
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, Some(version.to_owned())),
            None => (text.as_str(), None),
        };
        let (namespace, name) = path.split_once(':').ok_or_else(wrong)?;
        if !is_kebab(namespace) || !is_kebab(name) || version.as_deref() == Some("") {
            return Err(wrong());
        }
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned(), version })
    }

    /// `ns:name` without the version.
    pub(crate) fn path(&self) -> String {
        format!("{}:{}", crate::names::escape(&self.namespace), crate::names::escape(&self.name))
    }

    /// `@1.0.0`, or nothing.
    pub(crate) fn at_version(&self) -> String {
        self.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default()
    }
}

fn is_kebab(text: &str) -> bool {
    text.split('-').all(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    })
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let span = input.span();
        let (mut package, mut interface, mut deps) = (None, None, None);
        for pair in Punctuated::<MetaNameValue, Token![,]>::parse_terminated(input)? {
            let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(value), .. }) = &pair.value else {
                return Err(Error::new_spanned(&pair.value, "expected a string literal"));
            };
            let slot = match pair.path.get_ident().map(ToString::to_string).as_deref() {
                Some("package") => &mut package,
                Some("interface") => &mut interface,
                Some("deps") => &mut deps,
                _ => {
                    return Err(Error::new_spanned(
                        &pair.path,
                        "unknown argument: there are `package`, `interface` and `deps`",
                    ));
                }
            };
            if slot.replace(value.clone()).is_some() {
                return Err(Error::new_spanned(&pair.path, "this argument is given twice"));
            }
        }
        let package = package.ok_or_else(|| {
            Error::new(span, "`package` is missing: add `package = \"acme:text@1.0.0\"`")
        })?;
        let interface = interface.ok_or_else(|| {
            Error::new(span, "`interface` is missing: add `interface = \"chunk\"`")
        })?;
        if !is_kebab(&interface.value()) {
            return Err(Error::new(
                interface.span(),
                format!(
                    "`{}` is not a WIT name: use lower-case words joined by `-`",
                    interface.value()
                ),
            ));
        }
        Ok(Self { package: Package::parse(&package)?, interface: interface.value(), deps })
    }
}
