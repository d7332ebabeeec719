//! See the crate description.

pub mod value;
