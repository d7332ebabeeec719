//! What a Rust author of actions and workflows depends on.
//!
//! Write plain functions in a module, say [`action`] above it, and the crate is a component: the WIT comes from the Rust
//! types, the bindings from the WIT. Natively the same module is only plain functions, so `cargo test` calls them.
//!
//! ```
//! #[longshore_guest::action(package = "acme:text@1.0.0", interface = "count")]
//! pub mod count {
//!     use longshore_guest::Failure;
//!
//!     /// How long a text is.
//!     #[derive(Debug, PartialEq)]
//!     pub struct Size {
//!         pub words: u32,
//!         pub bytes: u64,
//!     }
//!
//!     /// Counts the words of `text`.
//!     pub fn measure(text: String) -> Result<Size, Failure> {
//!         if text.is_empty() {
//!             return Err(Failure::fatal("empty", "there is no text"));
//!         }
//!         Ok(Size { words: text.split_whitespace().count() as u32, bytes: text.len() as u64 })
//!     }
//! }
//!
//! assert_eq!(count::measure("two words".into()).unwrap().words, 2);
//! assert!(count::WIT.contains("measure: func(text: string) -> result<size, failure>;"));
//! ```
//!
//! Build it with `crate-type = ["cdylib"]` for `wasm32-wasip2`. What a component does not call it does not import: an
//! action that never logs asks its host for no log. This crate starts no thread, reads no clock and keeps no state but
//! what the test harness sets.

pub mod attempt;
mod bindings;
pub mod http;
pub mod log;
pub mod progress;
pub mod run;
pub mod secrets;
pub mod settings;
pub mod spans;
pub mod testing;
pub mod types;
pub mod workflow;

/// Turns a module into a WIT interface and its crate into a component.
///
/// `#[action(package = "acme:text@1.0.0", interface = "chunk")]` on a module with a body. Every `pub fn` becomes an
/// operation, doc comments become WIT docs, and names become kebab-case. The module gains `pub const WIT: &str`.
///
/// | Rust | WIT |
/// |---|---|
/// | `bool`, `u8`…`u64`, `i8`…`i64`, `f32`, `f64`, `char` | the same; `i…` is `s…` |
/// | `String`; `&str` as a parameter | `string` |
/// | `Vec<T>`; `&[T]` as a parameter | `list<T>` |
/// | `Option<T>`, `Result<T, E>`, `(A, B)` | `option`, `result`, `tuple` |
/// | a struct with named fields | `record` |
/// | an enum without payloads | `enum` |
/// | an enum whose cases carry at most one value | `variant` |
/// | [`Failure`]; `Result<T>` alone means `Result<T, Failure>` | `longshore:action/types.failure` |
///
/// Anything else is a compile error that says what to use instead. For flags and resources write the WIT by hand and use
/// [`generate!`].
pub use longshore_guest_macros::action;

/// As [`action`], for a component that calls actions.
///
/// `#[workflow(package = "acme:flow@1.0.0", interface = "flow")]`. The WIT packages in `wit/deps` (or `deps = "…"`, relative
/// to `Cargo.toml`) are imported: the operations of `acme:text/chunk` are called as `actions::chunk::split(…)`, and its types
/// may stand in this module's own signatures, as `actions::chunk::Chunk`. Only what is called is imported in the component.
/// Natively the calls exist as types but panic: keep what is worth testing in functions that take the answers.
pub use longshore_guest_macros::workflow;

pub use types::{Failure, FailureClass, Result};

/// Bindings from WIT that the author wrote: `wit_bindgen::generate!` with this crate's runtime.
///
/// Takes the options of wit-bindgen in braces: `longshore_guest::generate!({ world: "flags-demo", path: "wit" })`, then
/// `export!(Component)` as usual. Map failures to [`Failure`] with
/// `with: { "longshore:action/types@0.1.0": longshore_guest::types }`.
#[macro_export]
macro_rules! generate {
    ({ $($options:tt)* }) => {
        $crate::__private::wit_bindgen::generate!({
            runtime_path: "::longshore_guest::__private::wit_bindgen::rt",
            $($options)*
        });
    };
}

#[doc(hidden)]
pub mod __private {
    pub use serde_json;
    pub use wit_bindgen;
}
