//! Every seed that the fuzzers start from, through the same entry points, and each of them cut and flipped: no fuzzer needed.

use std::path::PathBuf;

fn seeds(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn seeds_and_their_neighbours_break_nothing() {
    for (name, entry) in longshore_fuzzing::ENTRIES {
        let seeds = seeds(name);
        assert!(seeds.len() >= 3, "`{name}` has {} seeds", seeds.len());
        for (path, seed) in seeds {
            let told = |change: &str, bytes: &[u8]| {
                let ended = std::panic::catch_unwind(|| entry(bytes));
                assert!(ended.is_ok(), "`{}` {change}", path.display());
            };
            told("as it is", &seed);
            let step = (seed.len() / 64).max(1);
            for at in (0..seed.len()).step_by(step) {
                told(&format!("cut at {at}"), &seed[..at]);
                for bit in [0x01, 0x20, 0x80] {
                    let mut flipped = seed.clone();
                    flipped[at] ^= bit;
                    told(&format!("with byte {at} changed by {bit:#x}"), &flipped);
                }
            }
        }
    }
}

#[test]
fn every_entry_has_a_target_and_every_target_an_entry() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/targets");
    let mut targets: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    targets.sort();
    let mut entries: Vec<_> = longshore_fuzzing::ENTRIES.iter().map(|(name, _)| *name).collect();
    entries.sort_unstable();
    assert_eq!(targets, entries);
}
