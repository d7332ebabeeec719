//! What goes wrong in a simulation, made up from its seed: how hosts end, how the store behaves, whose clocks are wrong.

use std::time::Duration;

use crate::dice::Dice;
use crate::make::{self, Story};

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) story: Story,
    pub(crate) patience: Duration,
    pub(crate) weather: Weather,
    /// How often the world outside is out of reach, in hundredths.
    pub(crate) trouble: u64,
    /// When the run is asked to end.
    pub(crate) cancel: Option<Duration>,
    /// One host after the other; the last one lives on.
    pub(crate) lives: Vec<Life>,
    /// Whether a host may be overtaken by another while it lives.
    pub(crate) rivals: bool,
}

/// How the store behaves, in hundredths of operations.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// Takes a while.
    pub(crate) slow: u64,
    /// Fails, having done it or not.
    pub(crate) failing: u64,
    /// Calls are heard twice, or late.
    pub(crate) echoes: u64,
}

/// One host's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) doom: Doom,
    /// How long after its end the next begins.
    pub(crate) rest: Duration,
    pub(crate) ahead: Duration,
    /// After how long its clock is set back, and by how much.
    pub(crate) back: Option<(Duration, Duration)>,
}

/// How a host ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doom {
    Never,
    /// The process dies with the record that is the nth of its life.
    Kill {
        record: u64,
    },
    /// The machine does: what is not on disk is gone.
    PowerCut {
        record: u64,
    },
    /// The same at a time of its life.
    KillAt {
        after: Duration,
    },
    PowerCutAt {
        after: Duration,
    },
    /// It is stopped for a while, and wakes up late.
    Pause {
        record: u64,
        ms: u64,
    },
}

impl Life {
    const ENDLESS: Self =
        Self { doom: Doom::Never, rest: Duration::ZERO, ahead: Duration::ZERO, back: None };
}

fn patience(dice: &mut Dice) -> Duration {
    match dice.below(3) {
        0 => Duration::ZERO,
        1 => Duration::from_secs(1),
        _ => Duration::from_secs(600),
    }
}

impl Plan {
    /// The same workflow in the same world, and nothing goes wrong.
    pub(crate) fn calm(seed: u64) -> Self {
        let mut dice = Dice::of(seed, "plan");
        let patience = patience(&mut dice);
        let trouble = if dice.chance(30) { dice.below(40) } else { 0 };
        Self {
            seed,
            story: make::story(seed),
            patience,
            weather: Weather::default(),
            trouble,
            cancel: None,
            lives: vec![Life::ENDLESS],
            rivals: false,
        }
    }

    /// What goes wrong, in a workflow that makes about so many `records`.
    pub(crate) fn stormy(seed: u64, records: u64) -> Self {
        let mut dice = Dice::of(seed, "storm");
        let calm = Self::calm(seed);
        let patience = if dice.chance(30) { patience(&mut dice) } else { calm.patience };
        let some = |dice: &mut Dice, percent: u64, most: u64| {
            if dice.chance(percent) { 1 + dice.below(most) } else { 0 }
        };
        let weather = Weather {
            slow: some(&mut dice, 60, 50),
            failing: some(&mut dice, 25, 6),
            echoes: some(&mut dice, 40, 60),
        };
        let cancel = dice.chance(20).then(|| Duration::from_millis(dice.below(8_000)));
        let rivals = dice.chance(30);
        let deaths = if weather.failing > 0 { dice.below(4) } else { 1 + dice.below(4) };
        let mut lives: Vec<Life> = (0..deaths).map(|_| life(&mut dice, records, rivals)).collect();
        lives.push(Life::ENDLESS);
        Self { patience, weather, cancel, lives, rivals, ..calm }
    }

    /// One death at the nth record, and nothing else.
    pub(crate) fn boundary(seed: u64, record: u64, power: bool) -> Self {
        let doom = if power { Doom::PowerCut { record } } else { Doom::Kill { record } };
        let first = Life { doom, rest: Duration::from_millis(200), ..Life::ENDLESS };
        Self { lives: vec![first, Life::ENDLESS], ..Self::calm(seed) }
    }
}

fn life(dice: &mut Dice, records: u64, rivals: bool) -> Life {
    let record = 1 + dice.below(records + 3);
    let after = Duration::from_millis(dice.below(6_000));
    let doom = match (rivals, dice.below(10)) {
        (true, 0..=4) => Doom::Pause { record, ms: 5_000 + dice.below(30_000) },
        (true, 5..=7) | (false, 0..=3) => Doom::Kill { record },
        (true, _) | (false, 4) => Doom::KillAt { after },
        (false, 5) => Doom::PowerCutAt { after },
        (false, _) => Doom::PowerCut { record },
    };
    let wrong = rivals && dice.chance(40);
    let ahead = if wrong { dice.below(15_000) } else { 0 };
    let back = (wrong && dice.chance(50)).then(|| {
        (Duration::from_millis(dice.below(5_000)), Duration::from_millis(dice.below(20_000)))
    });
    Life {
        doom,
        rest: Duration::from_millis(dice.below(12_000)),
        ahead: Duration::from_millis(ahead),
        back,
    }
}
