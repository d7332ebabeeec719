//! The journal's time in a simulation: tokio's, which stands still until nobody can do anything but wait.

use std::time::Duration;

use longshore_model::{Clock, Timestamp};
use tokio::time::Instant;

/// The time at which every simulation begins: 2026-01-01, in microseconds.
const BEGINNING: u64 = 1_767_225_600_000_000;

/// The clock of one host.
#[derive(Clone, Debug)]
pub(crate) struct SimClock {
    began: Instant,
    /// How far it is ahead of the others, and how far it is set back when.
    ahead: Duration,
    back: Option<(Duration, Duration)>,
}

impl SimClock {
    /// A clock that is right.
    pub(crate) fn new(began: Instant) -> Self {
        Self { began, ahead: Duration::ZERO, back: None }
    }

    /// One that is `ahead`, and after `back.0` is set back by `back.1`.
    pub(crate) fn wrong(
        began: Instant,
        ahead: Duration,
        back: Option<(Duration, Duration)>,
    ) -> Self {
        Self { began, ahead, back }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let passed = self.began.elapsed();
        let mut shown = passed + self.ahead;
        if let Some((after, by)) = self.back
            && passed >= after
        {
            shown = shown.saturating_sub(by);
        }
        let us = u64::try_from(shown.as_micros()).unwrap_or(u64::MAX);
        Timestamp::from_unix_us(BEGINNING.saturating_add(us))
    }
}
