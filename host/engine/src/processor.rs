//! Turns on the processor. A guest that goes on computing leaves the executor's threads to those that come and go quickly: it
//! computes on a thread beside them, where the executor has several, and no more guests do so at once than there are
//! processors. The others wait here and not in the executor's queue, so that timers and new calls come first.
//!
//! Decides nothing about deadlines and budgets: the callback of the epochs does.

use std::num::NonZero;
use std::pin::pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::ready;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use wasmtime::UpdateDeadline;

/// Ticks that a guest may compute on a thread of the executor before it goes aside. One tick may come at any time, so two of
/// them are more than a millisecond: most calls never see the second.
const GRACE: u32 = 2;
/// Ticks of one turn beside the executor: long enough that handing over costs nothing to speak of.
const TURN: u32 = 8;

/// The processors are the process's, not an engine's.
static PROCESSORS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get)));

/// How long the guest of one call has computed without a pause.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    ticks: AtomicU32,
    aside: AtomicBool,
    over: AtomicBool,
}

impl Turn {
    /// How a guest goes on that computes while the epoch ticks.
    pub(crate) fn tick(&self) -> UpdateDeadline {
        let ticks = self.ticks.fetch_add(1, Ordering::Relaxed) + 1;
        let most = if self.aside.load(Ordering::Relaxed) { TURN } else { GRACE };
        if ticks < most {
            return UpdateDeadline::Continue(1);
        }
        self.over.store(true, Ordering::Relaxed);
        UpdateDeadline::Yield(1)
    }

    fn begin(&self, aside: bool) {
        self.ticks.store(0, Ordering::Relaxed);
        self.aside.store(aside, Ordering::Relaxed);
        self.over.store(false, Ordering::Relaxed);
    }

    /// Whether it gave way in the middle of computing, and would go on if it could.
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Does `work`, the guest's, in turns.
    pub(crate) async fn take<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        let mut next = None;
        let mut computes = false;
        std::future::poll_fn(move |cx| {
            if !computes {
                self.begin(false);
                let polled = work.as_mut().poll(cx);
                computes = self.is_over() && has_threads();
                return polled;
            }
            let wait = next.get_or_insert_with(|| Box::pin(PROCESSORS.acquire()));
            // It is never closed; if it were, a guest without its turn would be better than one that waits for ever.
            let turn = ready!(wait.as_mut().poll(cx));
            next = None;
            self.begin(true);
            let polled = tokio::task::block_in_place(|| work.as_mut().poll(cx));
            drop(turn);
            computes = self.is_over();
            polled
        })
        .await
    }
}

/// Whether the executor has threads that can take over from one that computes.
fn has_threads() -> bool {
    Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    use super::*;

    /// Computes for `slices` turns, each a tick away from its end, and tells on how many threads.
    async fn compute(turn: &Turn, slices: u32) -> Vec<std::thread::ThreadId> {
        let mut threads = Vec::new();
        for _ in 0..slices {
            while matches!(turn.tick(), UpdateDeadline::Continue(_)) {}
            threads.push(std::thread::current().id());
            tokio::task::yield_now().await;
        }
        threads
    }

    #[test]
    fn one_tick_is_no_reason_to_give_way() {
        let turn = Turn::default();
        assert!(matches!(turn.tick(), UpdateDeadline::Continue(1)));
        assert!(!turn.is_over());
        assert!(matches!(turn.tick(), UpdateDeadline::Yield(1)));
        assert!(turn.is_over());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_executor_of_one_thread_goes_on_with_all_of_them() {
        let turn = Turn::default();
        assert_eq!(turn.take(compute(&turn, 5)).await.len(), 5);
        assert!(!turn.aside.load(Ordering::Relaxed));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn timers_of_the_only_thread_ring_while_a_guest_computes() {
        let computing = tokio::spawn(async {
            let turn = Turn::default();
            let begun = Instant::now();
            let work = async {
                while begun.elapsed() < Duration::from_millis(600) {
                    // A turn that takes its time: what a guest does that is never asked by an epoch.
                    let now = Instant::now();
                    while now.elapsed() < Duration::from_millis(150) {
                        std::hint::spin_loop();
                    }
                    while matches!(turn.tick(), UpdateDeadline::Continue(_)) {}
                    tokio::task::yield_now().await;
                }
            };
            turn.take(work).await;
        });
        // The first turn is on the executor's thread; after it, that thread is free.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(begun.elapsed() < Duration::from_millis(120), "{:?}", begun.elapsed());
        computing.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_compute_at_once_than_there_are_processors() {
        static NOW: AtomicU32 = AtomicU32::new(0);
        static MOST: AtomicU32 = AtomicU32::new(0);
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let all = (0..processors * 8).map(|_| {
            tokio::spawn(async {
                let turn = Turn::default();
                let work = async {
                    for n in 0..6 {
                        if n > 0 {
                            MOST.fetch_max(
                                NOW.fetch_add(1, Ordering::SeqCst) + 1,
                                Ordering::SeqCst,
                            );
                            std::thread::sleep(Duration::from_millis(1));
                            NOW.fetch_sub(1, Ordering::SeqCst);
                        }
                        while matches!(turn.tick(), UpdateDeadline::Continue(_)) {}
                        tokio::task::yield_now().await;
                    }
                };
                turn.take(work).await;
            })
        });
        for one in all.collect::<Vec<_>>() {
            one.await.unwrap();
        }
        let most = MOST.load(Ordering::SeqCst) as usize;
        assert!((1..=processors).contains(&most), "{most}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn who_waits_for_something_else_is_not_beside_any_more() {
        let turn = Rc::new(Turn::default());
        let seen = Rc::new(Cell::new(None));
        let work = async {
            compute(&turn, 2).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            tokio::task::yield_now().await;
            seen.set(Some(turn.aside.load(Ordering::Relaxed)));
        };
        turn.take(work).await;
        assert_eq!(seen.get(), Some(false));
    }
}
