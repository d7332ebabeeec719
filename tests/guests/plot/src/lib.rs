//! A workflow that does what its input says: the simulation makes one for each seed.

wit_bindgen::generate!({
    path: [
        "../../../wit/longshore-workflow-0.1.0", "../../../wit/longshore-action-0.1.0",
        "../../../wit/wasi-keyvalue-0.2.0-draft2", "../outside/wit", "../steps/wit", "wit",
    ],
    world: "fixtures:plot/guest",
    generate_all,
});

#[allow(dead_code, reason = "the action and the simulation use the rest")]
mod plot;

use exports::fixtures::plot::plot::Guest;
use fixtures::outside::outside::{self, Failure};
use fixtures::outside::outside_start;
use fixtures::steps::steps;
use longshore::workflow::dynamic::{self, CallError};
use longshore::workflow::policies::{Options, Policy, Retry};
use longshore::workflow::waiting::{self, Interrupted, Pending};
use longshore::workflow::{approvals, children, run, signals, timers};

use plot::Op;

const OUTSIDE: &str = "fixtures:outside/outside@0.1.0";
const PLOT: &str = "fixtures:plot/plot@0.1.0";

struct Player;

/// It was asked to end.
struct Cancelled;

impl From<Interrupted> for Cancelled {
    fn from(_: Interrupted) -> Self {
        Self
    }
}

fn policy(attempts: u32, timeout: Option<u64>) -> Policy {
    Policy::new(&Options {
        retry: Some(Retry {
            max_attempts: attempts,
            first_delay_ms: 5,
            growth_percent: 150,
            max_delay_ms: 1_000,
            jitter_percent: 50,
            retry_codes: Vec::new(),
            fatal_codes: Vec::new(),
        }),
        attempt_timeout_ms: timeout,
        total_timeout_ms: None,
    })
}

fn code(code: &str) -> Result<u64, Cancelled> {
    Ok(match code {
        "cancelled" => return Err(Cancelled),
        plot::UNAVAILABLE => plot::WAS_UNAVAILABLE,
        plot::BUSY => plot::WAS_BUSY,
        plot::BROKEN => plot::WAS_BROKEN,
        "LS-RUN-002" => plot::WAS_SLOW,
        _ => plot::WAS_STRANGE,
    })
}

fn told(result: Result<u64, Failure>) -> Result<u64, Cancelled> {
    result.or_else(|failure| code(&failure.code))
}

/// A JSON list of numbers.
fn numbers(json: &str) -> Vec<u64> {
    let inner = json.trim_matches(['[', ']']);
    inner.split(',').filter_map(|word| word.trim().parse().ok()).collect()
}

fn arguments(ops: &[Op], cleanup: &[Op]) -> String {
    format!("{{\"ops\":{:?},\"cleanup\":{:?}}}", plot::encode(ops), plot::encode(cleanup))
}

/// What another workflow learnt.
fn learnt(facts: &mut Vec<u64>, result: Result<String, CallError>) -> Result<(), Cancelled> {
    match result {
        Ok(json) => {
            facts.push(plot::INNER);
            facts.extend(numbers(&json));
            facts.push(plot::OUTER);
        }
        Err(error) => facts.push(code(&error.code)?),
    }
    Ok(())
}

fn play(ops: &[Op], facts: &mut Vec<u64>) -> Result<(), Cancelled> {
    ops.iter().try_for_each(|op| one(op, facts))
}

fn one(op: &Op, facts: &mut Vec<u64>) -> Result<(), Cancelled> {
    match op {
        Op::Effect { name } => facts.push(told(outside::enter(*name))?),
        Op::Dynamic { name } => {
            match dynamic::call(OUTSIDE, "enter", &format!("{{\"name\":{name}}}")) {
                Ok(json) => facts.extend(numbers(&json)),
                Err(error) => facts.push(code(&error.code)?),
            }
        }
        Op::Pure { n } => facts.push(u64::from(steps::double(*n))),
        Op::Shaky { name, failures, attempts } => {
            let _policy = policy(*attempts, None);
            facts.push(told(outside::shaky(*name, *failures))?);
        }
        Op::Fatal { name } => facts.push(told(outside::fatal(*name))?),
        Op::Timed { name, ms } => {
            let _policy = policy(1, Some(u64::from(*ms)));
            facts.push(told(outside::enter(*name))?);
        }
        Op::Sleep { ms } => timers::sleep(u64::from(*ms))?,
        Op::Nap { ms } => std::thread::sleep(std::time::Duration::from_millis(u64::from(*ms))),
        Op::Join { names } => {
            let calls: Vec<_> = names.iter().map(|name| outside_start::enter(*name)).collect();
            let pending: Vec<_> = calls.iter().map(|call| call.subscribe()).collect();
            waiting::wait_all(&pending.iter().collect::<Vec<_>>())?;
            for call in &calls {
                facts.push(told(call.wait())?);
            }
        }
        Op::Race { names, ms, keep, then, otherwise } => {
            race(names, *ms, *keep, facts).and_then(|call| {
                play(if call { then } else { otherwise }, facts)
            })?;
        }
        Op::Signal { channel } => {
            facts.extend(numbers(&signals::receive(&format!("channel-{channel}"))?));
        }
        Op::SignalOr { channel, ms, then, otherwise } => {
            let signal = signals::next(&format!("channel-{channel}"));
            let timer = timers::start(u64::from(*ms));
            if waiting::wait_any(&[&signal.subscribe(), &timer])? == 0 {
                facts.extend(numbers(&signal.wait()?));
                play(then, facts)?;
            } else {
                facts.push(plot::TIMER);
                play(otherwise, facts)?;
            }
        }
        Op::Approval { name, ms, then, otherwise } => {
            let fact = approve(*name, *ms)?;
            facts.push(fact);
            play(if fact == plot::YES { then } else { otherwise }, facts)?;
        }
        Op::Child { detached, wait, ops, cleanup } => {
            let arguments = arguments(ops, cleanup);
            match children::start(PLOT, "run", &arguments, *detached) {
                Ok(child) if *wait => learnt(facts, child.wait())?,
                Ok(_) => {}
                Err(error) => facts.push(code(&error.code)?),
            }
        }
        Op::Nested { ops, cleanup } => {
            learnt(facts, dynamic::call(PLOT, "run", &arguments(ops, cleanup)))?;
        }
        Op::Version { change, newest } => {
            facts.push(u64::from(run::version(&format!("change-{change}"), 0, *newest)));
        }
        Op::Note { text } => run::note(&format!("note {text}")),
        Op::Repeat { times, ops } => (0..*times).try_for_each(|_| play(ops, facts))?,
        Op::Random => {
            let name = wasip2::random::random::get_random_u64() as u32;
            facts.push(u64::from(name));
            facts.push(told(outside::enter(name))?);
        }
    }
    Ok(())
}

/// Whether a call came before the timer.
fn race(names: &[u32], ms: u32, keep: bool, facts: &mut Vec<u64>) -> Result<bool, Cancelled> {
    let mut calls: Vec<_> = names.iter().map(|name| outside_start::enter(*name)).collect();
    let mut pending: Vec<Pending> = calls.iter().map(|call| call.subscribe()).collect();
    if ms > 0 {
        pending.push(timers::start(u64::from(ms)));
    }
    let first = waiting::wait_any(&pending.iter().collect::<Vec<_>>())? as usize;
    let won = first < calls.len();
    if won {
        facts.push(first as u64);
        let winner = calls.remove(first);
        facts.push(told(winner.wait())?);
    } else {
        facts.push(plot::TIMER);
    }
    if keep {
        for call in calls.drain(..) {
            facts.push(told(call.wait())?);
        }
    }
    Ok(won)
}

fn approve(name: u32, ms: u32) -> Result<u64, Cancelled> {
    let deadline = (ms > 0).then_some(u64::from(ms));
    let decision = approvals::ask(&approvals::Question {
        text: format!("question {name}"),
        options: vec!["yes".to_owned(), "no".to_owned(), "silent".to_owned()],
        approvers: vec!["ada".to_owned()],
        deadline_ms: deadline,
        silence: deadline.map(|_| "silent".to_owned()),
    })?;
    Ok(match (decision.choice.as_str(), decision.by.as_deref()) {
        ("yes", Some("ada")) => plot::YES,
        ("no", Some("ada")) => plot::NO,
        ("silent", None) => plot::SILENCE,
        _ => plot::WAS_STRANGE,
    })
}

impl Guest for Player {
    fn run(ops: Vec<u32>, cleanup: Vec<u32>) -> Vec<u64> {
        let mut facts = Vec::new();
        let _policy = policy(1_000, None);
        if let Err(Cancelled) = play(&plot::decode(&ops), &mut facts) {
            facts.push(plot::CANCELLED);
            // What is done from here on is not interrupted again: an end of it is a fact like any other.
            if let Err(Cancelled) = play(&plot::decode(&cleanup), &mut facts) {
                facts.push(plot::WAS_STRANGE);
            }
        }
        facts
    }
}

export!(Player);
