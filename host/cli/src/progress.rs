//! Transfers as a line that redraws itself, on a terminal's standard error and nowhere else.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use longshore::client::{Direction, Progress, Transfer};

use crate::render::size;

/// How often the line is drawn.
const EVERY: Duration = Duration::from_millis(80);

/// Transfers shorter than this are not worth a line.
const PATIENCE: Duration = Duration::from_millis(200);

/// The line, if there is a terminal to draw it on.
pub(crate) fn line() -> Option<Arc<dyn Progress>> {
    io::stderr().is_terminal().then(|| Arc::new(Line::default()) as Arc<dyn Progress>)
}

#[derive(Default)]
struct Line(Mutex<Option<Drawn>>);

struct Drawn {
    since: Instant,
    last: Instant,
    visible: bool,
}

impl Progress for Line {
    fn report(&self, transfer: &Transfer) {
        let now = Instant::now();
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = drawn.get_or_insert(Drawn { since: now, last: now, visible: false });
        if transfer.done >= transfer.total {
            if state.visible {
                let _ = write!(io::stderr(), "\r\x1b[K");
            }
            *drawn = None;
            return;
        }
        if now - state.since < PATIENCE || (state.visible && now - state.last < EVERY) {
            return;
        }
        (state.last, state.visible) = (now, true);
        let word = match transfer.direction {
            Direction::Pull => "pulling",
            Direction::Push => "pushing",
        };
        let digest = transfer.digest.to_string();
        let short = digest.get(..19).unwrap_or(&digest);
        let percent = transfer.done * 100 / transfer.total.max(1);
        let (done, total) = (size(transfer.done), size(transfer.total));
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "\r\x1b[K{word} {short} {percent:3} %  {done} of {total}");
        let _ = stderr.flush();
    }
}
