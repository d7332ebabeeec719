//! How fast requests may follow one another to one host, in one run: a bucket that holds a second's worth and refills evenly.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Hosts that are remembered; of more, those that have been quiet are forgotten.
const MAX_HOSTS: usize = 1024;

/// The buckets of one run, by host and port.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<String, Instant>>);

impl Rates {
    /// Takes one request to `server` out of its bucket at `now`, and says how long that request has to wait. `None` where no
    /// request is ever allowed.
    pub(crate) fn take(&self, server: &str, per_second: u64, now: Instant) -> Option<Duration> {
        let each = Duration::from_nanos(1_000_000_000_u64.checked_div(per_second)?);
        let mut full_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= MAX_HOSTS && !full_at.contains_key(server) {
            full_at.retain(|_, at| *at > now);
        }
        // When the bucket will be full again: a second behind, it is empty.
        let at = full_at.entry(server.to_owned()).or_insert(now);
        *at = (*at).max(now) + each;
        Some(at.saturating_duration_since(now).saturating_sub(Duration::from_secs(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_a_second_and_refills_evenly() {
        let (rates, now) = (Rates::default(), Instant::now());
        let take = |server: &str, at: Duration| rates.take(server, 10, now + at);
        for n in 0..10 {
            assert_eq!(take("a", Duration::ZERO), Some(Duration::ZERO), "{n}");
        }
        assert_eq!(take("a", Duration::ZERO), Some(Duration::from_millis(100)));
        assert_eq!(take("a", Duration::ZERO), Some(Duration::from_millis(200)));
        assert_eq!(take("b", Duration::ZERO), Some(Duration::ZERO), "each host its own");
        assert_eq!(take("a", Duration::from_millis(300)), Some(Duration::ZERO));
        assert_eq!(rates.take("a", 0, now), None);
    }
}
