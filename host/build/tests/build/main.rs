//! What an author sees: folders that build, folders that do not, and what is left behind either way.
#![expect(clippy::disallowed_methods, reason = "tests hand cargo the environment they were given")]
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed its test")]

mod folders;
mod lockfile;
mod project;
mod toolchains;
mod wit;
mod wrapping;
