//! Who does the store's work: a thread of its own or, until there is need of one, whoever waits for an answer. It knows nothing of
//! rows.
//!
//! A process that runs one component for a few milliseconds and writes nothing that must be on disk before it goes on would pay
//! more for the thread, and for waiting on it, than for the writing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use longshore_journal::{Durability, Error, Result, StoreFault};
use tokio::runtime::Handle;

use crate::Start;
use crate::queue::{Queue, Request};
use crate::worker::Worker;

/// What was recorded is in the file after so long, whether or not anybody waits for it.
const PATIENCE: Duration = Duration::from_millis(2);

/// More than this is not left waiting for a thread, in bytes.
const MANY_BYTES: usize = 1 << 20;

pub(crate) struct Hands {
    queue: Arc<Queue>,
    state: Mutex<State>,
}

enum State {
    /// Whoever waits; and whether somebody has an eye on the time.
    Callers {
        worker: Box<Worker>,
        timed: bool,
    },
    Thread(JoinHandle<()>),
    /// Between the two, and after the end.
    None,
}

impl Hands {
    pub(crate) fn new(queue: Arc<Queue>, worker: Worker, start: Start) -> Result<Arc<Self>> {
        let state = State::Callers { worker: Box::new(worker), timed: false };
        let hands = Arc::new(Self { queue, state: Mutex::new(state) });
        if start == Start::AtOnce {
            hands.start()?;
        }
        Ok(hands)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in a request, and sees to it that somebody serves it.
    pub(crate) fn push(self: &Arc<Self>, request: Request) {
        let mut need = Need::of(&request);
        // Waits when too much is waiting already; never while nobody but this caller would take it out.
        let waiting = self.queue.push(request);
        if matches!(need, Need::Nothing) && waiting > MANY_BYTES {
            need = Need::Disk;
        }
        let mut state = self.state();
        let State::Callers { worker, timed } = &mut *state else { return };
        match need {
            Need::Answer => serve(&self.queue, worker),
            Need::Nothing if *timed => {}
            Need::Nothing => {
                *timed = true;
                drop(state);
                self.start_later();
            }
            Need::Disk => {
                drop(state);
                self.start_or_serve();
            }
        }
    }

    /// Starts the thread, if there is none yet.
    pub(crate) fn start(&self) -> Result<()> {
        let mut state = self.state();
        let (worker, timed) = match std::mem::replace(&mut *state, State::None) {
            State::Callers { worker, timed } => (worker, timed),
            // A thread that was started stays the one that is waited for in the end.
            other => {
                *state = other;
                return Ok(());
            }
        };
        // In a slot, so that it is not lost with a thread that cannot be started.
        let slot = Arc::new(Mutex::new(Some(worker)));
        let theirs = Arc::clone(&slot);
        let work = move || {
            let taken = theirs.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(worker) = taken {
                worker.run();
            }
        };
        match std::thread::Builder::new().name("longshore-journal".to_owned()).spawn(work) {
            Ok(thread) => {
                *state = State::Thread(thread);
                Ok(())
            }
            Err(source) => {
                if let Some(worker) = slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    *state = State::Callers { worker, timed };
                }
                let message = "cannot start the thread of the journal's store";
                Err(Error::store_because(StoreFault::Unopenable, message, source))
            }
        }
    }

    /// The thread, or this one where no thread can be had.
    fn start_or_serve(&self) {
        if self.start().is_err()
            && let State::Callers { worker, .. } = &mut *self.state()
        {
            serve(&self.queue, worker);
        }
    }

    fn start_later(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return self.start_or_serve() };
        let hands: Weak<Self> = Arc::downgrade(self);
        runtime.spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            if let Some(hands) = hands.upgrade() {
                hands.start_or_serve();
            }
        });
    }

    /// Finishes what was handed in; nothing more will be.
    pub(crate) fn finish(&self) {
        self.queue.close();
        let state = std::mem::replace(&mut *self.state(), State::None);
        match state {
            State::Callers { worker, .. } => worker.finish(),
            // Had it panicked, its callers were told: their tickets say that the store stopped.
            State::Thread(thread) => drop(thread.join()),
            State::None => {}
        }
    }
}

impl std::fmt::Debug for Hands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hands")
    }
}

fn serve(queue: &Queue, worker: &mut Worker) {
    while let Some(requests) = queue.take_what_waits() {
        worker.turn(requests);
    }
}

/// What a request needs soon.
enum Need {
    /// Somebody waits for what the file says.
    Answer,
    /// It must reach the disk, which takes as long as the disk likes: not on a caller's time.
    Disk,
    Nothing,
}

impl Need {
    fn of(request: &Request) -> Self {
        match request {
            Request::Append(append, _) if append.durability == Durability::Synced => Self::Disk,
            Request::Append(..) => Self::Nothing,
            Request::Sync(_) => Self::Disk,
            Request::Task(_) => Self::Answer,
        }
    }
}
