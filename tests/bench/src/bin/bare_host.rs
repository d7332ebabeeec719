//! A host of wasmtime alone: what `longshore run` is measured against as a whole process. It knows no trust, no grants, no
//! journal and no receipts, and must stay as small as a host can be.

use std::io::Write as _;

use wasmtime::component::{Component, Linker, ResourceTable, Val};
use wasmtime::error::Context as _;
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

struct State {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

/// `bare-host compile COMPONENT OUT`, `bare-host run OUT INTERFACE FUNCTION TEXT`.
fn main() -> wasmtime::Result<()> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let mut config = Config::new();
    config.concurrency_support(false).wasm_component_model_async(false);
    let engine = Engine::new(&config)?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["compile", from, to] => {
            Ok(std::fs::write(to, engine.precompile_component(&std::fs::read(from)?)?)?)
        }
        ["run", code, interface, function, text] => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(run(&engine, code, interface, function, text))
        }
        _ => wasmtime::bail!(
            "usage: bare-host compile COMPONENT OUT | run OUT INTERFACE FUNCTION TEXT"
        ),
    }
}

async fn run(
    engine: &Engine,
    code: &str,
    interface: &str,
    function: &str,
    text: &str,
) -> wasmtime::Result<()> {
    // SAFETY: the benchmark wrote this file through `compile` above, into a folder of its own.
    let component = unsafe { Component::deserialize_file(engine, code) }?;
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    let state = State { ctx: WasiCtx::builder().build(), table: ResourceTable::new() };
    let mut store = Store::new(engine, state);
    let instance = linker.instantiate_async(&mut store, &component).await?;
    let outer = component.get_export_index(None, interface).context("no such interface")?;
    let index = component.get_export_index(Some(&outer), function).context("no such function")?;
    let callee = instance.get_func(&mut store, index).context("not a function")?;
    let mut results = [Val::Bool(false)];
    callee.call_async(&mut store, &[Val::String(text.to_owned())], &mut results).await?;
    writeln!(std::io::stdout(), "{:?}", results[0])?;
    Ok(())
}
