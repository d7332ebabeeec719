//! `wasi:clocks/monotonic-clock` and `wasi:io/poll` of workflows: a pollable of a clock is a timer in the journal, and what
//! `poll` finds ready is what the journal has.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::bindings::io::poll;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::call::Scene;
use crate::host::Host;
use crate::ledger::{Question, Stop};

/// What a guest was told to wait for by the clock; only its number is used.
struct Timer;

#[wasmtime_wasi::async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {}
}

/// The linker of workflows, from that of all others.
pub(crate) fn add(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<_, HasSelf<_>>(linker, |host: &mut Host| host)?;
    poll::add_to_linker::<_, HasSelf<_>>(linker, |host: &mut Host| host)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl Host {
    fn timer(&mut self, ns: u64) -> wasmtime::Result<Resource<DynPollable>> {
        // Never before its time.
        let ms = ns.div_ceil(1_000_000);
        let (step, _) = self.ask(Question::Timer { ms })?;
        let timer = self.table.push(Timer)?;
        let pollable = subscribe(&mut self.table, timer)?;
        self.pollables.insert(pollable.rep(), step);
        Ok(pollable)
    }
}

impl monotonic_clock::Host for Host {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.scene.ledger().now(self.scene.id).unix_us().saturating_mul(1_000))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1_000)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let now = monotonic_clock::Host::now(self)?;
        self.timer(when.saturating_sub(now))
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.timer(duration)
    }
}

/// Waits for the first of `timers`. An interrupted wait of `wasi:io` cannot be told, so it unwinds the workflow.
async fn first(scene: &Scene, timers: &[u32]) -> wasmtime::Result<()> {
    match scene.ledger().wait(scene, timers).await {
        Ok(_) => Ok(()),
        Err(stop @ (Stop::Cancelled | Stop::Halt(_) | Stop::Journal(_))) => {
            Err(scene.stopped(stop))
        }
    }
}

impl poll::Host for Host {
    async fn poll(&mut self, list: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        if list.is_empty() {
            return Err(wasmtime::Error::msg("there is nothing to wait for in an empty list"));
        }
        let scene = Arc::clone(&self.scene);
        let timers: Vec<_> =
            list.iter().map(|pollable| self.pollables.get(&pollable.rep()).copied()).collect();
        // Streams of a workflow are in memory, and always ready.
        if timers.iter().all(Option::is_some) {
            let steps: Vec<u32> = timers.iter().copied().flatten().collect();
            if !steps.iter().any(|step| scene.ledger().has_come(scene.id, *step)) {
                first(&scene, &steps).await?;
            }
        }
        let ready = timers.iter().zip(0..).filter(|(timer, _)| match timer {
            Some(step) => scene.ledger().has_come(scene.id, *step),
            None => true,
        });
        Ok(ready.map(|(_, place)| place).collect())
    }
}

impl poll::HostPollable for Host {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        let timer = self.pollables.get(&pollable.rep()).copied();
        Ok(timer.is_none_or(|step| self.scene.ledger().has_come(self.scene.id, step)))
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        let scene = Arc::clone(&self.scene);
        match self.pollables.get(&pollable.rep()).copied() {
            Some(step) if !scene.ledger().has_come(scene.id, step) => first(&scene, &[step]).await,
            _ => Ok(()),
        }
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        if let Some(step) = self.pollables.remove(&pollable.rep()) {
            self.scene.ledger().release(self.scene.id, step);
        }
        poll::HostPollable::drop(self.ctx().table, pollable)
    }
}
