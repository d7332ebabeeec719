//! The host and how it is put together.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use longshore_client::{ClientConfig, Progress, Registry};
use longshore_engine::{Allocation, Engine, EngineConfig, Resolver};
use longshore_journal::{Journal, MemoryStore, Store};
use longshore_model::Clock;
use longshore_policy::Policy;
use longshore_ports::{Backing, BlobStore, KeyValue, MemoryBlobs, MemoryKeyValue, Vault};
use longshore_trust::{PrivateKey, TrustPolicy};

use crate::durable::{Desk, PATIENCE};
use crate::{Error, Home, SystemClock};

/// Looks up the value of an environment variable whose name was granted.
pub(crate) type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Fills bytes that nobody can foresee.
pub(crate) type Entropy = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// A host: resolves, verifies, grants and runs components. Clones share everything.
#[derive(Clone)]
pub struct Longshore(pub(crate) Arc<Host>);

pub(crate) struct Host {
    pub(crate) registry: Registry,
    pub(crate) default_registry: Option<String>,
    pub(crate) trust: TrustPolicy,
    pub(crate) engine: Engine,
    pub(crate) policy: Policy,
    pub(crate) journal: Journal,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) environment: Environment,
    entropy: Option<Entropy>,
    /// How long a workflow that can only wait is kept in memory.
    pub(crate) patience: Option<Duration>,
    pub(crate) desk: Desk,
    pub(crate) home: Option<Home>,
    signer: OnceLock<Arc<PrivateKey>>,
}

/// Puts a host together. What is not set is the safe choice: no registry is trusted, nothing is allowed, the environment is
/// empty, the journal is in memory, and nothing is kept on disk.
#[derive(Default)]
pub struct Builder {
    home: Option<Home>,
    registry: ClientConfig,
    progress: Option<Arc<dyn Progress>>,
    default_registry: Option<String>,
    trust: Option<TrustPolicy>,
    policy: Policy,
    allocation: Allocation,
    resolver: Resolver,
    store: Option<Arc<dyn Store>>,
    clock: Option<Arc<dyn Clock>>,
    environment: Option<Environment>,
    entropy: Option<Entropy>,
    engine: Option<Engine>,
    signer: Option<PrivateKey>,
    backing: Backing,
    patience: Option<Duration>,
}

impl Longshore {
    /// A builder with the safe defaults.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// The registry client.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The trust policy in force.
    #[must_use]
    pub fn trust(&self) -> &TrustPolicy {
        &self.0.trust
    }

    /// The key that seals receipts; made on first use where none was given.
    ///
    /// # Errors
    ///
    /// When it cannot be read or made.
    pub fn signer(&self) -> Result<Arc<PrivateKey>, Error> {
        self.0.signer()
    }
}

impl Host {
    /// Fills `bytes` for ids and seeds.
    pub(crate) fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        match &self.entropy {
            Some(entropy) => entropy(bytes),
            None => getrandom::fill(bytes).map_err(|e| Error::Entropy(e.to_string()))?,
        }
        Ok(())
    }

    pub(crate) fn signer(&self) -> Result<Arc<PrivateKey>, Error> {
        if let Some(signer) = self.signer.get() {
            return Ok(Arc::clone(signer));
        }
        let key = match &self.home {
            Some(home) => home.receipt_signer()?,
            None => {
                let mut entropy = [0; 32];
                getrandom::fill(&mut entropy).map_err(|e| Error::Entropy(e.to_string()))?;
                PrivateKey::generate(&entropy)?
            }
        };
        Ok(Arc::clone(self.signer.get_or_init(|| Arc::new(key))))
    }
}

impl Builder {
    /// Keeps caches and the receipt key in `path`. The journal stays in memory unless [`Builder::store`] says otherwise.
    #[must_use]
    pub fn home(mut self, path: impl Into<PathBuf>) -> Self {
        self.home = Some(Home::new(path));
        self
    }

    /// How registries are spoken to. Its cache is set by [`Builder::home`] where it names none.
    #[must_use]
    pub fn registry(mut self, config: ClientConfig) -> Self {
        self.registry = config;
        self
    }

    /// Who is told of transfers from and to registries.
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Where references without a registry are looked for.
    #[must_use]
    pub fn default_registry(mut self, host: impl Into<String>) -> Self {
        self.default_registry = Some(host.into());
        self
    }

    /// Who may vouch for what. Without it everything from a registry is rejected.
    #[must_use]
    pub fn trust(mut self, policy: TrustPolicy) -> Self {
        self.trust = Some(policy);
        self
    }

    /// What the operator allows.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Where instances get their memory from.
    #[must_use]
    pub fn allocation(mut self, allocation: Allocation) -> Self {
        self.allocation = allocation;
        self
    }

    /// How names are looked up; the system does it by default. Answers are vetted all the same.
    #[must_use]
    pub fn resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// Where the journal is kept.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Where the values of granted environment variables come from.
    #[must_use]
    pub fn environment(
        mut self,
        lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.environment = Some(Arc::new(lookup));
        self
    }

    /// Where the ids of runs, and the seeds of what is random in them, come from: the system, if this is not set. For tests that
    /// are to go the same way each time.
    #[must_use]
    pub fn entropy(mut self, fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        self.entropy = Some(Arc::new(fill));
        self
    }

    /// Shares the engine of another host in this process, with its compiled code and all that stands behind its capabilities. What
    /// else was said of allocation, names, secrets, keys and values does not count then.
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Who fetches the values of secrets. Without it no secret is ever available.
    #[must_use]
    pub fn vault(mut self, vault: Arc<dyn Vault>) -> Self {
        self.backing.vault = Some(vault);
        self
    }

    /// How long a workflow that can only wait is kept in memory before it leaves: one second, if this is not set. It comes back
    /// by repeating its history, so a wait that is shorter than that is cheaper in memory.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Where buckets of keys and values are kept. Without it they last as long as this host.
    #[must_use]
    pub fn keyvalue(mut self, store: Arc<dyn KeyValue>) -> Self {
        self.backing.keyvalue = Some(store);
        self
    }

    /// Where containers of objects are kept. Without it they last as long as this host.
    #[must_use]
    pub fn blobstore(mut self, store: Arc<dyn BlobStore>) -> Self {
        self.backing.blobstore = Some(store);
        self
    }

    /// The key that seals receipts.
    #[must_use]
    pub fn signer(mut self, key: PrivateKey) -> Self {
        self.signer = Some(key);
        self
    }

    /// The host. Costs no network, and of the disk only the cache of compiled code.
    ///
    /// # Errors
    ///
    /// When the cache of compiled code cannot be used.
    pub fn build(self) -> Result<Longshore, Error> {
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
        let mut registry = self.registry;
        if let (None, Some(home)) = (&registry.cache, &self.home) {
            registry.cache = Some(home.registry_cache());
        }
        let cache = self.home.as_ref().map(Home::code_cache);
        let scratch = self.home.as_ref().map(Home::scratch);
        let mut backing = self.backing;
        backing.keyvalue.get_or_insert_with(|| Arc::new(MemoryKeyValue::default()));
        backing.blobstore.get_or_insert_with(|| Arc::new(MemoryBlobs::default()));
        let engine = match self.engine {
            Some(engine) => engine,
            None => Engine::new(EngineConfig {
                allocation: self.allocation,
                cache,
                backing,
                scratch,
                resolver: self.resolver,
            })?,
        };
        let registry = Registry::new(registry);
        Ok(Longshore(Arc::new(Host {
            registry: match self.progress {
                Some(progress) => registry.with_progress(progress),
                None => registry,
            },
            default_registry: self.default_registry,
            trust: self.trust.unwrap_or_default(),
            engine,
            policy: self.policy,
            journal: Journal::new(store, Arc::clone(&clock)),
            clock,
            environment: self.environment.unwrap_or_else(|| Arc::new(|_| None)),
            entropy: self.entropy,
            patience: Some(self.patience.unwrap_or(PATIENCE)),
            desk: Desk::default(),
            home: self.home,
            signer: self.signer.map(|key| OnceLock::from(Arc::new(key))).unwrap_or_default(),
        })))
    }
}
