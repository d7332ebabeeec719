//! The clock hand of the epochs: a thread that ticks each millisecond while calls are under way, and sleeps when there
//! have been none for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::EngineWeak;

/// One tick of the epoch.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a call before the thread parks: parking after every call would cost a system call each.
const IDLE_TICKS: u32 = 100;

/// The handle on the ticking thread; the thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    active: AtomicUsize,
    parked: AtomicBool,
    stop: AtomicBool,
}

/// Keeps the epochs ticking for as long as it lives.
#[derive(Debug)]
pub(crate) struct Ticking<'t>(&'t Shared);

impl Ticker {
    pub(crate) fn start(engines: Vec<EngineWeak>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mine = Arc::clone(&shared);
        let handle = std::thread::Builder::new()
            .name("longshore-epoch".to_owned())
            .spawn(move || tick(&mine, &engines))?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    /// Ticks from now on until the guard is dropped.
    pub(crate) fn tick(&self) -> Ticking<'_> {
        self.shared.active.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Ticking(&self.shared)
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn tick(shared: &Shared, engines: &[EngineWeak]) {
    // Nothing is under way yet, and who loads a component should not share the processor with ticks.
    let mut idle = IDLE_TICKS;
    while !shared.stop.load(Ordering::SeqCst) {
        if shared.active.load(Ordering::SeqCst) == 0 {
            idle += 1;
        } else {
            idle = 0;
        }
        if idle > IDLE_TICKS {
            // `parked` is set before `active` is read again, and `tick()` raises `active` before it reads `parked`: one of
            // the two sees the other, so no call is left without ticks.
            shared.parked.store(true, Ordering::SeqCst);
            if shared.active.load(Ordering::SeqCst) == 0 && !shared.stop.load(Ordering::SeqCst) {
                std::thread::park();
            }
            shared.parked.store(false, Ordering::SeqCst);
            idle = 0;
        } else {
            std::thread::sleep(TICK);
        }
        for engine in engines {
            if let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
            }
        }
    }
}
