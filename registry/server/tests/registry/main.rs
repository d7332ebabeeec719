//! The registry from outside: raw HTTP in the categories of the distribution conformance suite,
//! hostile peers, crashes, and the clients that people use. Nothing here reaches into the crate.

mod clients;
mod crash;
mod discovery;
mod hostile;
mod management;
mod pull;
mod push;
mod wire;
