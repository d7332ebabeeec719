//! Testing actions: natively, as the plain functions that they are, and in their sandbox, as the components that they become.
//!
//! [`with_settings`], [`with_attempt`], [`with_http`] and [`record`] stand in for the host on the calling thread. [`Sandbox`]
//! builds the crate and calls it through the `longshore` program.

mod check;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod native;
#[cfg(not(target_family = "wasm"))]
mod sandbox;

pub use check::check_wit;
#[cfg(not(target_family = "wasm"))]
pub use native::{Attempt, Line, Record, record, with_attempt, with_http, with_settings};
#[cfg(not(target_family = "wasm"))]
pub use sandbox::{Answer, Error, Sandbox};
