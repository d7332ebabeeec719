//! The other side: wasmtime in the configuration that serves warm calls best, with nothing of Longshore around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wasmtime::component::{
    Component, ComponentExportIndex, Instance, InstancePre, Linker, ResourceTable, Val,
};
use wasmtime::error::Context as _;
use wasmtime::{
    Config, Enabled, Engine, PoolingAllocationConfig, Store, StoreLimits, StoreLimitsBuilder,
    UpdateDeadline,
};
use wasmtime::{Result, bail};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::stats::nanoseconds;

/// The deadline of calls within limits.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a store of this side holds.
pub(crate) struct State {
    ctx: WasiCtx,
    table: ResourceTable,
    limits: StoreLimits,
    deadline: Instant,
}

/// How a guest can be stopped, and what of it is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metering {
    /// Not at all.
    None,
    /// By epochs, which tick each millisecond.
    Epochs,
    /// By fuel, of which it has as much as there is.
    Fuel,
    /// By epochs and a timer, and within limits of memory, tables, instances, handles and what it hands to host calls: as
    /// Longshore bounds each call.
    Limits,
}

impl Metering {
    fn ticks(self) -> bool {
        matches!(self, Self::Epochs | Self::Limits)
    }
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
    metering: Metering,
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
    /// Compiles and links `bytes`.
    pub(crate) fn new(bytes: &[u8], metering: Metering) -> Result<Self> {
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
            .epoch_interruption(metering.ticks())
            .consume_fuel(metering == Metering::Fuel)
            .allocation_strategy(pool);
        let engine = Engine::new(&config)?;
        let component = Component::from_binary(&engine, bytes)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        let pre = linker.instantiate_pre(&component)?;
        let epochs = metering.ticks().then(|| Ticker::start(&engine)).transpose()?;
        Ok(Self { engine, pre, metering, epochs })
    }

    /// The place of `interface#function`.
    pub(crate) fn export(&self, interface: &str, function: &str) -> Result<ComponentExportIndex> {
        let component = self.pre.component();
        let outer = component.get_export_index(None, interface).context("no such interface")?;
        component.get_export_index(Some(&outer), function).context("no such function")
    }

    /// The place of the function that the component itself exports.
    pub(crate) fn root_export(&self, function: &str) -> Result<ComponentExportIndex> {
        let export = self.pre.component().get_export_index(None, function);
        export.context("no such function")
    }

    fn store(&self) -> Result<Store<State>> {
        let state = State {
            ctx: WasiCtx::builder().build(),
            table: ResourceTable::new(),
            limits: StoreLimits::default(),
            deadline: Instant::now() + DEADLINE,
        };
        let mut store = Store::new(&self.engine, state);
        match self.metering {
            Metering::None => {}
            Metering::Epochs => {
                store.set_epoch_deadline(1);
                store.epoch_deadline_async_yield_and_update(1);
            }
            Metering::Fuel => store.set_fuel(u64::MAX)?,
            Metering::Limits => limit(&mut store),
        }
        Ok(store)
    }

    /// A store and an instance, for calls without instantiation.
    pub(crate) async fn instance(&self) -> Result<(Store<State>, Instance)> {
        let mut store = self.store()?;
        let instance = self.pre.instantiate_async(&mut store).await?;
        Ok((store, instance))
    }

    /// One call: store, instance, call, drop.
    pub(crate) async fn call(
        &self,
        index: &ComponentExportIndex,
        params: &[Val],
    ) -> Result<Vec<Val>> {
        let mut store = self.store()?;
        let deadline = store.data().deadline;
        let work = async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            let callee = instance.get_func(&mut store, index).context("not a function")?;
            let mut results = vec![Val::Bool(false)];
            callee.call_async(&mut store, params, &mut results).await?;
            Ok(results)
        };
        if self.metering != Metering::Limits {
            return work.await;
        }
        tokio::select! {
            biased;
            ended = work => ended,
            () = tokio::time::sleep_until(deadline.into()) => bail!("it takes too long"),
        }
    }

    /// The same, with a watch beside it.
    pub(crate) async fn timed(
        &self,
        index: &ComponentExportIndex,
        params: &[Val],
    ) -> Result<Parts> {
        let begun = Instant::now();
        let mut store = self.store()?;
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

/// Bounds a call by the numbers that Longshore has for them.
fn limit(store: &mut Store<State>) {
    store.data_mut().limits = StoreLimitsBuilder::new()
        .memory_size(256 << 20)
        .table_elements(100_000)
        .instances(64)
        .tables(256)
        .memories(64)
        .trap_on_grow_failure(true)
        .build();
    store.limiter(|state| &mut state.limits);
    store.set_hostcall_fuel(64 << 20);
    store.set_max_component_handles(10_000);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| {
        if Instant::now() >= store.data().deadline {
            bail!("it takes too long");
        }
        Ok(UpdateDeadline::Yield(1))
    });
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
