//! The client against Debian's registry and against servers that lie.

mod debian;
mod hostile;
mod hostile_server;
mod secrets;
