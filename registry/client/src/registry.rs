//! The client itself: a handle on connections, granted tokens and the cache. Its operations stand
//! in their own files.

use std::fmt;
use std::sync::Arc;

use longshore_reference::Digest;

use crate::cache::{Cache, CacheStats, Evicted, Kind};
use crate::config::{ClientConfig, Sizes};
use crate::error::Result;
use crate::progress::{Direction, Progress, Transfer};
use crate::transport::Transport;

/// A client for OCI registries. Cheap to clone; clones share connections, tokens and the cache.
#[derive(Clone)]
pub struct Registry {
    pub(crate) transport: Arc<Transport>,
    pub(crate) cache: Option<Arc<Cache>>,
    progress: Option<Arc<dyn Progress>>,
}

impl Registry {
    /// A client with these settings. Touches neither network nor disk: certificates and credentials
    /// are read when a registry first needs them.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        let cache = config.cache.clone().map(|root| Arc::new(Cache::new(root)));
        Self { transport: Arc::new(Transport::new(config)), cache, progress: None }
    }

    /// The same client, which tells `progress` of its transfers.
    #[must_use]
    pub fn with_progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Whether it was told to stay off the network.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.transport.config.offline
    }

    /// How much the cache holds; nothing without a cache.
    ///
    /// # Errors
    ///
    /// When the cache cannot be read.
    pub async fn cache_stats(&self) -> Result<CacheStats> {
        match &self.cache {
            Some(cache) => cache.stats().await,
            None => Ok(CacheStats::default()),
        }
    }

    /// Removes the oldest components from the cache until they take at most `keep_bytes`.
    ///
    /// # Errors
    ///
    /// When the cache cannot be read or written.
    pub async fn evict(&self, keep_bytes: u64) -> Result<Evicted> {
        match &self.cache {
            Some(cache) => cache.evict(keep_bytes).await,
            None => Ok(Evicted::default()),
        }
    }

    /// Removes one component from the cache; says whether it was there.
    ///
    /// # Errors
    ///
    /// When the cache cannot be written.
    pub async fn evict_component(&self, digest: &Digest) -> Result<bool> {
        match &self.cache {
            Some(cache) => cache.remove(Kind::Blob, digest).await,
            None => Ok(false),
        }
    }

    pub(crate) fn sizes(&self) -> &Sizes {
        &self.transport.config.sizes
    }

    pub(crate) fn report(&self, direction: Direction, digest: Digest, done: u64, total: u64) {
        if let Some(progress) = &self.progress {
            progress.report(&Transfer { direction, digest, done, total });
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("config", &self.transport.config).finish_non_exhaustive()
    }
}
