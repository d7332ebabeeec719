//! The attribute macros of `longshore-guest`: a Rust module becomes a WIT interface and a component.
//!
//! Everything here works on syntax. It reads no file but the WIT packages in a workflow's `wit/deps`, and runs nothing.
//! Authors use it through `longshore_guest`, which documents it.

mod arguments;
mod dependencies;
mod expand;
mod interface;
mod names;
mod types;
mod wit_text;

use proc_macro::TokenStream;

/// Makes the operations of an action out of a module: see `longshore_guest::action`.
#[proc_macro_attribute]
pub fn action(arguments: TokenStream, module: TokenStream) -> TokenStream {
    run(expand::Kind::Action, arguments, module)
}

/// Makes a workflow out of a module: see `longshore_guest::workflow`.
#[proc_macro_attribute]
pub fn workflow(arguments: TokenStream, module: TokenStream) -> TokenStream {
    run(expand::Kind::Workflow, arguments, module)
}

fn run(kind: expand::Kind, arguments: TokenStream, module: TokenStream) -> TokenStream {
    let module = syn::parse_macro_input!(module as syn::ItemMod);
    let expanded = syn::parse::<arguments::Arguments>(arguments)
        .and_then(|arguments| expand::expand(kind, &arguments, &module));
    match expanded {
        Ok(tokens) => tokens.into(),
        // The module stays, so that the author sees this error and not a hundred unresolved names.
        Err(error) => {
            let error = error.into_compile_error();
            quote::quote!(#module #error).into()
        }
    }
}
