//! Plots: workflows made up at random, as lists of numbers. Shared by the guest that plays them, the action that they call, and
//! the simulation that makes them and judges what came of them; so it uses nothing but the standard library.

/// The code of a failure that comes from outside.
pub const UNAVAILABLE: &str = "unavailable";
/// The code of a failure that another attempt may mend.
pub const BUSY: &str = "busy";
/// The code of a failure for good.
pub const BROKEN: &str = "broken";

/// Facts from here on are no results.
pub const MARKS: u64 = 1 << 40;
/// It was asked to end; what follows is its clearing up.
pub const CANCELLED: u64 = MARKS;
/// A step failed: it was out of reach.
pub const WAS_UNAVAILABLE: u64 = MARKS + 1;
/// A step failed: busy.
pub const WAS_BUSY: u64 = MARKS + 2;
/// A step failed for good.
pub const WAS_BROKEN: u64 = MARKS + 3;
/// A step took too long.
pub const WAS_SLOW: u64 = MARKS + 4;
/// Something else, that no plot foresees.
pub const WAS_STRANGE: u64 = MARKS + 5;
/// The timer came before what it was set against.
pub const TIMER: u64 = MARKS + 6;
/// Answers to a question.
pub const YES: u64 = MARKS + 7;
pub const NO: u64 = MARKS + 8;
/// Nobody answered in time.
pub const SILENCE: u64 = MARKS + 9;
/// Around what another workflow learnt.
pub const INNER: u64 = MARKS + 10;
pub const OUTER: u64 = MARKS + 11;

/// What an effect of that name gives.
#[must_use]
pub fn result_of(name: u32) -> u64 {
    u64::from(name.wrapping_mul(2_654_435_761))
}

/// One thing that a workflow does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A step with an effect.
    Effect { name: u32 },
    /// The same, called by name with JSON.
    Dynamic { name: u32 },
    /// A step without.
    Pure { n: u32 },
    /// A step that fails so often, with so many attempts.
    Shaky { name: u32, failures: u32, attempts: u32 },
    /// A step that fails for good.
    Fatal { name: u32 },
    /// A step that has so long for each of its attempts.
    Timed { name: u32, ms: u32 },
    /// Sleeps by the journal's clock.
    Sleep { ms: u32 },
    /// Sleeps as an ordinary library does.
    Nap { ms: u32 },
    /// Steps at once; waits for all.
    Join { names: Vec<u32> },
    /// Steps at once and perhaps a timer (0: none); the first decides what follows. The others are let go of, or waited for.
    Race { names: Vec<u32>, ms: u32, keep: bool, then: Vec<Op>, otherwise: Vec<Op> },
    /// Waits for a signal.
    Signal { channel: u32 },
    /// Waits for a signal or a timer; the first decides what follows.
    SignalOr { channel: u32, ms: u32, then: Vec<Op>, otherwise: Vec<Op> },
    /// Asks (0: without a deadline); the answer decides what follows.
    Approval { name: u32, ms: u32, then: Vec<Op>, otherwise: Vec<Op> },
    /// Another workflow as a run of its own.
    Child { detached: bool, wait: bool, ops: Vec<Op>, cleanup: Vec<Op> },
    /// Another workflow as a step of this run.
    Nested { ops: Vec<Op>, cleanup: Vec<Op> },
    /// A version marker.
    Version { change: u32, newest: u32 },
    /// A note.
    Note { text: u32 },
    /// A step whose name is a random number.
    Random,
    /// The same again, so often.
    Repeat { times: u32, ops: Vec<Op> },
}

/// The ops as numbers.
#[must_use]
pub fn encode(ops: &[Op]) -> Vec<u32> {
    let mut out = Vec::new();
    write(ops, &mut out);
    out
}

fn write(ops: &[Op], out: &mut Vec<u32>) {
    out.push(ops.len() as u32);
    for op in ops {
        match op {
            Op::Effect { name } => out.extend([0, *name]),
            Op::Dynamic { name } => out.extend([1, *name]),
            Op::Pure { n } => out.extend([2, *n]),
            Op::Shaky { name, failures, attempts } => out.extend([3, *name, *failures, *attempts]),
            Op::Fatal { name } => out.extend([4, *name]),
            Op::Timed { name, ms } => out.extend([5, *name, *ms]),
            Op::Sleep { ms } => out.extend([6, *ms]),
            Op::Nap { ms } => out.extend([7, *ms]),
            Op::Join { names } => {
                out.extend([8, names.len() as u32]);
                out.extend(names);
            }
            Op::Race { names, ms, keep, then, otherwise } => {
                out.extend([9, names.len() as u32]);
                out.extend(names);
                out.extend([*ms, u32::from(*keep)]);
                write(then, out);
                write(otherwise, out);
            }
            Op::Signal { channel } => out.extend([10, *channel]),
            Op::SignalOr { channel, ms, then, otherwise } => {
                out.extend([11, *channel, *ms]);
                write(then, out);
                write(otherwise, out);
            }
            Op::Approval { name, ms, then, otherwise } => {
                out.extend([12, *name, *ms]);
                write(then, out);
                write(otherwise, out);
            }
            Op::Child { detached, wait, ops, cleanup } => {
                out.extend([13, u32::from(*detached), u32::from(*wait)]);
                write(ops, out);
                write(cleanup, out);
            }
            Op::Nested { ops, cleanup } => {
                out.push(14);
                write(ops, out);
                write(cleanup, out);
            }
            Op::Version { change, newest } => out.extend([15, *change, *newest]),
            Op::Note { text } => out.extend([16, *text]),
            Op::Random => out.push(17),
            Op::Repeat { times, ops } => {
                out.extend([18, *times]);
                write(ops, out);
            }
        }
    }
}

/// The ops behind numbers that [`encode`] wrote.
///
/// # Panics
///
/// When they are none.
#[must_use]
pub fn decode(numbers: &[u32]) -> Vec<Op> {
    let mut numbers = numbers.iter().copied();
    read(&mut || numbers.next().expect("a plot ends where it says"))
}

fn read(next: &mut dyn FnMut() -> u32) -> Vec<Op> {
    let names = |next: &mut dyn FnMut() -> u32| (0..next()).map(|_| next()).collect();
    (0..next())
        .map(|_| match next() {
            0 => Op::Effect { name: next() },
            1 => Op::Dynamic { name: next() },
            2 => Op::Pure { n: next() },
            3 => Op::Shaky { name: next(), failures: next(), attempts: next() },
            4 => Op::Fatal { name: next() },
            5 => Op::Timed { name: next(), ms: next() },
            6 => Op::Sleep { ms: next() },
            7 => Op::Nap { ms: next() },
            8 => Op::Join { names: names(next) },
            9 => Op::Race {
                names: names(next),
                ms: next(),
                keep: next() == 1,
                then: read(next),
                otherwise: read(next),
            },
            10 => Op::Signal { channel: next() },
            11 => Op::SignalOr {
                channel: next(),
                ms: next(),
                then: read(next),
                otherwise: read(next),
            },
            12 => {
                Op::Approval { name: next(), ms: next(), then: read(next), otherwise: read(next) }
            }
            13 => Op::Child {
                detached: next() == 1,
                wait: next() == 1,
                ops: read(next),
                cleanup: read(next),
            },
            14 => Op::Nested { ops: read(next), cleanup: read(next) },
            15 => Op::Version { change: next(), newest: next() },
            16 => Op::Note { text: next() },
            17 => Op::Random,
            18 => Op::Repeat { times: next(), ops: read(next) },
            other => panic!("{other} is no op"),
        })
        .collect()
}
