//! Whose turn it is in a workflow of the component model's async. What came of its calls is given to it one at a time, in the
//! order of the journal, and only while it can do nothing by itself: so it asks for the same things, and sees them in the same
//! order, in every repetition, whatever the order in which its actions really ended.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::sync::oneshot;

use crate::call::Scene;
use crate::contract::stop_what_runs;
use crate::ledger::Stop;

/// The calls of one workflow that wait to be told what came of them.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    waiting: Mutex<Vec<(u32, oneshot::Sender<()>)>>,
    /// How many waits hold up the whole workflow: while there is one, nobody else has a turn.
    held: AtomicU32,
    /// Whether the workflow has left: what is let go of from here on is not its doing.
    closed: AtomicBool,
}

/// A call that waits for its turn. Let go of before, the call is given up.
pub(crate) struct Turn {
    scene: Arc<Scene>,
    step: u32,
    came: oneshot::Receiver<()>,
}

/// Nobody else has a turn for as long as this lives.
pub(crate) struct Held<'t>(&'t Turns);

/// Closes the turns of a workflow when it is dropped, which must be before the store is.
pub(crate) struct Closing<'t>(pub(crate) &'t Turns);

impl Turns {
    fn lock(&self) -> MutexGuard<'_, Vec<(u32, oneshot::Sender<()>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn of the request `step`.
    pub(crate) fn take(scene: &Arc<Scene>, step: u32) -> Turn {
        let (sender, came) = oneshot::channel();
        scene.turns.lock().push((step, sender));
        Turn { scene: Arc::clone(scene), step, came }
    }

    pub(crate) fn hold(&self) -> Held<'_> {
        self.held.fetch_add(1, Ordering::SeqCst);
        Held(self)
    }

    fn steps(&self) -> Vec<u32> {
        self.lock().iter().map(|(step, _)| *step).collect()
    }

    fn grant(&self, step: u32) {
        let mut waiting = self.lock();
        if let Some(place) = waiting.iter().position(|(waits, _)| *waits == step) {
            // Whoever has let go of it meanwhile needs no turn.
            let _ = waiting.swap_remove(place).1.send(());
        }
    }
}

impl Turn {
    /// Waits for it.
    pub(crate) async fn come(mut self) {
        if (&mut self.came).await.is_ok() {
            return;
        }
        // The workflow has been left.
        std::future::pending::<()>().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let turns = &self.scene.turns;
        let waited = {
            let mut waiting = turns.lock();
            let before = waiting.len();
            waiting.retain(|(step, _)| *step != self.step);
            waiting.len() < before
        };
        if !waited || turns.closed.load(Ordering::SeqCst) {
            return;
        }
        let ledger = self.scene.ledger();
        match ledger.give_up(self.scene.id, self.step, "the workflow let go of it") {
            Ok(()) => ledger.release(self.scene.id, self.step),
            Err(stop) => ledger.fail(stop),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::SeqCst);
    }
}

/// Tells whether a future asked to be polled again.
#[derive(Default)]
struct Woken {
    asked: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Woken {
    fn listen(&self, waker: &Waker) {
        self.asked.store(false, Ordering::SeqCst);
        let mut kept = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_none_or(|kept| !kept.will_wake(waker)) {
            *kept = Some(waker.clone());
        }
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.asked.store(true, Ordering::SeqCst);
        let kept = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = kept {
            waker.wake();
        }
    }
}

type Next = Pin<Box<dyn Future<Output = Result<usize, Stop>> + Send>>;

/// Carries out `work`, the call of a workflow. Whenever it can do nothing by itself (it gave control back, and nothing that is
/// ready asked for more) the first of what came in the order of the journal has its turn.
pub(crate) async fn in_order<R>(
    scene: &Arc<Scene>,
    work: impl Future<Output = wasmtime::Result<R>>,
) -> wasmtime::Result<R> {
    let mut work = pin!(work);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut next: Option<(Vec<u32>, Next)> = None;
    std::future::poll_fn(move |cx| {
        loop {
            woken.listen(cx.waker());
            if let Poll::Ready(ended) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Poll::Ready(ended);
            }
            let busy = woken.asked.load(Ordering::SeqCst);
            if busy || scene.turns.held.load(Ordering::SeqCst) > 0 {
                return Poll::Pending;
            }
            let steps = scene.turns.steps();
            if steps.is_empty() {
                return Poll::Pending;
            }
            if next.as_ref().is_none_or(|(of, _)| *of != steps) {
                next = Some((steps.clone(), first(scene, steps)));
            }
            let Some((of, first)) = &mut next else { unreachable!("it was made a line above") };
            let came = match first.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(came) => came.map(|place| of[place]),
            };
            next = None;
            match came {
                Ok(step) => scene.turns.grant(step),
                Err(Stop::Cancelled) => {
                    if let Err(error) = stop_what_runs(scene) {
                        return Poll::Ready(Err(error));
                    }
                }
                Err(stop) => return Poll::Ready(Err(scene.stopped(stop))),
            }
        }
    })
    .await
}

fn first(scene: &Arc<Scene>, steps: Vec<u32>) -> Next {
    let scene = Arc::clone(scene);
    Box::pin(async move { scene.ledger().wait_for(&scene, &steps).await })
}
