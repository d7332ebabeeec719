//! Longshore as a library: run signed WebAssembly components under a grant, with a journal and a receipt.
//!
//! ```no_run
//! # async fn example() -> Result<(), longshore::Error> {
//! let host = longshore::Longshore::builder().home("state").build()?;
//! let report = host.run("registry.example.com/workflows/ingest:1.0.0", r#"{"urls": []}"#).await?;
//! println!("{}", report.outcome.word());
//! # Ok(())
//! # }
//! ```
//!
//! The whole path is in `run.rs`. This crate sees every stage and holds no SQL, no wire format and no command line; the
//! concrete store of the journal is the embedder's choice (in memory, or one passed to the builder).

mod admit;
mod builder;
mod clock;
mod durable;
mod error;
mod home;
mod report;
mod request;
mod run;
mod session;

pub use admit::Prepared;
pub use builder::{Builder, Longshore};
pub use clock::SystemClock;
pub use durable::{Approve, Moved, OpenApproval, Resume, Verdict};
pub use error::{Class, Error};
pub use home::Home;
pub use report::Report;
pub use request::{Input, Request, Target};
pub use run::{Admitted, Cancel, Running};
pub use session::Session;

/// The rooms behind the library, for embedders who need more than the path: each is the crate of that name.
pub use {
    longshore_client as client, longshore_engine as engine, longshore_journal as journal,
    longshore_model as model, longshore_policy as policy, longshore_ports as ports,
    longshore_receipt as receipt, longshore_reference as reference, longshore_trust as trust,
};

/// The version of Longshore, as receipts state it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
