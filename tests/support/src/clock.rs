//! A clock that shows what a test says.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longshore_model::{Clock, Timestamp};

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub struct Fixed(AtomicU64);

impl Fixed {
    /// A clock that shows `at`.
    #[must_use]
    pub const fn at(at: Timestamp) -> Self {
        Self(AtomicU64::new(at.unix_us()))
    }

    /// Shows `at` from now on, be it earlier or later.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.unix_us(), Ordering::SeqCst);
    }

    /// Moves on, to the microsecond.
    pub fn advance(&self, by: Duration) {
        let us = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.0.fetch_add(us, Ordering::SeqCst);
    }
}

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_us(self.0.load(Ordering::SeqCst))
    }
}
