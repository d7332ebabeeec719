//! Medians over interleaved rounds. Knows nothing of what is measured.

use std::time::{Duration, Instant};

/// The calls of one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// The median call, in nanoseconds.
    pub(crate) median: f64,
    /// All calls together, each in nanoseconds.
    pub(crate) mean: f64,
}

/// Times `calls` calls one by one.
pub(crate) async fn round(calls: usize, mut work: impl AsyncFnMut()) -> Round {
    let mut times = Vec::with_capacity(calls);
    let begun = Instant::now();
    for _ in 0..calls {
        let before = Instant::now();
        work().await;
        times.push(nanoseconds(before.elapsed()));
    }
    let mean = nanoseconds(begun.elapsed()) / as_f64(calls);
    Round { median: median(times), mean }
}

/// The same for work that does not wait.
pub(crate) fn round_sync(calls: usize, mut work: impl FnMut()) -> Round {
    let mut times = Vec::with_capacity(calls);
    let begun = Instant::now();
    for _ in 0..calls {
        let before = Instant::now();
        work();
        times.push(nanoseconds(before.elapsed()));
    }
    let mean = nanoseconds(begun.elapsed()) / as_f64(calls);
    Round { median: median(times), mean }
}

/// The middle of `values`; not a number if there are none.
#[must_use]
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// The value that a `share` of all are at most; not a number if there are none.
#[must_use]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count is a small positive number"
)]
pub(crate) fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (as_f64(values.len()) * share).ceil() as usize;
    values.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

/// The median call of the median round, in nanoseconds.
#[must_use]
pub(crate) fn typical(rounds: &[Round]) -> f64 {
    median(rounds.iter().map(|round| round.median).collect())
}

/// The median of the ratios of neighbouring rounds: what disturbs the machine for a while disturbs both sides.
#[must_use]
pub(crate) fn ratio(ours: &[Round], theirs: &[Round]) -> f64 {
    median(ours.iter().zip(theirs).map(|(a, b)| a.median / b.median).collect())
}

/// The same of the means, in which every hiccup counts.
#[must_use]
pub(crate) fn ratio_of_means(ours: &[Round], theirs: &[Round]) -> f64 {
    median(ours.iter().zip(theirs).map(|(a, b)| a.mean / b.mean).collect())
}

/// A duration in nanoseconds.
#[must_use]
pub(crate) fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// A count as a number to calculate with.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!(median(Vec::new()).is_nan());
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_percentile_is_a_value_that_was_seen() {
        let values: Vec<_> = (1..=200).map(f64::from).collect();
        for (share, expected) in [(0.0, 1.0), (0.5, 100.0), (0.99, 198.0), (1.0, 200.0)] {
            assert!((percentile(values.clone(), share) - expected).abs() < f64::EPSILON);
        }
        assert!(percentile(Vec::new(), 0.99).is_nan());
    }

    #[test]
    fn a_ratio_pairs_neighbours() {
        let of = |values: &[f64]| {
            values.iter().map(|&v| Round { median: v, mean: v * 2.0 }).collect::<Vec<_>>()
        };
        // The machine was ten times slower in the second round: the ratio does not see it.
        let (ours, theirs) = (of(&[2.0, 20.0, 2.0]), of(&[1.0, 10.0, 1.0]));
        assert!((ratio(&ours, &theirs) - 2.0).abs() < f64::EPSILON);
        assert!((ratio_of_means(&ours, &theirs) - 2.0).abs() < f64::EPSILON);
    }
}
