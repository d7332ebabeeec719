//! The client against Debian's registry and against servers that lie.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod debian;
mod hostile;
mod hostile_server;
mod secrets;
mod signatures;
mod tls;
