//! The expansion: the author's module as it was, its WIT, and in a component the bindings and the conversions.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{Error, ItemMod, Result};

use crate::arguments::Arguments;
use crate::dependencies::{Dependencies, shared};
use crate::interface::{Body, Defined, Function, Interface, members, read, walk};
use crate::names::{bound_case, bound_type, bound_value};
use crate::types::Shape;
use crate::wit_text;

/// Which attribute it was.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Action,
    Workflow,
}

/// Expands a module.
pub(crate) fn expand(kind: Kind, arguments: &Arguments, module: &ItemMod) -> Result<TokenStream> {
    let interface = read(module, kind == Kind::Workflow)?;
    let dependencies = dependencies(kind, arguments)?;
    check_imported(&interface, &dependencies)?;
    let text = wit_text::interface_text(arguments, &interface, &dependencies.interfaces);
    let package = wit_text::package_text(arguments, &text);
    let inline =
        wit_text::component_text(arguments, &text, &dependencies.text, &dependencies.interfaces);
    let shared = shared(&inline).map_err(|error| Error::new(module.ident.span(), error))?;

    let bindings = bindings(&inline, &shared);
    let glue = glue(arguments, &interface);
    let actions = actions(&dependencies);
    let files = dependencies.files.iter().map(|file| file.display().to_string());
    let ItemMod { attrs, vis, unsafety, mod_token, ident, content, .. } = module;
    let items = content.as_ref().map(|(_, items)| items.as_slice()).unwrap_or_default();
    // A workflow's imports are types that its own code names, so they are there natively too.
    let only = match kind {
        Kind::Action => quote!(#[cfg(target_family = "wasm")]),
        Kind::Workflow => quote!(),
    };
    Ok(quote! {
        #(#attrs)*
        #vis #unsafety #mod_token #ident {
            #(#items)*

            /// The WIT package of this module, generated from it.
            pub const WIT: &str = #package;

            #actions

            #only
            #[doc(hidden)]
            #[allow(dead_code, unused, clippy::all, missing_docs, unreachable_pub, rust_2018_idioms)]
            #[allow(unsafe_code, unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks, clippy::multiple_unsafe_ops_per_block)]
            mod __longshore {
                #bindings
                #glue
                #(const _: &[u8] = include_bytes!(#files);)*
            }
        }
    })
}

fn dependencies(kind: Kind, arguments: &Arguments) -> Result<Dependencies> {
    let span = arguments.deps.as_ref().map_or_else(proc_macro2::Span::call_site, syn::LitStr::span);
    let folder = match (kind, &arguments.deps) {
        (Kind::Action, Some(_)) => {
            return Err(Error::new(span, "an action imports no actions: this is for `workflow`"));
        }
        (Kind::Action, None) => None,
        (Kind::Workflow, deps) => {
            let relative = deps.as_ref().map_or_else(|| "wit/deps".to_owned(), syn::LitStr::value);
            Some(manifest_folder().join(relative))
        }
    };
    Dependencies::load(folder.as_deref()).map_err(|error| Error::new(span, error))
}

/// Cargo tells a macro where the crate is in no other way.
#[expect(
    clippy::disallowed_methods,
    reason = "a macro learns the crate's folder from cargo's environment"
)]
fn manifest_folder() -> std::path::PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map(std::path::PathBuf::from).unwrap_or_default()
}

fn check_imported(interface: &Interface, dependencies: &Dependencies) -> Result<()> {
    let mut error: Option<Error> = None;
    let mut visit = |shape: &Shape| {
        let Shape::Imported(module, name) = shape else { return };
        if wit_text::imported(&dependencies.interfaces, &module.to_string(), &name.to_string())
            .is_none()
        {
            let next = Error::new(
                name.span(),
                format!("no imported interface `{module}` has a type `{name}`"),
            );
            match &mut error {
                Some(all) => all.combine(next),
                None => error = Some(next),
            }
        }
    };
    for defined in &interface.types {
        members(&defined.body)
            .iter()
            .filter_map(|m| m.shape.as_ref())
            .for_each(|s| walk(s, &mut visit));
    }
    for function in &interface.functions {
        function.parameters.iter().for_each(|(_, parameter)| walk(&parameter.shape, &mut visit));
        function.output.iter().for_each(|shape| walk(shape, &mut visit));
    }
    error.map_or(Ok(()), Err)
}

fn bindings(inline: &str, shared: &[&str]) -> TokenStream {
    let with = shared.iter().map(|interface| match *interface {
        wit_text::WAITING => quote!(#interface: ::longshore_guest::workflow::waiting,),
        _ => quote!(#interface: ::longshore_guest::types,),
    });
    let with = (!shared.is_empty()).then(|| quote!(with: { #(#with)* },));
    quote! {
        ::longshore_guest::__private::wit_bindgen::generate!({
            inline: #inline,
            path: [],
            world: "component",
            runtime_path: "::longshore_guest::__private::wit_bindgen::rt",
            additional_derives: [PartialEq],
            generate_all,
            #with
        });
    }
}

/// The imported interfaces under the names that an author uses.
fn actions(dependencies: &Dependencies) -> TokenStream {
    if dependencies.interfaces.is_empty() {
        return TokenStream::new();
    }
    let uses = dependencies.interfaces.iter().map(|import| {
        let (namespace, package) = (bound_value(&import.namespace), bound_value(&import.package));
        let name = bound_value(&import.name);
        let twins =
            dependencies.interfaces.iter().filter(|other| other.name == import.name).count();
        if twins > 1 {
            let alias = format_ident!("{package}_{name}");
            quote!(pub use super::__longshore::#namespace::#package::#name as #alias;)
        } else {
            quote!(pub use super::__longshore::#namespace::#package::#name;)
        }
    });
    quote! {
        /// The interfaces that this workflow imports.
        #[allow(unused_imports)]
        pub(crate) mod actions {
            #(#uses)*
        }
    }
}

fn glue(arguments: &Arguments, interface: &Interface) -> TokenStream {
    let namespace = bound_value(&arguments.package.namespace);
    let package = bound_value(&arguments.package.name);
    let name = bound_value(&arguments.interface);
    let conversions = interface.types.iter().map(conversion);
    let functions = interface.functions.iter().map(function);
    quote! {
        use self::exports::#namespace::#package::#name as bound;

        struct Component;

        impl bound::Guest for Component {
            #(#functions)*
        }

        #(#conversions)*

        #[cfg(target_family = "wasm")]
        export!(Component);
    }
}

fn function(function: &Function) -> TokenStream {
    let name = bound_value(&function.name);
    let author = &function.ident;
    let parameters = function.parameters.iter().map(|(name, parameter)| {
        let (name, ty) = (bound_value(name), bound_shape(&parameter.shape));
        quote!(#name: #ty)
    });
    let values = function.parameters.iter().map(|(name, parameter)| {
        let name = bound_value(name);
        let value = inward(&parameter.shape, quote!(#name));
        if parameter.borrowed { quote!(&#value) } else { value }
    });
    let call = quote!(super::#author(#(#values),*));
    match &function.output {
        None => quote!(fn #name(#(#parameters),*) { #call; }),
        Some(shape) => {
            let (ty, value) = (bound_shape(shape), outward(shape, call));
            quote!(fn #name(#(#parameters),*) -> #ty { #value })
        }
    }
}

/// A shape as wit-bindgen types it.
fn bound_shape(shape: &Shape) -> TokenStream {
    match shape {
        Shape::Scalar(name) => {
            let name = format_ident!("{}", name.replace('s', "i"));
            quote!(#name)
        }
        Shape::Text => quote!(::std::string::String),
        Shape::List(inner) => {
            let inner = bound_shape(inner);
            quote!(::std::vec::Vec<#inner>)
        }
        Shape::Option(inner) => {
            let inner = bound_shape(inner);
            quote!(::core::option::Option<#inner>)
        }
        Shape::Result(ok, err) => {
            let side = |side: &Option<Box<Shape>>| {
                side.as_ref().map_or_else(|| quote!(()), |s| bound_shape(s))
            };
            let (ok, err) = (side(ok), side(err));
            quote!(::core::result::Result<#ok, #err>)
        }
        Shape::Tuple(inner) => {
            let inner = inner.iter().map(bound_shape);
            quote!((#(#inner,)*))
        }
        Shape::Local(ident) => {
            let ty = bound_ident(ident);
            quote!(bound::#ty)
        }
        Shape::Failure => quote!(::longshore_guest::types::Failure),
        Shape::Imported(interface, name) => quote!(super::actions::#interface::#name),
    }
}

fn bound_ident(ident: &Ident) -> Ident {
    crate::names::kebab(ident).map_or_else(|_| ident.clone(), |name| bound_type(&name))
}

fn outward(shape: &Shape, value: TokenStream) -> TokenStream {
    convert(shape, value, "out")
}

fn inward(shape: &Shape, value: TokenStream) -> TokenStream {
    convert(shape, value, "into")
}

/// The value as the other side types it; itself where both sides have the same type.
fn convert(shape: &Shape, value: TokenStream, way: &str) -> TokenStream {
    let mut differs = false;
    walk(shape, &mut |shape| differs |= matches!(shape, Shape::Local(_)));
    if !differs {
        return value;
    }
    match shape {
        Shape::Local(ident) => {
            let function = format_ident!("{way}_{ident}");
            quote!(#function(#value))
        }
        Shape::List(inner) => {
            let inner = convert(inner, quote!(v), way);
            quote!(#value.into_iter().map(|v| #inner).collect::<::std::vec::Vec<_>>())
        }
        Shape::Option(inner) => {
            let inner = convert(inner, quote!(v), way);
            quote!(#value.map(|v| #inner))
        }
        Shape::Result(ok, err) => {
            let side = |side: &Option<Box<Shape>>| match side {
                Some(shape) => convert(shape, quote!(v), way),
                None => quote!(v),
            };
            let (ok, err) = (side(ok), side(err));
            quote!(#value.map(|v| #ok).map_err(|v| #err))
        }
        Shape::Tuple(inner) => {
            let names = (0..inner.len()).map(|n| format_ident!("v{n}")).collect::<Vec<_>>();
            let values =
                inner.iter().zip(&names).map(|(shape, name)| convert(shape, quote!(#name), way));
            quote!({ let (#(#names,)*) = #value; (#(#values,)*) })
        }
        Shape::Scalar(_) | Shape::Text | Shape::Failure | Shape::Imported(..) => value,
    }
}

/// Both conversions of a struct or an enum.
fn conversion(defined: &Defined) -> TokenStream {
    let ident = &defined.ident;
    let (out, into) = (format_ident!("out_{ident}"), format_ident!("into_{ident}"));
    let ty = bound_type(&defined.name);
    let (mut outs, mut ins) = (Vec::new(), Vec::new());
    for member in members(&defined.body) {
        let author = &member.ident;
        match (&defined.body, &member.shape) {
            (Body::Record(_), shape) => {
                let name = bound_value(&member.name);
                let (to, from) = shape.as_ref().map_or_else(
                    || (quote!(v.#author), quote!(v.#name)),
                    |shape| (outward(shape, quote!(v.#author)), inward(shape, quote!(v.#name))),
                );
                outs.push(quote!(#name: #to));
                ins.push(quote!(#author: #from));
            }
            (_, Some(shape)) => {
                let name = bound_case(&member.name);
                let (to, from) = (outward(shape, quote!(v)), inward(shape, quote!(v)));
                outs.push(quote!(super::#ident::#author(v) => bound::#ty::#name(#to)));
                ins.push(quote!(bound::#ty::#name(v) => super::#ident::#author(#from)));
            }
            (_, None) => {
                let name = bound_case(&member.name);
                outs.push(quote!(super::#ident::#author => bound::#ty::#name));
                ins.push(quote!(bound::#ty::#name => super::#ident::#author));
            }
        }
    }
    let (to, from) = match defined.body {
        Body::Record(_) => (quote!(bound::#ty { #(#outs),* }), quote!(super::#ident { #(#ins),* })),
        Body::Enum(_) | Body::Variant(_) => {
            (quote!(match v { #(#outs),* }), quote!(match v { #(#ins),* }))
        }
    };
    quote! {
        #[allow(non_snake_case)]
        fn #out(v: super::#ident) -> bound::#ty { #to }
        #[allow(non_snake_case)]
        fn #into(v: bound::#ty) -> super::#ident { #from }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        let arguments = syn::parse_str("package = \"a:b@1.0.0\", interface = \"c\"").unwrap();
        let module = syn::parse_str(&format!("mod c {{ {body} }}")).unwrap();
        let error = expand(Kind::Action, &arguments, &module).unwrap_err();
        error.into_iter().map(|error| error.to_string()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_wit_cannot_say_is_refused_with_what_to_use_instead() {
        for (body, advice) in [
            (
                "pub fn f(v: HashMap<String, u8>) {}",
                "`HashMap<String, u8>` has no WIT form: use `Vec<(String, u8)>`",
            ),
            ("pub fn f(v: usize) {}", "use `u32`, or `u64`"),
            ("pub fn f(v: [u8; 4]) {}", "use `Vec<u8>`"),
            ("pub fn f(v: Box<u8>) {}", "use the value itself"),
            ("pub fn f(v: Vec<&str>) {}", "use the owned type"),
            ("pub fn f(v: &mut u8) {}", "return the changed one"),
            ("pub fn f(v: std::path::PathBuf) {}", "use `String`"),
            ("pub fn f(v: Elsewhere) {}", "define it as a struct with named fields"),
            ("pub fn f(v: impl Fn()) {}", "behaviour cannot cross the sandbox"),
            ("pub async fn f() {}", "remove `async`"),
            ("pub fn f<T>(v: T) {}", "cannot be generic"),
            ("fn f() {}", "exports nothing"),
            ("pub struct S(u8); pub fn f(v: S) {}", "named fields"),
            ("pub struct S { part_1: u8 } pub fn f(v: S) {}", "must begin with an ASCII letter"),
            (
                "pub enum E { A { x: u8 } } pub fn f(v: E) {}",
                "define a struct and write `Case(ThatStruct)`",
            ),
            ("pub enum E { A(u8, u8) } pub fn f(v: E) {}", "at most one value"),
            ("pub struct S { s: Vec<S> } pub fn f(v: S) {}", "contains itself"),
            ("pub struct Size { n: u8 } pub fn size() -> Size {}", "rename one"),
        ] {
            let said = refused(body);
            assert!(said.contains(advice), "`{body}`: {said}");
        }
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let said = refused("pub fn f(v: usize) {} pub fn g(v: isize) {}");
        assert_eq!(said.lines().count(), 2, "{said}");
    }

    #[test]
    fn arguments_are_checked() {
        for (text, advice) in [
            ("package = \"nope\", interface = \"c\"", "acme:text@1.0.0"),
            ("interface = \"c\"", "`package` is missing"),
            ("package = \"a:b\", interface = \"C\"", "is not a WIT name"),
            ("package = \"a:b\", world = \"c\"", "unknown argument"),
        ] {
            let said = syn::parse_str::<Arguments>(text)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(said.contains(advice), "`{text}`: {said}");
        }
    }
}
