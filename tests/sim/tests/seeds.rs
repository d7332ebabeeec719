//! A few hundred seeds, and one workflow with a death at each of its records; `just sim` plays ten thousand.

use std::sync::atomic::{AtomicU64, Ordering};

use longshore_sim::{Harbour, Stage, play, play_boundaries};

/// How many seeds are played here: the first of those that `just sim` plays.
const SEEDS: u64 = 300;
/// Workflows that die at each of their records.
const AT_EACH: std::ops::Range<u64> = 7_000..7_003;

fn played(
    harbour: &Harbour,
    seeds: std::ops::Range<u64>,
    how: impl Fn(&Stage<'_>, u64) -> Result<(), String> + Sync,
) {
    let next = AtomicU64::new(seeds.start);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let stage = Stage::new(harbour);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if let Err(wrong) = how(&stage, seed) {
                        panic!("just sim --seed {seed}   # {wrong}");
                    }
                }
            });
        }
    });
}

#[test]
fn workflows_made_up_at_random_end_as_promised_whatever_dies_under_them() {
    let harbour = Harbour::new();
    played(&harbour, 0..SEEDS, |stage, seed| play(stage, seed).map(drop));
    played(&harbour, AT_EACH, |stage, seed| play_boundaries(stage, seed).map(drop));
    // A seed goes the same way each time, or one line would repeat nothing.
    let stage = Stage::new(&harbour);
    for seed in [3, 11, 42] {
        assert_eq!(play(&stage, seed), play(&stage, seed), "seed {seed}");
    }
}
