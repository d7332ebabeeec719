//! What a workflow may have learnt: each of its facts is either the only one there can be, or one of those that time decides.

use std::collections::BTreeMap;

use crate::plot::{self, Op};

/// How much freedom a run had.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Freedom {
    /// Whether somebody may have asked it to end.
    pub(crate) cancelled: bool,
    /// Whether the world outside was out of reach at times.
    pub(crate) trouble: bool,
    /// Whether attempts were lost with their hosts.
    pub(crate) crashes: bool,
}

/// Judges the facts of one run.
pub(crate) struct Oracle<'f> {
    facts: &'f [u64],
    place: usize,
    freedom: Freedom,
    /// How many signals of each channel were asked for.
    signals: BTreeMap<u32, u64>,
}

/// Where a walk stands.
enum Walk {
    On,
    /// It was asked to end here.
    Cancelled,
}

type Judged<T = Walk> = Result<T, String>;

/// The payload of the nth signal of a channel.
pub(crate) fn payload(channel: u32, n: u64) -> u64 {
    u64::from(channel) * 1_000 + n
}

/// What is answered to a question, if anybody does.
pub(crate) fn answer(name: u32) -> &'static str {
    if name.is_multiple_of(2) { "yes" } else { "no" }
}

/// Whether nothing in `ops` depends on time: with crashes or without, the same facts.
pub(crate) fn is_forced(ops: &[Op], trouble: bool) -> bool {
    ops.iter().all(|op| match op {
        Op::Race { .. } | Op::SignalOr { .. } | Op::Timed { .. } | Op::Random => false,
        Op::Approval { ms, then, otherwise, .. } => {
            *ms == 0 && is_forced(then, trouble) && is_forced(otherwise, trouble)
        }
        Op::Shaky { failures, attempts, .. } => failures < attempts && !trouble,
        Op::Fatal { .. } => !trouble,
        Op::Child { ops, .. } | Op::Nested { ops, .. } | Op::Repeat { ops, .. } => {
            is_forced(ops, trouble)
        }
        _ => true,
    })
}

/// Whether something in `ops` waits by functions that cannot say that the run shall end.
pub(crate) fn cannot_be_told(ops: &[Op]) -> bool {
    ops.iter().any(|op| match op {
        Op::Nap { .. } | Op::Pure { .. } => true,
        Op::Race { then, otherwise, .. }
        | Op::SignalOr { then, otherwise, .. }
        | Op::Approval { then, otherwise, .. } => cannot_be_told(then) || cannot_be_told(otherwise),
        Op::Nested { ops, .. } | Op::Repeat { ops, .. } => cannot_be_told(ops),
        _ => false,
    })
}

/// Judges all facts of a run of `ops`.
///
/// # Errors
///
/// The first fact that cannot be.
pub(crate) fn judge(
    ops: &[Op],
    cleanup: &[Op],
    facts: &[u64],
    freedom: Freedom,
) -> Result<(), String> {
    let mut oracle = Oracle { facts, place: 0, freedom, signals: BTreeMap::new() };
    oracle.workflow(ops, cleanup)?;
    match oracle.place == facts.len() {
        true => Ok(()),
        false => Err(format!("facts from {} on are too many: {facts:?}", oracle.place)),
    }
}

impl Oracle<'_> {
    fn workflow(&mut self, ops: &[Op], cleanup: &[Op]) -> Judged<()> {
        match self.walk(ops)? {
            Walk::On => Ok(()),
            Walk::Cancelled => match self.walk(cleanup)? {
                Walk::On => Ok(()),
                Walk::Cancelled => self.wrong("to clear up without being interrupted again"),
            },
        }
    }

    /// What another workflow learnt.
    fn inner(&mut self, ops: &[Op], cleanup: &[Op]) -> Judged<()> {
        self.one_of(&[plot::INNER])?;
        self.workflow(ops, cleanup)?;
        self.one_of(&[plot::OUTER]).map(drop)
    }

    fn wrong<T>(&self, expected: &str) -> Judged<T> {
        let (place, facts) = (self.place, self.facts);
        let found = facts.get(place);
        Err(format!("fact {place} is {found:?}, and had {expected}; all: {facts:?}"))
    }

    /// Takes the mark of its end, if it is there and may be.
    fn is_cancelled(&mut self) -> bool {
        let marked = self.facts.get(self.place) == Some(&plot::CANCELLED);
        if marked && self.freedom.cancelled {
            self.place += 1;
            return true;
        }
        false
    }

    fn next(&mut self) -> Judged<u64> {
        let Some(fact) = self.facts.get(self.place) else { return self.wrong("to be there") };
        self.place += 1;
        Ok(*fact)
    }

    fn one_of(&mut self, of: &[u64]) -> Judged<u64> {
        match self.facts.get(self.place) {
            Some(fact) if of.contains(fact) => self.next(),
            _ => self.wrong(&format!("to be of {of:?}")),
        }
    }

    fn walk(&mut self, ops: &[Op]) -> Judged {
        for op in ops {
            if self.is_cancelled() {
                return Ok(Walk::Cancelled);
            }
            if let Walk::Cancelled = self.op(op)? {
                return Ok(Walk::Cancelled);
            }
        }
        Ok(if self.is_cancelled() { Walk::Cancelled } else { Walk::On })
    }

    /// All of `names`, each with its result.
    fn results(&mut self, names: &[u32]) -> Judged {
        for name in names {
            if self.is_cancelled() {
                return Ok(Walk::Cancelled);
            }
            self.one_of(&[plot::result_of(*name)])?;
        }
        Ok(Walk::On)
    }

    fn op(&mut self, op: &Op) -> Judged {
        match op {
            Op::Effect { name } | Op::Dynamic { name } => {
                self.one_of(&[plot::result_of(*name)])?;
            }
            Op::Pure { n } => drop(self.one_of(&[u64::from(n.wrapping_mul(2))])?),
            Op::Shaky { name, failures, attempts } => self.shaky(*name, *failures, *attempts)?,
            // The policy in force tries again what is out of reach.
            Op::Fatal { .. } => drop(self.one_of(&[plot::WAS_BROKEN])?),
            // A store that has no time left is out of reach.
            Op::Timed { name, .. } => {
                self.one_of(&[plot::result_of(*name), plot::WAS_SLOW, plot::WAS_UNAVAILABLE])?;
            }
            Op::Sleep { .. } | Op::Nap { .. } | Op::Note { .. } => {}
            Op::Join { names } => return self.results(names),
            Op::Race { names, ms, keep, then, otherwise } => {
                return self.race(names, *ms, *keep, then, otherwise);
            }
            Op::Signal { channel } => {
                let expected = self.signal(*channel);
                self.one_of(&[expected])?;
            }
            Op::SignalOr { channel, then, otherwise, .. } => {
                let expected = self.signal(*channel);
                let came = self.one_of(&[expected, plot::TIMER])? == expected;
                return self.walk(if came { then } else { otherwise });
            }
            Op::Approval { name, ms, then, otherwise } => {
                let said = if answer(*name) == "yes" { plot::YES } else { plot::NO };
                let may = if *ms > 0 { vec![said, plot::SILENCE] } else { vec![said] };
                let yes = self.one_of(&may)? == plot::YES;
                return self.walk(if yes { then } else { otherwise });
            }
            Op::Child { wait: false, .. } => {}
            Op::Child { ops, cleanup, .. } => return self.waited_for(ops, cleanup, false),
            Op::Nested { ops, cleanup } => {
                return self.waited_for(ops, cleanup, self.freedom.cancelled);
            }
            Op::Repeat { times, ops } => {
                for _ in 0..*times {
                    if let Walk::Cancelled = self.walk(ops)? {
                        return Ok(Walk::Cancelled);
                    }
                }
            }
            Op::Version { newest, .. } => drop(self.one_of(&[u64::from(*newest)])?),
            Op::Random => {
                let name = u32::try_from(self.next()?).unwrap_or(u32::MAX);
                if self.is_cancelled() {
                    return Ok(Walk::Cancelled);
                }
                self.one_of(&[plot::result_of(name)])?;
            }
        }
        Ok(Walk::On)
    }

    fn shaky(&mut self, name: u32, failures: u32, attempts: u32) -> Judged<()> {
        let Freedom { trouble, crashes, .. } = self.freedom;
        let mut may = Vec::new();
        if failures < attempts || crashes || trouble {
            may.push(plot::result_of(name));
        }
        if failures >= attempts || trouble {
            may.push(plot::WAS_BUSY);
        }
        if trouble {
            may.push(plot::WAS_UNAVAILABLE);
        }
        self.one_of(&may).map(drop)
    }

    /// What another workflow learnt, if it was not this one that was told to end while it waited. A child is not told with it.
    fn waited_for(&mut self, ops: &[Op], cleanup: &[Op], told_too: bool) -> Judged {
        if self.is_cancelled() {
            return Ok(Walk::Cancelled);
        }
        let own = std::mem::replace(&mut self.freedom.cancelled, told_too);
        self.inner(ops, cleanup)?;
        self.freedom.cancelled = own;
        Ok(Walk::On)
    }

    fn race(
        &mut self,
        names: &[u32],
        ms: u32,
        keep: bool,
        then: &[Op],
        otherwise: &[Op],
    ) -> Judged {
        let mut may: Vec<u64> = (0..names.len() as u64).collect();
        if ms > 0 {
            may.push(plot::TIMER);
        }
        let first = self.one_of(&may)?;
        let mut left = names.to_vec();
        let won = first != plot::TIMER;
        if won {
            let winner = left.remove(usize::try_from(first).unwrap_or(0));
            // It was there already; asking for it waits for nothing, but the wish to end may have come before.
            if let Walk::Cancelled = self.results(&[winner])? {
                return Ok(Walk::Cancelled);
            }
        }
        if keep && let Walk::Cancelled = self.results(&left)? {
            return Ok(Walk::Cancelled);
        }
        self.walk(if won { then } else { otherwise })
    }

    /// What the next signal asked for on a channel says.
    fn signal(&mut self, channel: u32) -> u64 {
        let asked = self.signals.entry(channel).or_default();
        let expected = payload(channel, *asked);
        *asked += 1;
        expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Freedom = Freedom { cancelled: false, trouble: false, crashes: false };

    #[test]
    fn a_result_that_cannot_be_is_found() {
        let ops = [Op::Effect { name: 7 }, Op::Signal { channel: 1 }, Op::Signal { channel: 1 }];
        let right = [plot::result_of(7), payload(1, 0), payload(1, 1)];
        assert_eq!(judge(&ops, &[], &right, STRICT), Ok(()));
        for place in 0..3 {
            let mut wrong = right;
            wrong[place] += 1;
            assert!(judge(&ops, &[], &wrong, STRICT).is_err());
        }
        assert!(judge(&ops, &[], &right[..2], STRICT).is_err());
        assert!(judge(&ops, &[], &[right.as_slice(), &[0]].concat(), STRICT).is_err());
    }

    #[test]
    fn the_end_comes_only_where_it_was_asked_for_and_once() {
        let (ops, cleanup) = ([Op::Sleep { ms: 1 }], [Op::Effect { name: 1 }]);
        let ended = [plot::CANCELLED, plot::result_of(1)];
        assert!(judge(&ops, &cleanup, &ended, STRICT).is_err());
        let freedom = Freedom { cancelled: true, ..STRICT };
        assert_eq!(judge(&ops, &cleanup, &ended, freedom), Ok(()));
        let twice = [plot::CANCELLED, plot::CANCELLED];
        assert!(judge(&ops, &cleanup, &twice, freedom).is_err());
    }

    #[test]
    fn what_time_decides_may_be_either_and_nothing_else() {
        let race = Op::Race {
            names: vec![3, 4],
            ms: 5,
            keep: false,
            then: vec![Op::Pure { n: 1 }],
            otherwise: vec![Op::Pure { n: 2 }],
        };
        let ops = [race];
        assert!(!is_forced(&ops, false));
        assert_eq!(judge(&ops, &[], &[1, plot::result_of(4), 2], STRICT), Ok(()));
        assert_eq!(judge(&ops, &[], &[plot::TIMER, 4], STRICT), Ok(()));
        assert!(judge(&ops, &[], &[plot::TIMER, 2], STRICT).is_err());
        assert!(judge(&ops, &[], &[2, 2], STRICT).is_err());
    }
}
