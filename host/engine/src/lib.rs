//! The engine: the sole importer of wasmtime. Compiles verified components, keeps their code, links them with their grants and
//! calls them in sandboxes, journaling as it goes.
//!
//! It decides nothing about trust (`registry/trust` mints `Verified`) or permission (`host/policy` mints `Grant`), and it reads
//! neither configuration nor environment.

mod cache;
mod call;
mod capability;
mod children;
mod companion;
mod compiled;
mod contract;
mod engine;
mod error;
mod fault;
mod host;
mod ledger;
mod limiter;
mod link;
mod parts;
mod processor;
mod retry;
mod scan;
mod step;
mod ticker;
mod turns;
mod uses;
pub mod value;

pub use call::{Recompute, RunContext, RunOptions, Stdio};
pub use capability::net::{Answer, Resolve, Resolver};
pub use capability::stdio::Watcher;
pub use children::{Children, StartedChild};
pub use compiled::{Arguments, Compiled, Function};
pub use engine::{Allocation, Engine, EngineConfig};
pub use error::Error;
pub use ledger::Halt;
pub use link::{Links, Ready};
pub use scan::{MANIFEST_SECTION, MAX_COMPONENT_BYTES};
pub use uses::Uses;
