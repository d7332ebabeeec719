//! A clock that never goes backwards: of a journal's times, each is no earlier than the one before, and a wait lasts no longer
//! because somebody set the machine's clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use longshore_model::{Clock, Timestamp};

/// A clock over another. While the other shows a time that has been, this one goes on by itself, at the pace of the machine,
/// until the other has caught up.
pub(crate) struct Steady {
    inner: Arc<dyn Clock>,
    last: Mutex<Option<(Timestamp, Instant)>>,
}

impl Steady {
    pub(crate) fn new(inner: Arc<dyn Clock>) -> Self {
        Self { inner, last: Mutex::default() }
    }
}

impl Clock for Steady {
    fn now(&self) -> Timestamp {
        let shown = self.inner.now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = match *last {
            Some((before, seen)) if shown < before => {
                let passed = u64::try_from(seen.elapsed().as_micros()).unwrap_or(u64::MAX);
                Timestamp::from_unix_us(before.unix_us().saturating_add(passed))
            }
            _ => shown,
        };
        *last = Some((now, Instant::now()));
        now
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Shown(Mutex<u64>);

    impl Clock for Shown {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_us(*self.0.lock().unwrap())
        }
    }

    #[test]
    fn a_clock_that_is_set_back_goes_on_from_where_it_was_until_it_is_overtaken() {
        let shown = Arc::new(Shown(Mutex::new(1_000_000)));
        let steady = Steady::new(shown.clone());
        let set = |us: u64| *shown.0.lock().unwrap() = us;
        assert_eq!(steady.now().unix_us(), 1_000_000);
        set(10);
        let back = steady.now();
        assert!(back.unix_us() >= 1_000_000);
        std::thread::sleep(Duration::from_millis(3));
        let later = steady.now();
        assert!((back.unix_us() + 3_000..1_900_000).contains(&later.unix_us()), "{later:?}");
        set(2_000_000);
        assert_eq!(steady.now().unix_us(), 2_000_000);
    }
}
