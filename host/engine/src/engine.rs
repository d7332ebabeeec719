//! The engine: four configurations of wasmtime, one for components that need the component model's async, one whose results
//! are the same bits everywhere, one that is both, and one, faster, for all others; with the linkers that every component of theirs shares.

use std::collections::HashMap;
use std::hash::{Hash as _, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use longshore_ports::Backing;
use longshore_reference::Digest;
use longshore_trust::Verified;
use tokio::time::Instant;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Enabled, PoolingAllocationConfig, Store};

use crate::cache::{CodeCache, Lookup};
use crate::call::Scene;
use crate::capability::net::Resolver;
use crate::compiled::Compiled;
use crate::fault::DeadlinePassed;
use crate::host::Host;
use crate::ticker::{Ticker, Ticking};
use crate::{Error, contract, scan};

/// Where instances get their memory from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allocation {
    /// Mapped for each instance: the least memory, and the quickest start of a process that makes few calls.
    #[default]
    OnDemand,
    /// From a pool that is reused: the quickest calls, for hosts that make many.
    Pooling,
}

/// The version in the workspace's `Cargo.toml`, which pins it exactly.
const WASMTIME: &str = "48.0.8";

/// How an [`Engine`] is set up. `Default`: on demand, no cache on disk.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    /// Where instances get their memory from.
    pub allocation: Allocation,
    /// Where compiled code is kept; nowhere if none.
    pub cache: Option<PathBuf>,
    /// What stands behind capabilities.
    pub backing: Backing,
    /// How names are looked up.
    pub resolver: Resolver,
    /// Where runs have their scratch directories; without it none is given, and no program is started.
    pub scratch: Option<PathBuf>,
}

/// Compiles, links and runs components. Clones share everything.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    allocation: Allocation,
    resolver: Resolver,
    plain: OnceLock<Arc<Flavor>>,
    concurrent: OnceLock<Arc<Flavor>>,
    deterministic: OnceLock<Arc<Flavor>>,
    ordered: OnceLock<Arc<Flavor>>,
    setup: Mutex<()>,
    cache: Option<CodeCache>,
    backing: Backing,
    scratch: Option<PathBuf>,
    compiled: Mutex<HashMap<Digest, Weak<Compiled>>>,
}

/// One configuration of wasmtime with its linker and its clock hand.
pub(crate) struct Flavor {
    engine: wasmtime::Engine,
    linker: Linker<Host>,
    /// The linker of workflows, once there is one; they run on the deterministic configuration only.
    workflows: OnceLock<Linker<Host>>,
    fingerprint: String,
    resolver: Resolver,
    kind: Kind,
    ticker: Ticker,
}

/// The configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    /// With the component model's async.
    Concurrent,
    /// For workflows, and for components that ask for nothing: their results can be computed again.
    Deterministic,
    /// For workflows of the component model's async: what came of their calls is given to them in the journal's order.
    Ordered,
}

impl Kind {
    fn of(scan: &scan::Scan) -> Self {
        match (scan.concurrency, scan.workflow) {
            (true, true) => Self::Ordered,
            (true, false) => Self::Concurrent,
            (false, true) => Self::Deterministic,
            (false, false) if scan.asks_for_nothing => Self::Deterministic,
            (false, false) => Self::Plain,
        }
    }
}

impl Kind {
    /// Whether results are the same bits everywhere, and instructions are counted.
    const fn is_repeatable(self) -> bool {
        matches!(self, Self::Deterministic | Self::Ordered)
    }
}

impl Engine {
    /// Sets up an engine.
    ///
    /// # Errors
    ///
    /// [`Error::Cache`] when the cache's directory cannot be used.
    pub fn new(config: EngineConfig) -> Result<Self, Error> {
        let cache = config.cache.as_deref().map(CodeCache::open).transpose()?;
        if let Some(root) = &config.scratch {
            crate::capability::scratch::sweep(root);
        }
        Ok(Self(Arc::new(Inner {
            allocation: config.allocation,
            resolver: config.resolver,
            plain: OnceLock::new(),
            concurrent: OnceLock::new(),
            deterministic: OnceLock::new(),
            ordered: OnceLock::new(),
            setup: Mutex::new(()),
            cache,
            backing: config.backing,
            scratch: config.scratch,
            compiled: Mutex::default(),
        })))
    }

    pub(crate) fn backing(&self) -> &Backing {
        &self.0.backing
    }

    /// Compiles a verified component, or takes its code from the cache.
    ///
    /// Blocks for as long as the compiler needs (about 0.1 s for 100 KB, seconds for a language runtime); on an async thread,
    /// call it through `spawn_blocking`.
    ///
    /// # Errors
    ///
    /// When the bytes are not a component that can run here.
    pub fn compile(&self, verified: &Verified) -> Result<Arc<Compiled>, Error> {
        let digest = verified.digest();
        if let Some(known) = self.known(verified) {
            return Ok(known);
        }
        let name = verified.source().to_string();
        let scan = scan::scan(&name, verified.bytes())?;
        let flavor = self.flavor_of(&scan)?;
        let component = self.code(&flavor, &name, digest, verified.bytes())?;
        Ok(self.keep(Compiled::new(flavor, component, verified, name, scan)?))
    }

    /// Where runs have their scratch directories.
    pub(crate) fn scratch(&self) -> Option<&PathBuf> {
        self.0.scratch.as_ref()
    }

    fn keep(&self, compiled: Compiled) -> Arc<Compiled> {
        let compiled = Arc::new(compiled);
        let mut known = self.0.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, entry| entry.strong_count() > 0);
        known.insert(compiled.digest(), Arc::downgrade(&compiled));
        compiled
    }

    /// As [`Engine::compile`], but only if that takes no compiling: from memory or from the cache of compiled code.
    ///
    /// # Errors
    ///
    /// When the bytes are not a component that can run here.
    pub fn cached(&self, verified: &Verified) -> Result<Option<Arc<Compiled>>, Error> {
        let digest = verified.digest();
        if let Some(known) = self.known(verified) {
            return Ok(Some(known));
        }
        let Some(cache) = &self.0.cache else { return Ok(None) };
        let name = verified.source().to_string();
        let scan = scan::scan(&name, verified.bytes())?;
        let flavor = self.flavor_of(&scan)?;
        match cache.load(&flavor.engine, digest, &flavor.fingerprint) {
            Lookup::Hit(component) => {
                Ok(Some(self.keep(Compiled::new(flavor, component, verified, name, scan)?)))
            }
            Lookup::Miss => Ok(None),
        }
    }

    /// What a component says of itself, without compiling it: its manifest's bytes.
    ///
    /// # Errors
    ///
    /// When the bytes are not a component.
    pub fn manifest_section(name: &str, bytes: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(scan::scan(name, bytes)?.manifest)
    }

    /// The same bytes from elsewhere, or vouched for by others, are another component to policy and journal.
    fn known(&self, verified: &Verified) -> Option<Arc<Compiled>> {
        let known = self.0.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = known.get(&verified.digest()).and_then(Weak::upgrade)?;
        compiled.is_of(verified).then_some(compiled)
    }

    /// The configuration for a component, ready to link it.
    fn flavor_of(&self, scan: &scan::Scan) -> Result<Arc<Flavor>, Error> {
        let flavor = self.flavor(Kind::of(scan))?;
        if scan.workflow {
            flavor.serve_workflows()?;
        }
        Ok(flavor)
    }

    fn flavor(&self, kind: Kind) -> Result<Arc<Flavor>, Error> {
        let slot = match kind {
            Kind::Plain => &self.0.plain,
            Kind::Concurrent => &self.0.concurrent,
            Kind::Deterministic => &self.0.deterministic,
            Kind::Ordered => &self.0.ordered,
        };
        if let Some(flavor) = slot.get() {
            return Ok(Arc::clone(flavor));
        }
        let _one_at_a_time = self.0.setup.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flavor) = slot.get() {
            return Ok(Arc::clone(flavor));
        }
        let flavor = Arc::new(Flavor::new(self.0.allocation, kind, self.0.resolver.clone())?);
        Ok(Arc::clone(slot.get_or_init(|| flavor)))
    }

    fn code(
        &self,
        flavor: &Flavor,
        name: &str,
        digest: Digest,
        bytes: &[u8],
    ) -> Result<Component, Error> {
        let Some(cache) = &self.0.cache else {
            return Component::from_binary(&flavor.engine, bytes).map_err(|e| invalid(name, &e));
        };
        if let Lookup::Hit(component) = cache.load(&flavor.engine, digest, &flavor.fingerprint) {
            return Ok(component);
        }
        let artifact =
            flavor.engine.precompile_component(bytes).map_err(|error| invalid(name, &error))?;
        if let Err(error) = cache.store(digest, &flavor.fingerprint, &artifact) {
            tracing::warn!(%digest, %error, "compiled code cannot be kept; it will be compiled again");
        } else if let Lookup::Hit(component) =
            cache.load(&flavor.engine, digest, &flavor.fingerprint)
        {
            return Ok(component);
        }
        // SAFETY: `artifact` was made a few lines above by this very engine and has not left this function.
        unsafe { Component::deserialize(&flavor.engine, &artifact) }
            .map_err(|error| invalid(name, &error))
    }
}

fn invalid(name: &str, error: &wasmtime::Error) -> Error {
    Error::Invalid { name: name.to_owned(), reason: format!("{error:#}") }
}

impl Flavor {
    fn new(allocation: Allocation, kind: Kind, resolver: Resolver) -> Result<Self, Error> {
        let setup = |error: wasmtime::Error| Error::Setup(format!("{error:#}"));
        let engine = wasmtime::Engine::new(&configure(allocation, kind)).map_err(setup)?;
        let linker = contract::linker(&engine, kind == Kind::Concurrent).map_err(setup)?;
        let ticker = Ticker::start(vec![engine.weak()]).map_err(|e| Error::Setup(e.to_string()))?;
        let mut hasher = StableHasher(blake3::Hasher::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let fingerprint = hasher.0.finalize().to_hex()[..32].to_owned();
        let workflows = OnceLock::new();
        Ok(Self { engine, linker, workflows, fingerprint, resolver, kind, ticker })
    }

    pub(crate) fn engine(&self) -> &wasmtime::Engine {
        &self.engine
    }

    /// The linker of workflows, or of all others.
    pub(crate) fn linker(&self, workflow: bool) -> &Linker<Host> {
        self.workflows.get().filter(|_| workflow).unwrap_or(&self.linker)
    }

    /// Sees to it that there is a linker for workflows.
    fn serve_workflows(&self) -> Result<(), Error> {
        if self.workflows.get().is_none() {
            let linker = contract::workflows(&self.linker);
            let linker = linker.map_err(|error| Error::Setup(format!("{error:#}")))?;
            // Whoever else made one meanwhile made the same.
            let _ = self.workflows.set(linker);
        }
        Ok(())
    }

    /// What tells its compiled code from another's: versions, features, target.
    pub(crate) fn fingerprint(&self) -> String {
        format!("wasmtime {WASMTIME} {}", &self.fingerprint[..16])
    }

    pub(crate) fn concurrency(&self) -> bool {
        self.kind == Kind::Concurrent
    }

    /// Whether what came of calls is given to its guests in the journal's order: see [`crate::turns`].
    pub(crate) fn is_ordered(&self) -> bool {
        self.kind == Kind::Ordered
    }

    /// Whether the same call gives the same bits on every machine.
    pub(crate) fn is_deterministic(&self) -> bool {
        self.kind == Kind::Deterministic
    }

    pub(crate) fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    pub(crate) fn tick(&self) -> Ticking<'_> {
        self.ticker.tick()
    }

    /// With how much fuel a call begins; none where it is not counted. A workflow is bounded by its deadline, since it waits.
    fn fuel(&self, scene: &Scene) -> Option<u64> {
        let most = if scene.durable { u64::MAX } else { scene.grant.limits().fuel };
        self.kind.is_repeatable().then_some(most)
    }

    /// The fuel that a call used, where it is counted.
    pub(crate) fn burnt(&self, store: &Store<Host>) -> u64 {
        let began = self.fuel(&store.data().scene);
        began.map_or(0, |began| began.saturating_sub(store.get_fuel().unwrap_or(began)))
    }

    /// A store for one call: limits, deadline and the budget of host calls set.
    pub(crate) fn store(&self, host: Host, scene: &Scene) -> Store<Host> {
        let budget = usize::try_from(scene.grant.limits().host_call_bytes).unwrap_or(usize::MAX);
        let mut store = Store::new(&self.engine, host);
        store.limiter(|host| &mut host.limiter);
        store.set_hostcall_fuel(budget);
        // What a component holds in its own tables counts like what the host holds for it.
        let handles = usize::try_from(scene.grant.limits().handles).unwrap_or(usize::MAX);
        store.set_max_component_handles(handles);
        if let Some(fuel) = self.fuel(scene)
            && store.set_fuel(fuel).is_err()
        {
            unreachable!("this configuration counts fuel");
        }
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            let scene = &store.data().scene;
            if Instant::now() >= scene.deadline() {
                return Err(wasmtime::Error::new(DeadlinePassed));
            }
            // A guest that is told of a used-up budget and goes on all the same has come to its end.
            if let Some(hit) = scene.used_up() {
                return Err(wasmtime::Error::new(hit));
            }
            Ok(scene.turn.tick())
        });
        store
    }
}

impl std::fmt::Debug for Flavor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flavor")
            .field("fingerprint", &self.fingerprint)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

fn configure(allocation: Allocation, kind: Kind) -> Config {
    let concurrency = matches!(kind, Kind::Concurrent | Kind::Ordered);
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_async(concurrency)
        .concurrency_support(concurrency)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(64))
        .epoch_interruption(true)
        .consume_fuel(kind.is_repeatable())
        .memory_init_cow(true)
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(kind.is_repeatable())
        .max_wasm_stack(512 << 10)
        .async_stack_size(2 << 20);
    if allocation == Allocation::Pooling {
        let mut pool = PoolingAllocationConfig::new();
        pool.linear_memory_keep_resident(1 << 20)
            .table_keep_resident(1 << 16)
            .async_stack_keep_resident(0)
            // As many as a manifest may raise its limits to, so that what runs on demand runs here.
            .max_core_instances_per_component(256)
            .max_memories_per_component(256)
            .max_tables_per_component(1000)
            .table_elements(400_000)
            .pagemap_scan(Enabled::Auto);
        config.allocation_strategy(pool);
    }
    config
}

/// Makes of a `Hash` a fingerprint that is the same in every process of this build.
struct StableHasher(blake3::Hasher);

impl Hasher for StableHasher {
    fn finish(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0.finalize().as_bytes()[..8]);
        u64::from_le_bytes(first)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}
