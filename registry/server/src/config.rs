//! What the operator decides about a registry: where, for whom, how much. Plain data; nothing here
//! is read from disk.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use longshore_reference::Access;

/// The settings of a [`Server`](crate::Server).
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder that holds everything; it is made when it does not exist, and belongs to one
    /// server at a time.
    pub root: PathBuf,
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether `listen` may be an address that other machines can reach.
    pub allow_remote: bool,
    /// Host names, besides loopback ones, that a `Host` header may carry while the server listens
    /// on loopback (the names of a proxy in front). Others are refused, so that a web page cannot
    /// reach in through a rebound DNS name.
    pub hosts: Vec<String>,
    /// Whether every push and delete is refused.
    pub read_only: bool,
    /// Who may do what. Empty: everybody who can connect may do everything that `read_only` leaves.
    pub users: Vec<User>,
    /// With `users`: whether pulls need no user.
    pub anonymous_read: bool,
    /// The bounds.
    pub limits: Limits,
}

impl Config {
    /// A registry in `root`, with these defaults: loopback on a free port, nobody remote, pushes
    /// allowed, no users, and [`Limits::default`].
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            allow_remote: false,
            hosts: Vec::new(),
            read_only: false,
            users: Vec::new(),
            anonymous_read: false,
            limits: Limits::default(),
        }
    }
}

/// Somebody who may use the registry, by HTTP basic authentication.
#[derive(Clone)]
pub struct User {
    /// The name; no colon, not empty.
    pub name: String,
    /// The password or token; not empty. Never shown.
    pub password: String,
    /// Pulling only, or pulling, pushing and deleting.
    pub access: Access,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

/// The bounds of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one blob; 1 GiB.
    pub blob_bytes: u64,
    /// Bytes of one manifest; 4 MiB, as the specification suggests.
    pub manifest_bytes: u64,
    /// Descriptors in one manifest or index; 4,096.
    pub descriptors: usize,
    /// Connections at once; 256. Further ones wait to be accepted.
    pub connections: usize,
    /// Uploads in progress at once; 64.
    pub uploads: usize,
    /// How long an upload may rest between two requests; 10 minutes.
    pub upload_idle: Duration,
    /// How long the head of a request may take, and a connection may rest between requests; 30
    /// seconds.
    pub head: Duration,
    /// How long a body may go without a byte, in either direction; 30 seconds.
    pub body_idle: Duration,
    /// How long one body may take as a whole, in either direction; 1 hour.
    pub body: Duration,
    /// Entries on one page of tags, repositories or referrers; 1,000.
    pub page: usize,
    /// How long open requests may take to end after a stop was asked for; 10 seconds.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            blob_bytes: 1 << 30,
            manifest_bytes: 4 << 20,
            descriptors: 4_096,
            connections: 256,
            uploads: 64,
            upload_idle: Duration::from_secs(600),
            head: Duration::from_secs(30),
            body_idle: Duration::from_secs(30),
            body: Duration::from_secs(3_600),
            page: 1_000,
            drain: Duration::from_secs(10),
        }
    }
}
