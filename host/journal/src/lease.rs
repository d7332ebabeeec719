//! Who may advance a run, and until when: the rules that every store obeys, so that of two hosts on
//! one store only one ever adds to a run.
//!
//! A lease says who holds a run and until when; that is how others know that it is under way. The
//! fence is what protects it: a number that grows each time the run is taken, carried by every
//! append. A host that was paused past its lease and wakes late still believes in the lease, but its
//! number is no longer the run's, so whatever it adds is refused. Leases compare the clocks of
//! different hosts; fences compare nothing but numbers, so a clock that is wrong costs time and no
//! truth.

use std::fmt;
use std::time::Duration;

use longshore_model::{RunId, Timestamp};

use crate::{Append, Error, RunState, RunSummary};

/// How long a lease holds unless it is renewed. A run whose process died is taken for under way for
/// as long.
pub const LEASE: Duration = Duration::from_secs(10);

/// A process that advances runs, told apart from every other by random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId([u8; 16]);

impl HostId {
    /// The host of these 16 bytes; they must be random, anew for each process.
    #[must_use]
    pub const fn new(entropy: [u8; 16]) -> Self {
        Self(entropy)
    }

    /// The 16 bytes, as a store keeps them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How often a run was taken. It only grows; an append with another number than the run's is
/// refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64);

impl Fence {
    /// Nobody ever held the run.
    pub const NONE: Self = Self(0);
    /// Of the host that opened the run.
    pub const FIRST: Self = Self(1);

    /// Of whoever takes the run next.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who holds a run, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The host.
    pub host: HostId,
    /// From then on anybody may take the run.
    pub until: Timestamp,
}

/// What a run waits for while nobody holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The kind, for people.
    pub on: WaitsOn,
    /// When it goes on whatever happens; never, where there is no such time.
    pub wake_at: Option<Timestamp>,
}

/// The kinds of things that a run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitsOn {
    /// A point in time.
    Timer,
    /// A message from outside.
    Signal,
    /// A decision of a human.
    Approval,
    /// The end of another run.
    Child,
    /// Whichever of several comes first.
    Several,
    /// Other code: what was to go on with the run asked for something else than its history says.
    /// Neither a letter nor time helps; the run is only given to who asks for it by name.
    Divergence,
}

impl WaitsOn {
    const ALL: [Self; 6] =
        [Self::Timer, Self::Signal, Self::Approval, Self::Child, Self::Several, Self::Divergence];

    /// `timer`, `signal`, `approval`, `child`, `several` or `divergence`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timer => "timer",
            Self::Signal => "signal",
            Self::Approval => "approval",
            Self::Child => "child",
            Self::Several => "several",
            Self::Divergence => "divergence",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|on| on.as_str() == word)
    }
}

impl fmt::Display for WaitsOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Asks for runs to advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who asks, and until when it holds what it gets.
    pub lease: Lease,
    /// The time.
    pub now: Timestamp,
    /// This run and no other, also while it waits for something that has not come.
    pub only: Option<RunId>,
    /// At most so many.
    pub limit: usize,
}

/// What an append is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many entries the run has.
    pub entries: u64,
    /// Whether it has not ended.
    pub open: bool,
    /// How often it was taken.
    pub fence: Fence,
}

impl Standing {
    /// Why `append` does not fit a run that stands so; none when it does. The run is `None` when
    /// there is no such run. An append that opens a run fits no run that is there.
    #[must_use]
    pub fn refusal(found: Option<Self>, append: &Append) -> Option<Error> {
        let (run, expected) = (append.run, append.next);
        if append.opens() {
            return found.map(|row| Error::Conflict { run, expected, found: row.entries });
        }
        let Some(row) = found else { return Some(Error::NotFound(run)) };
        if !row.open {
            return Some(Error::RunClosed(run));
        }
        if row.fence != append.fence {
            return Some(Error::Fenced { run, held: append.fence, now: row.fence });
        }
        let found = row.entries;
        (found != expected).then_some(Error::Conflict { run, expected, found })
    }
}

impl RunSummary {
    /// Where the run stands, for whoever looks at it at `now`: a run that did not end is open while
    /// a lease holds, waiting or diverged when it was let go of so, and interrupted otherwise.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> RunState {
        match self.state {
            RunState::Open if self.is_held(now) => RunState::Open,
            RunState::Open => match self.waiting.map(|waiting| waiting.on) {
                None => RunState::Interrupted,
                Some(WaitsOn::Divergence) => RunState::Diverged,
                Some(_) => RunState::Waiting,
            },
            ended => ended,
        }
    }

    /// Whether a host holds the run at `now`.
    #[must_use]
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.lease.is_some_and(|lease| lease.until > now)
    }

    /// Whether there is something to do for a host that takes the run at `now`: it has not ended,
    /// nobody holds it, and it does not wait, or what it waits for has come.
    #[must_use]
    pub fn is_claimable(&self, now: Timestamp) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    /// From when on it is claimable unless something happens before; never, where that is needed.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        if self.state.stored() != RunState::Open {
            return None;
        }
        match (self.lease, self.waiting) {
            (Some(lease), _) => Some(lease.until),
            (None, Some(Waiting { on: WaitsOn::Divergence, .. })) => None,
            (None, Some(waiting)) if self.posted == self.taken => waiting.wake_at,
            (None, _) => Some(Timestamp::default()),
        }
    }

    /// Whether `claim` may have the run.
    #[must_use]
    pub fn yields_to(&self, claim: &Claim) -> bool {
        match claim.only {
            None => self.is_claimable(claim.now),
            Some(only) => {
                self.run == only
                    && self.state.stored() == RunState::Open
                    && !self.is_held(claim.now)
            }
        }
    }
}
