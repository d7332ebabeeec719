//! The other side: wasmtime in the configuration that serves warm calls best, with nothing of Longshore around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wasmtime::Result;
use wasmtime::component::{
    Component, ComponentExportIndex, Instance, InstancePre, Linker, ResourceTable, Val,
};
use wasmtime::error::Context as _;
use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::stats::nanoseconds;

/// What a store of this side holds.
pub(crate) struct State {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

/// A component that is ready to be called.
pub(crate) struct Raw {
    engine: Engine,
    pre: InstancePre<State>,
    epochs: Option<Ticker>,
}

/// How long the parts of one call took, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parts {
    /// Making the store and its WASI context.
    pub(crate) store: f64,
    /// Instantiating.
    pub(crate) instantiate: f64,
    /// Calling.
    pub(crate) call: f64,
    /// Dropping the store, instances and memory.
    pub(crate) drop: f64,
}

impl Raw {
    /// Compiles and links `bytes`; with `epochs`, guests can be interrupted, as Longshore's can.
    pub(crate) fn new(bytes: &[u8], epochs: bool) -> Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.linear_memory_keep_resident(1 << 20)
            .table_keep_resident(1 << 16)
            .pagemap_scan(Enabled::Auto)
            .max_core_instances_per_component(64)
            .max_memories_per_component(16)
            .max_tables_per_component(64)
            .table_elements(100_000);
        let mut config = Config::new();
        config
            .concurrency_support(false)
            .wasm_component_model_async(false)
            .epoch_interruption(epochs)
            .allocation_strategy(pool);
        let engine = Engine::new(&config)?;
        let component = Component::from_binary(&engine, bytes)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        let pre = linker.instantiate_pre(&component)?;
        let epochs = epochs.then(|| Ticker::start(&engine)).transpose()?;
        Ok(Self { engine, pre, epochs })
    }

    /// The place of `interface#function`.
    pub(crate) fn export(&self, interface: &str, function: &str) -> Result<ComponentExportIndex> {
        let component = self.pre.component();
        let outer = component.get_export_index(None, interface).context("no such interface")?;
        component.get_export_index(Some(&outer), function).context("no such function")
    }

    fn store(&self) -> Store<State> {
        let state = State { ctx: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, state);
        if self.epochs.is_some() {
            store.set_epoch_deadline(1);
            store.epoch_deadline_async_yield_and_update(1);
        }
        store
    }

    /// A store and an instance, for calls without instantiation.
    pub(crate) async fn instance(&self) -> Result<(Store<State>, Instance)> {
        let mut store = self.store();
        let instance = self.pre.instantiate_async(&mut store).await?;
        Ok((store, instance))
    }

    /// One call: store, instance, call, drop.
    pub(crate) async fn call(
        &self,
        index: &ComponentExportIndex,
        params: &[Val],
    ) -> Result<Vec<Val>> {
        let mut store = self.store();
        let instance = self.pre.instantiate_async(&mut store).await?;
        let callee = instance.get_func(&mut store, index).context("not a function")?;
        let mut results = vec![Val::Bool(false)];
        callee.call_async(&mut store, params, &mut results).await?;
        Ok(results)
    }

    /// The same, with a watch beside it.
    pub(crate) async fn timed(
        &self,
        index: &ComponentExportIndex,
        params: &[Val],
    ) -> Result<Parts> {
        let begun = Instant::now();
        let mut store = self.store();
        let made = Instant::now();
        let instance = self.pre.instantiate_async(&mut store).await?;
        let instantiated = Instant::now();
        let callee = instance.get_func(&mut store, index).context("not a function")?;
        let mut results = vec![Val::Bool(false)];
        callee.call_async(&mut store, params, &mut results).await?;
        let called = Instant::now();
        drop(store);
        let dropped = called.elapsed();
        Ok(Parts {
            store: nanoseconds(made - begun),
            instantiate: nanoseconds(instantiated - made),
            call: nanoseconds(called - instantiated),
            drop: nanoseconds(dropped),
        })
    }

    /// Lets the epochs tick, or stops them: only who is being measured should tick.
    pub(crate) fn tick(&self, on: bool) {
        if let Some(ticker) = &self.epochs {
            ticker.shared.on.store(on, Ordering::SeqCst);
            ticker.thread.unpark();
        }
    }
}

struct Ticker {
    shared: Arc<Ticking>,
    thread: std::thread::Thread,
}

#[derive(Default)]
struct Ticking {
    on: AtomicBool,
    stop: AtomicBool,
}

impl Ticker {
    fn start(engine: &Engine) -> Result<Self> {
        let shared = Arc::new(Ticking::default());
        let (mine, engine) = (Arc::clone(&shared), engine.weak());
        let handle = std::thread::Builder::new().name("raw-epoch".to_owned()).spawn(move || {
            while !mine.stop.load(Ordering::SeqCst) {
                if mine.on.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                    if let Some(engine) = engine.upgrade() {
                        engine.increment_epoch();
                    }
                } else {
                    std::thread::park();
                }
            }
        })?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}
