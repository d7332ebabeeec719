//! What a guest may touch: one file for each capability, each the only place where its grant is enforced.
//!
//! Nothing here decides: the grant was decided in `host/policy`. Each file takes the grant and builds the narrowest thing
//! that honours it. A capability that was not granted is refused before instantiation (`host/policy` sees the imports); what
//! stays linked without a grant is inert: an empty environment, no directories, no sockets, fixed seeds.

pub(crate) mod blobstore;
pub(crate) mod budget;
pub(crate) mod clock;
pub(crate) mod dir;
pub(crate) mod dns;
pub(crate) mod env;
pub(crate) mod exec;
pub(crate) mod http;
pub(crate) mod keyvalue;
pub(crate) mod logging;
pub(crate) mod net;
pub(crate) mod random;
pub(crate) mod scratch;
pub(crate) mod secret;
pub(crate) mod settings;
pub(crate) mod sockets;
pub(crate) mod stdio;
pub(crate) mod virtualized;
