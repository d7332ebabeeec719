//! The whole path through the `longshore` library: real components, real registries, real disks; every way in which it can go
//! wrong, with the code that the operator sees. Knows no command line.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod artifacts;
mod blobs;
mod caches;
mod capabilities;
mod commands;
mod components;
mod concurrency;
mod disk;
mod durable;
mod egress;
mod faults;
mod files;
mod http;
mod input;
mod journal;
mod limits;
mod processes;
mod publish;
mod registries;
mod secrets;
mod sockets;
mod stage;
mod stores;
mod trust;
mod workflows;
