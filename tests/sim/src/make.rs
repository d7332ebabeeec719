//! Makes up a workflow from a seed.

use std::collections::BTreeMap;

use crate::dice::Dice;
use crate::plot::Op;

/// How deep workflows are above one another: the plots that are published depend on one another so far.
pub(crate) const GENERATIONS: usize = 3;

/// A workflow and what is sent to it.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) ops: Vec<Op>,
    pub(crate) cleanup: Vec<Op>,
    /// How many signals each channel may need.
    pub(crate) channels: BTreeMap<u32, u32>,
}

struct Maker {
    dice: Dice,
    names: u32,
    channels: BTreeMap<u32, u32>,
}

/// What a list of ops may have.
#[derive(Clone, Copy)]
struct Place {
    /// How many generations of workflows may be below.
    below: usize,
    /// Whether it is of the root run: only that is sent signals and answers.
    root: bool,
    /// Whether this is played while clearing up.
    cleanup: bool,
    /// How deep branches are nested.
    branch: u32,
}

/// The workflow of a seed.
pub(crate) fn story(seed: u64) -> Story {
    let mut maker = Maker { dice: Dice::of(seed, "story"), names: 0, channels: BTreeMap::new() };
    let place = Place { below: GENERATIONS - 1, root: true, cleanup: false, branch: 0 };
    let size = 3 + maker.dice.small(10);
    let ops = maker.ops(size, place);
    let cleanup = maker.cleanup(place);
    Story { ops, cleanup, channels: maker.channels }
}

impl Maker {
    fn name(&mut self) -> u32 {
        self.names += 1;
        self.names
    }

    fn names(&mut self, least: u32, more: u32) -> Vec<u32> {
        (0..least + self.dice.small(more)).map(|_| self.name()).collect()
    }

    /// Milliseconds: mostly few, now and then more than a lease.
    fn ms(&mut self) -> u32 {
        match self.dice.below(10) {
            0 => 1_000 + self.dice.small(20_000),
            1..=3 => 100 + self.dice.small(2_000),
            _ => 1 + self.dice.small(50),
        }
    }

    fn ops(&mut self, size: u32, place: Place) -> Vec<Op> {
        (0..size).map(|_| self.op(place)).collect()
    }

    fn branch(&mut self, place: Place) -> Vec<Op> {
        if place.branch >= 2 {
            return Vec::new();
        }
        let size = self.dice.small(3);
        self.ops(size, Place { branch: place.branch + 1, ..place })
    }

    fn cleanup(&mut self, place: Place) -> Vec<Op> {
        let size = self.dice.small(4);
        self.ops(size, Place { cleanup: true, ..place })
    }

    fn op(&mut self, place: Place) -> Op {
        let kinds = if place.cleanup { 9 } else { 18 };
        match self.dice.below(kinds) {
            0 | 1 => Op::Effect { name: self.name() },
            2 => Op::Dynamic { name: self.name() },
            3 => Op::Pure { n: self.dice.small(1 << 20) },
            4 => {
                let (failures, attempts) = (self.dice.small(4), 1 + self.dice.small(5));
                Op::Shaky { name: self.name(), failures, attempts }
            }
            5 => Op::Fatal { name: self.name() },
            6 => Op::Sleep { ms: self.ms() },
            7 => Op::Note { text: self.dice.small(100) },
            8 if self.dice.chance(50) => Op::Random,
            8 => {
                let ops = vec![Op::Effect { name: self.name() }, Op::Pure { n: 3 }];
                Op::Repeat { times: self.dice.small(5), ops }
            }
            9 => Op::Timed { name: self.name(), ms: 1 + self.dice.small(30) },
            10 => Op::Nap { ms: self.ms() },
            11 => Op::Join { names: self.names(1, 5) },
            12 => self.race(place),
            13 | 14 if place.root => self.word_from_outside(place),
            13 | 14 => Op::Join { names: self.names(2, 3) },
            15 if place.below > 0 => self.child(place),
            16 if place.below > 0 => {
                let below = Place { below: place.below - 1, ..place };
                let size = 1 + self.dice.small(4);
                Op::Nested { ops: self.ops(size, below), cleanup: self.cleanup(below) }
            }
            _ => Op::Version { change: self.name(), newest: 1 + self.dice.small(3) },
        }
    }

    fn race(&mut self, place: Place) -> Op {
        let names = self.names(1, 4);
        // Without a timer there must be a call that can win.
        let ms = if self.dice.chance(60) { self.ms() } else { 0 };
        let keep = self.dice.chance(50);
        Op::Race { names, ms, keep, then: self.branch(place), otherwise: self.branch(place) }
    }

    fn word_from_outside(&mut self, place: Place) -> Op {
        let channel = self.dice.small(2);
        let ms = self.ms();
        match self.dice.below(3) {
            0 => {
                *self.channels.entry(channel).or_default() += 1;
                Op::Signal { channel }
            }
            1 => {
                *self.channels.entry(channel).or_default() += 1;
                let (then, otherwise) = (self.branch(place), self.branch(place));
                Op::SignalOr { channel, ms, then, otherwise }
            }
            _ => {
                let ms = if self.dice.chance(50) { ms } else { 0 };
                let name = self.name();
                Op::Approval { name, ms, then: self.branch(place), otherwise: self.branch(place) }
            }
        }
    }

    fn child(&mut self, place: Place) -> Op {
        let below = Place { below: place.below - 1, root: false, cleanup: false, branch: 1 };
        let size = 1 + self.dice.small(5);
        Op::Child {
            detached: self.dice.chance(30),
            wait: self.dice.chance(75),
            ops: self.ops(size, below),
            cleanup: self.cleanup(below),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{decode, encode};

    #[test]
    fn a_story_comes_out_of_its_numbers_as_it_went_in_and_is_the_same_for_the_same_seed() {
        for seed in 0..200 {
            let made = story(seed);
            assert_eq!(decode(&encode(&made.ops)), made.ops);
            assert_eq!(story(seed).ops, made.ops);
        }
        assert_ne!(story(1).ops, story(2).ops);
    }
}
