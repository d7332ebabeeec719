//! `wasi:clocks`: the host's clocks where granted, or clocks that stand still, or clocks that move only while the guest sleeps.
//! Without the grant a component that imports them is not instantiated; should one get here all the same, time stands still
//! at zero. Deadlines are always of the host's time.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use longshore_model::Scope;
use longshore_policy::{ClockMode, Grant};
use wasmtime::component::{Accessor, HasSelf, Linker, Resource};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock as p2, wall_clock as wall};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::p3::bindings::clocks::{monotonic_clock as p3, system_clock as system};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

use crate::host::Host;

/// So often a timer lets others have their turn before time jumps to it.
const TURNS: u8 = 2;

/// The time of one call.
#[derive(Debug, Clone)]
pub(crate) enum Time {
    /// The host's.
    Real,
    /// Always this long after 1970.
    Frozen(Duration),
    /// This long after 1970 and what the run slept since.
    Virtual(Duration, Arc<Elapsed>),
}

impl Time {
    pub(crate) fn of(grant: &Grant, elapsed: &Arc<Elapsed>) -> Self {
        let since = |at: longshore_model::Timestamp| Duration::from_micros(at.unix_us());
        match grant.clock_mode() {
            _ if !grant.clock() => Self::Frozen(Duration::ZERO),
            None => Self::Real,
            Some(ClockMode::Frozen(at)) => Self::Frozen(since(at)),
            Some(ClockMode::Virtual(at)) => Self::Virtual(since(at), Arc::clone(elapsed)),
        }
    }
}

/// Sets the clocks unless they are the host's.
pub(crate) fn apply(builder: &mut WasiCtxBuilder, time: &Time) {
    if !matches!(time, Time::Real) {
        builder.wall_clock(time.clone()).monotonic_clock(time.clone());
    }
}

impl HostWallClock for Time {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        match self {
            // Never set: see `apply`.
            Self::Real => Duration::ZERO,
            Self::Frozen(at) => *at,
            Self::Virtual(start, elapsed) => {
                start.saturating_add(Duration::from_nanos(elapsed.lock().now))
            }
        }
    }
}

impl HostMonotonicClock for Time {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        match self {
            Self::Real | Self::Frozen(_) => 0,
            Self::Virtual(_, elapsed) => elapsed.lock().now,
        }
    }
}

/// What a run slept, in virtual time, and who sleeps now. Time jumps to the earliest of those who wait.
#[derive(Debug, Default)]
pub(crate) struct Elapsed(Mutex<Sleepers>);

#[derive(Debug, Default)]
struct Sleepers {
    /// Nanoseconds.
    now: u64,
    next: u64,
    waiting: BTreeMap<(u64, u64), Waker>,
}

impl Elapsed {
    fn lock(&self) -> MutexGuard<'_, Sleepers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until(self: &Arc<Self>, when: u64) -> Sleep {
        Sleep { elapsed: Arc::clone(self), when, number: None, turns: 0 }
    }

    fn after(self: &Arc<Self>, duration: u64) -> u64 {
        self.lock().now.saturating_add(duration)
    }
}

struct Sleep {
    elapsed: Arc<Elapsed>,
    when: u64,
    number: Option<u64>,
    turns: u8,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let elapsed = Arc::clone(&self.elapsed);
        let mut sleepers = elapsed.lock();
        if sleepers.now >= self.when {
            return Poll::Ready(());
        }
        let number = *self.number.get_or_insert_with(|| {
            sleepers.next += 1;
            sleepers.next
        });
        let key = (self.when, number);
        sleepers.waiting.insert(key, cx.waker().clone());
        if self.turns < TURNS {
            self.turns += 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if sleepers.waiting.first_key_value().is_some_and(|(first, _)| *first < key) {
            return Poll::Pending;
        }
        sleepers.now = self.when;
        Poll::Ready(())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut sleepers = self.elapsed.lock();
        sleepers.waiting.remove(&(self.when, number));
        // Whoever is first now may be the one to move on.
        let next = sleepers.waiting.first_key_value().map(|(_, waker)| waker.clone());
        drop(sleepers);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

/// A timer of WASI 0.2 in virtual time.
struct Timer {
    elapsed: Arc<Elapsed>,
    when: u64,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        self.elapsed.until(self.when).await;
    }
}

/// Puts these timers in the place of wasmtime-wasi's own, which know the host's time only.
pub(crate) fn link(linker: &mut Linker<Host>, concurrency: bool) -> wasmtime::Result<()> {
    p2::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)?;
    wall::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)?;
    if concurrency {
        system::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)?;
        p3::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)?;
    }
    Ok(())
}

impl Host {
    fn timer(
        &mut self,
        elapsed: Arc<Elapsed>,
        when: u64,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let timer = self.table.push(Timer { elapsed, when })?;
        subscribe(&mut self.table, timer)
    }
}

impl wall::Host for Host {
    fn now(&mut self) -> wasmtime::Result<wall::Datetime> {
        self.scene.used(Scope::Clock);
        wall::Host::now(&mut self.clocks())
    }

    fn resolution(&mut self) -> wasmtime::Result<wall::Datetime> {
        wall::Host::resolution(&mut self.clocks())
    }
}

impl system::Host for Host {
    fn now(&mut self) -> wasmtime::Result<system::Instant> {
        self.scene.used(Scope::Clock);
        system::Host::now(&mut self.clocks())
    }

    fn get_resolution(&mut self) -> wasmtime::Result<p3::Duration> {
        system::Host::get_resolution(&mut self.clocks())
    }
}

impl p2::Host for Host {
    fn now(&mut self) -> wasmtime::Result<p2::Instant> {
        self.scene.used(Scope::Clock);
        p2::Host::now(&mut self.clocks())
    }

    fn resolution(&mut self) -> wasmtime::Result<p2::Duration> {
        p2::Host::resolution(&mut self.clocks())
    }

    fn subscribe_instant(&mut self, when: p2::Instant) -> wasmtime::Result<Resource<DynPollable>> {
        self.scene.used(Scope::Clock);
        match self.time.clone() {
            Time::Virtual(_, elapsed) => self.timer(elapsed, when),
            _ => p2::Host::subscribe_instant(&mut self.clocks(), when),
        }
    }

    fn subscribe_duration(
        &mut self,
        duration: p2::Duration,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.scene.used(Scope::Clock);
        match self.time.clone() {
            Time::Virtual(_, elapsed) => {
                let when = elapsed.after(duration);
                self.timer(elapsed, when)
            }
            _ => p2::Host::subscribe_duration(&mut self.clocks(), duration),
        }
    }
}

impl p3::Host for Host {
    fn now(&mut self) -> wasmtime::Result<p3::Mark> {
        self.scene.used(Scope::Clock);
        p3::Host::now(&mut self.clocks())
    }

    fn get_resolution(&mut self) -> wasmtime::Result<p3::Duration> {
        p3::Host::get_resolution(&mut self.clocks())
    }
}

fn timing(store: &Accessor<Host, HasSelf<Host>>) -> Time {
    store.with(|mut store| {
        let host = store.get();
        host.scene.used(Scope::Clock);
        host.time.clone()
    })
}

impl p3::HostWithStore<Host> for HasSelf<Host> {
    async fn wait_until(store: &Accessor<Host, Self>, when: p3::Mark) -> wasmtime::Result<()> {
        if let Time::Virtual(_, elapsed) = timing(store) {
            elapsed.until(when).await;
            return Ok(());
        }
        let inner = store.with_getter::<WasiClocks>(<Host as WasiClocksView>::clocks);
        WasiClocks::wait_until(&inner, when).await
    }

    async fn wait_for(
        store: &Accessor<Host, Self>,
        duration: p3::Duration,
    ) -> wasmtime::Result<()> {
        if let Time::Virtual(_, elapsed) = timing(store) {
            let when = elapsed.after(duration);
            elapsed.until(when).await;
            return Ok(());
        }
        let inner = store.with_getter::<WasiClocks>(<Host as WasiClocksView>::clocks);
        WasiClocks::wait_for(&inner, duration).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    #[tokio::test]
    async fn sleepers_wake_in_the_order_of_their_times_and_at_once() {
        let elapsed = Arc::new(Elapsed::default());
        let began = std::time::Instant::now();
        let order = Mutex::new(Vec::new());
        let sleep = async |hours: u64| {
            elapsed.until(hours * HOUR).await;
            order.lock().unwrap().push((hours, elapsed.lock().now / HOUR));
        };
        tokio::join!(sleep(3), sleep(1), sleep(2));
        assert_eq!(*order.lock().unwrap(), [(1, 1), (2, 2), (3, 3)]);
        assert!(began.elapsed() < Duration::from_secs(5));
        elapsed.until(HOUR).await;
        assert_eq!(elapsed.lock().now, 3 * HOUR, "time never goes back");
        assert!(elapsed.lock().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_sleep_that_is_given_up_holds_nobody_up() {
        let elapsed = Arc::new(Elapsed::default());
        let mut first = Box::pin(elapsed.until(HOUR));
        assert!(std::future::poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await);
        drop(first);
        elapsed.until(2 * HOUR).await;
        assert_eq!(elapsed.lock().now, 2 * HOUR);
    }
}
