//! From an author's folder to a component with its manifest inside.
//!
//! [`new`] lays out a project, [`build`] runs its toolchain, pins its dependencies and embeds its manifest, [`wrap`] does
//! the last of these for a component of any toolchain, [`wit_of`] and [`fetch_wit`] give the interfaces of components as
//! WIT text. This room touches the author's folder, starts the author's own toolchain, and asks registries about
//! dependencies. It runs no guest, judges no signature, prints nothing, and reads neither environment nor clock.

mod build;
mod companion;
mod component;
mod deps;
mod embed;
mod error;
mod file;
mod lock;
mod process;
mod revision;
mod scaffold;
mod toolchain;
mod wit;

pub use build::{BuildOptions, Built, OnLine, Warning, build};
pub use deps::{Fetched, fetch_wit};
pub use embed::wrap;
pub use error::{BoxError, Error, Result};
pub use lock::LOCKFILE;
pub use revision::Revision;
pub use scaffold::{Scaffold, SdkSource, Template, new};
pub use wit::{Interfaces, interfaces_of, wit_of};

/// The name of the authored manifest in a folder.
pub const MANIFEST: &str = "longshore.toml";
/// The largest component that is taken, in bytes: what the engine runs.
pub const MAX_COMPONENT_BYTES: u64 = 256 << 20;
