//! The binary `longshore` from the outside: what it writes others read, what others write it reads,
//! and what is wrong it says by exit status, code and hint. Asks the libraries nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "where programs are, the environment says")]

mod artifacts;
mod authors;
mod buckets;
mod capabilities;
mod components;
mod copies;
mod demo;
mod desk;
mod durable;
mod egress;
mod faults;
mod foreign;
mod home;
mod hosts;
mod input;
mod kills;
mod lies;
mod moving;
mod offline;
mod private;
mod published;
mod receipts;
mod strace;
mod taken;
mod trust;
