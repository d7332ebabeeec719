//! The registry client: resolve, fetch, push, signatures as referrers, and the local
//! content-addressed cache.
//!
//! This room touches the network and the cache's folder, and nothing else: it judges no signature
//! (registry/trust does), runs nothing, prints nothing, and reads neither the environment nor the
//! clock. What a registry says is hostile until it has been measured: every answer is bounded and
//! timed, and content counts only if it has the digest it was asked for by.
//!
//! The HTTP is ours, over the same client that `oci-client` uses: `oci-client` gives the manifest's
//! types, but reads without bounds, follows what descriptors and realms say, and cannot keep the
//! fallback tag of referrers.

mod cache;
mod config;
mod credentials;
mod error;
mod fetch;
mod manifest;
mod progress;
mod push;
mod referrers;
mod registry;
mod resolve;
mod tags;
mod transport;

pub use cache::{CacheStats, Evicted};
pub use config::{ClientConfig, Sizes, Timeouts};
pub use error::{BoxError, Error, Result};
pub use manifest::Artifact;
pub use progress::{Direction, Progress, Transfer};
pub use push::Pushed;
pub use registry::Registry;
