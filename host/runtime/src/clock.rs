//! The wall clock: the one place of the library that reads it.

use longshore_model::{Clock, Timestamp};

/// The system's clock, in UTC.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the place the rule speaks of")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock before 1970 is as good as none.
        Timestamp::from_unix_us(since.map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(0)))
    }
}
