//! An embedded OCI registry: distribution spec 1.1 with the referrers API, on a folder of the local
//! disk.
//!
//! It serves bytes and checks what the specification lets a registry check: names, digests, sizes
//! and that what a manifest points at is there. It must not judge signatures, read a manifest of
//! ours, know of the host, or read a clock, an environment variable or any file outside its root.
//! It speaks plain HTTP/1.1 and listens on loopback unless told otherwise; TLS is the business of a
//! proxy in front.
//!
//! A request walks `connection` (sockets, timeouts) → `guard` (who may) → `route` (what is asked) →
//! `blobs`, `manifests` or `listing` (the answer) → `store` (the disk).

mod blobs;
mod config;
mod connection;
mod error;
mod guard;
mod listing;
mod manifests;
mod range;
mod reply;
mod route;
mod server;
mod store;
mod upload;

pub use config::{Config, Limits, User};
pub use error::Error;
pub use server::Server;
