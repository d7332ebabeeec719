//! Looking for what tells about the host, its clock and its other guests.

use longshore_hostile::Probes;

use crate::ground::{Ground, attack, refused, told};
use crate::stage::allow;

/// Carries out `attack`; it must learn what is said here and nothing else.
pub(crate) async fn meet(ground: &Ground, what: Probes) {
    let granted: &[&str] = match what {
        Probes::Environment => &["clock", "random"],
        Probes::StillClock => &["clock=frozen:2026-01-01T00:00:00Z", "random"],
        Probes::SleptClock => &["clock=virtual:2026-01-01T00:00:00Z", "random"],
        Probes::Seeded => &["clock", "random=seed:hostile"],
    };
    let request =
        attack(&ground.guest("probes"), &format!("[\"{}\"]", what.name()), allow(granted));
    let ran = ground.run(&request).await;
    match what {
        Probes::Environment => refused(&ran, "[] [] None Err(NotFound)"),
        Probes::StillClock => refused(&ran, "[0, 0, 0] at 1767225600000"),
        // It slept twice for a millisecond, and computed for far longer.
        Probes::SleptClock => refused(&ran, "[0, 0, 0] at 1767225600002"),
        Probes::Seeded => {
            let first = told(&ran);
            assert_eq!(told(&ground.run(&request).await), first, "the seed is all that there is");
            let other = request.allow(allow(&["clock", "random=seed:other"]));
            assert_ne!(told(&ground.run(&other).await), first, "another seed, another answer");
        }
    }
}
