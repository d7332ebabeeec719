//! Looks for what tells it about the host.

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use longshore_hostile::Probes;
use wasip2::cli::environment;
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::random::{insecure, insecure_seed, random};

/// Looks around.
#[longshore_guest::action(package = "hostile:probes@0.1.0", interface = "probes")]
pub mod probes {
    /// Carries out the attack: what it found, for the test to judge.
    pub fn attack(name: String) -> Result<String, String> {
        let attack = longshore_hostile::Probes::named(&name).ok_or("no such attack")?;
        Err(crate::carry_out(attack))
    }
}

fn carry_out(attack: Probes) -> String {
    match attack {
        Probes::Environment => {
            let (variables, arguments) =
                (environment::get_environment(), environment::get_arguments());
            let folder = environment::initial_cwd();
            let listed = std::fs::read_dir("/").map(Iterator::count).map_err(|e| e.kind());
            format!("{variables:?} {arguments:?} {folder:?} {listed:?}")
        }
        Probes::StillClock => computed(false),
        Probes::SleptClock => computed(true),
        Probes::Seeded => {
            let mut numbers = vec![random::get_random_u64(), insecure::get_insecure_random_u64()];
            numbers.extend([insecure_seed::insecure_seed().0, insecure_seed::insecure_seed().1]);
            let bytes = [random::get_random_bytes(16), insecure::get_insecure_random_bytes(16)];
            numbers.push(random::get_random_u64());
            format!("{numbers:?} {bytes:?}")
        }
    }
}

/// What every clock says that computing took, in nanoseconds; with `sleep`, a millisecond of sleep before and after.
fn computed(sleep: bool) -> String {
    let rest = || {
        if sleep {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    rest();
    let (wall, began, monotonic) = (wall_clock::now(), Instant::now(), monotonic_clock::now());
    let mut state = 1_u64;
    for _ in 0..20_000_000 {
        state = black_box(state ^ (state << 13) ^ (state >> 7));
    }
    let after = wall_clock::now();
    let seconds = i128::from(after.seconds) - i128::from(wall.seconds);
    let parts = i128::from(after.nanoseconds) - i128::from(wall.nanoseconds);
    let took = [
        seconds * 1_000_000_000 + parts,
        i128::try_from(began.elapsed().as_nanos()).unwrap_or(i128::MAX),
        i128::from(monotonic_clock::now() - monotonic),
    ];
    rest();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    format!("{took:?} at {since}")
}
