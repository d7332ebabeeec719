//! The client's settings. Everything is passed in: nothing here reads the environment or a file.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How long the client waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included. Default 10 s.
    pub connect: Duration,
    /// For the next bytes of an answer. Default 30 s.
    pub read: Duration,
    /// For one request for metadata from first to last byte, retries included. Default 60 s.
    pub request: Duration,
    /// For one blob, up or down, retries included. Default 15 min.
    pub blob: Duration,
    /// For a credential helper. Default 30 s.
    pub helper: Duration,
    /// Before the first retry; the second waits four times as long. Default 250 ms.
    pub backoff: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            request: Duration::from_secs(60),
            blob: Duration::from_secs(15 * 60),
            helper: Duration::from_secs(30),
            backoff: Duration::from_millis(250),
        }
    }
}

/// How much the client reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of a manifest or an index. Default 4 MiB, the distribution specification's own bound.
    pub manifest: u64,
    /// Bytes of a component. Default 512 MiB.
    pub component: u64,
    /// Bytes of one signature bundle. Default 1 MiB.
    pub bundle: u64,
    /// Referrers that are looked at. Default 100.
    pub referrers: usize,
    /// Tags of one repository. Default 10,000.
    pub tags: usize,
    /// Bytes sent in one piece of an upload. Default 4 MiB.
    pub chunk: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            manifest: 4 << 20,
            component: 512 << 20,
            bundle: 1 << 20,
            referrers: 100,
            tags: 10_000,
            chunk: 4 << 20,
        }
    }
}

/// The settings of a [`Registry`](crate::Registry).
///
/// The default has no cache, no credentials and no plain HTTP but to loopback addresses.
#[derive(Clone, Debug, Default)]
pub struct ClientConfig {
    /// The folder of the cache; made when it is first written. Without one every fetch goes to the
    /// registry.
    pub cache: Option<PathBuf>,
    /// Hosts (`host` or `host:port`) that may be spoken to in plain HTTP, besides loopback
    /// addresses.
    pub plain_http: Vec<String>,
    /// Loopback registries (`host:port`) that speak TLS after all.
    pub loopback_tls: Vec<String>,
    /// Hosts that may be sent credentials for a token although they are not of the registry's own
    /// site.
    pub token_hosts: Vec<String>,
    /// The docker config: a file, or a folder with `config.json` in it. A file that is not there
    /// means none.
    pub docker_config: Option<PathBuf>,
    /// Where credential helpers are looked for, as in `PATH`. `None` leaves that to the system.
    pub helper_path: Option<OsString>,
    /// Never use the network; the cache answers or nothing does.
    pub offline: bool,
    /// PEM files of certificate authorities, besides the system's.
    pub extra_ca: Vec<PathBuf>,
    /// How long the client waits.
    pub timeouts: Timeouts,
    /// How much the client reads.
    pub sizes: Sizes,
}
