//! What workflows wait with: timers, signals, approvals, policies for calls, and children. `longshore:workflow/*`.
//!
//! All of it goes through the run's journal: a workflow whose host died goes on from where it was. Beside the interface of each
//! action `longshore build` writes one whose functions start calls; those are waited for together:
//!
//! ```ignore
//! use longshore_guest::workflow::{timer, wait_any};
//!
//! let call = actions::fetch_start::get(&url);
//! match wait_any(&[&call.subscribe(), &timer(Duration::from_secs(5))])? {
//!     0 => Ok(call.wait()?),
//!     _ => Err(Failure::retryable("slow", "five seconds are enough")),
//! }
//! ```
//!
//! Waits end with [`Interrupted`] once when somebody asked for the run to end; `?` makes of it a failure with the code
//! `cancelled`. What a workflow does after that is its clearing up. Natively there is no journal to wait with: functions here
//! panic, and what is worth testing is kept in functions that take the answers.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::durable::longshore::workflow as raw;
use crate::{Failure, Result};

#[doc(hidden)]
pub use raw::waiting;
pub use raw::waiting::{Interrupted, Pending};

impl From<Interrupted> for Failure {
    fn from(_: Interrupted) -> Self {
        Self::fatal("cancelled", "the run was asked to end")
    }
}

fn ms(duration: Duration) -> u64 {
    // A timer never ends before its time.
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Waits so long, in the journal: a host that dies meanwhile does not make it longer.
///
/// # Errors
///
/// When somebody asked for the run to end.
pub fn sleep(duration: Duration) -> Result<(), Interrupted> {
    raw::timers::sleep(ms(duration))
}

/// Starts a timer.
#[must_use]
pub fn timer(duration: Duration) -> Pending {
    raw::timers::start(ms(duration))
}

/// Waits for the first, and says which it is; of several that are there, the one that came first.
///
/// # Errors
///
/// When somebody asked for the run to end.
pub fn wait_any(of: &[&Pending]) -> Result<usize, Interrupted> {
    waiting::wait_any(of).map(|place| place as usize)
}

/// Waits until all are there.
///
/// # Errors
///
/// When somebody asked for the run to end.
pub fn wait_all(of: &[&Pending]) -> Result<(), Interrupted> {
    waiting::wait_all(of)
}

/// Waits for the next signal of that name. One that came before is there already.
///
/// # Errors
///
/// `cancelled`; `json`, when the payload is no `T`.
pub fn receive<T: DeserializeOwned>(name: &str) -> Result<T> {
    let payload = raw::signals::receive(name)?;
    Ok(serde_json::from_str(&payload)?)
}

/// The next signal of a name, to be waited for with other things.
#[derive(Debug)]
pub struct Signal(raw::signals::Signal);

/// The next signal of that name.
#[must_use]
pub fn signal(name: &str) -> Signal {
    Signal(raw::signals::next(name))
}

impl Signal {
    /// Waits for it.
    ///
    /// # Errors
    ///
    /// As [`receive`].
    pub fn wait<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_str(&self.0.wait()?)?)
    }

    /// The same for [`wait_any`] and [`wait_all`].
    #[must_use]
    pub fn subscribe(&self) -> Pending {
        self.0.subscribe()
    }
}

/// A question to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    text: String,
    options: Vec<String>,
    approvers: Vec<String>,
    silence: Option<(Duration, String)>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// One of the options.
    pub choice: String,
    /// Who decided; none where nobody did in time.
    pub by: Option<String>,
    /// Why.
    pub comment: String,
}

impl Question {
    /// A question that `options` answer; at least one.
    #[must_use]
    pub fn new(text: impl Into<String>, options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Self { text: text.into(), options, approvers: Vec::new(), silence: None }
    }

    /// Only they may answer.
    #[must_use]
    pub fn approvers(mut self, names: &[&str]) -> Self {
        self.approvers = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// What counts as the answer when nobody gives one in time.
    #[must_use]
    pub fn silence(mut self, after: Duration, choice: impl Into<String>) -> Self {
        self.silence = Some((after, choice.into()));
        self
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    ///
    /// When somebody asked for the run to end.
    pub fn ask(self) -> Result<Decision, Interrupted> {
        let (deadline_ms, silence) = match self.silence {
            Some((after, choice)) => (Some(ms(after)), Some(choice)),
            None => (None, None),
        };
        let decided = raw::approvals::ask(&raw::approvals::Question {
            text: self.text,
            options: self.options,
            approvers: self.approvers,
            deadline_ms,
            silence,
        })?;
        Ok(Decision { choice: decided.choice, by: decided.by, comment: decided.comment })
    }
}

/// How calls are made: how often they are tried, and how long they may take. `Policy::new()` changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    attempts: Option<u32>,
    first_delay: Option<Duration>,
    max_delay: Option<Duration>,
    attempt: Option<Duration>,
    total: Option<Duration>,
    retried: Vec<String>,
    fatal: Vec<String>,
}

/// A policy that is in force; until it is dropped.
#[derive(Debug)]
#[must_use = "a policy is in force for as long as this lives"]
pub struct InForce(#[allow(dead_code, reason = "it is kept to be dropped")] raw::policies::Policy);

impl Policy {
    /// One attempt, and the time that the limits give.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many attempts at most, the first included. A failure that says it is fatal is not tried again.
    #[must_use]
    pub fn attempts(mut self, most: u32) -> Self {
        self.attempts = Some(most);
        self
    }

    /// The pause before the second attempt, which doubles from one to the next up to `most`, and of which up to half is taken
    /// off at random. 100 ms and 30 s, if this is not said.
    #[must_use]
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        (self.first_delay, self.max_delay) = (Some(first), Some(most));
        self
    }

    /// How long each attempt may take.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt = Some(timeout);
        self
    }

    /// How long all attempts and pauses may take together.
    #[must_use]
    pub fn total_timeout(mut self, timeout: Duration) -> Self {
        self.total = Some(timeout);
        self
    }

    /// Tries failures and faults with this code again whatever their class.
    #[must_use]
    pub fn retry_on(mut self, code: impl Into<String>) -> Self {
        self.retried.push(code.into());
        self
    }

    /// Never tries failures and faults with this code again.
    #[must_use]
    pub fn fatal(mut self, code: impl Into<String>) -> Self {
        self.fatal.push(code.into());
        self
    }

    /// Puts it in force for the calls that are made or started from now on, instead of the one before.
    pub fn enforce(self) -> InForce {
        let retry = self.attempts.map(|max_attempts| raw::policies::Retry {
            max_attempts,
            first_delay_ms: ms(self.first_delay.unwrap_or(Duration::from_millis(100))),
            growth_percent: 200,
            max_delay_ms: ms(self.max_delay.unwrap_or(Duration::from_secs(30))),
            jitter_percent: 50,
            retry_codes: self.retried,
            fatal_codes: self.fatal,
        });
        InForce(raw::policies::Policy::new(&raw::policies::Options {
            retry,
            attempt_timeout_ms: self.attempt.map(ms),
            total_timeout_ms: self.total.map(ms),
        }))
    }

    /// Makes the calls in `work` by it.
    pub fn over<T>(self, work: impl FnOnce() -> T) -> T {
        let _in_force = self.enforce();
        work()
    }
}

/// By which version of a change this run goes: `newest` in one that gets here for the first time, what it was then in one that
/// is repeated, and `oldest` in one that was here before the change had a name.
#[must_use]
pub fn version(change: &str, oldest: u32, newest: u32) -> u32 {
    raw::run::version(change, oldest, newest)
}

/// Ends this run and goes on with a new one, with `input` (an object keyed by parameter name, or an array) and an empty
/// history: for workflows without end. Signals that came and were not received go along. Returns only the reason why not:
/// `cancelled`, when somebody asked for the run to end; `bad-input`; `unavailable`, when another workflow called this one.
///
/// ```ignore
/// if rounds == 1_000 {
///     return Err(continue_as_new(&Input { seen }));
/// }
/// ```
#[must_use]
pub fn continue_as_new<I: Serialize>(input: &I) -> Failure {
    let input = match serde_json::to_string(input) {
        Ok(input) => input,
        Err(error) => return error.into(),
    };
    match raw::lineage::continue_as_new(&input) {
        raw::lineage::Refusal::Interrupted => Interrupted::Cancelled.into(),
        raw::lineage::Refusal::BadInput(why) => Failure::fatal("bad-input", why),
        raw::lineage::Refusal::Unavailable => {
            let why = "only the workflow that the run was started with goes on as a new run";
            Failure::fatal("unavailable", why)
        }
    }
}

/// How many runs went before this one: none before the first.
#[must_use]
pub fn generation() -> u32 {
    raw::lineage::number()
}

/// A run that was started as a child of this one.
#[derive(Debug)]
pub struct Child(raw::children::Child);

/// Starts a run of `function` of the workflow that serves `interface`. It does not outlive this run, unless it is `detached`.
///
/// # Errors
///
/// What the host says, with its code; `json`, when the arguments have no JSON form.
pub fn child<A: Serialize>(
    interface: &str,
    function: &str,
    arguments: &A,
    detached: bool,
) -> Result<Child> {
    let arguments = serde_json::to_string(arguments)?;
    let child = raw::children::start(interface, function, &arguments, detached);
    child.map(Child).map_err(failure)
}

impl Child {
    /// Its identifier.
    #[must_use]
    pub fn run_id(&self) -> String {
        self.0.run_id()
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// How it failed; `json`, when its result is no `T`.
    pub fn wait<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_str(&self.0.wait().map_err(failure)?)?)
    }

    /// The same for [`wait_any`] and [`wait_all`].
    #[must_use]
    pub fn subscribe(&self) -> Pending {
        self.0.subscribe()
    }

    /// Asks it to end.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

fn failure(error: raw::dynamic::CallError) -> Failure {
    let class = if error.retryable { Failure::retryable } else { Failure::fatal };
    class(error.code, error.message)
}
