//! A workflow of every word: fan-out, timers, signals, approvals, retries, children.

wit_bindgen::generate!({
    path: ["../../../wit/longshore-workflow-0.1.0", "../../../wit/longshore-action-0.1.0", "../ledger/wit", "wit"],
    world: "fixtures:flow/guest",
    generate_all,
});

use exports::fixtures::flow::flow::Guest;
use fixtures::ledger::ledger::{self, Failure};
use fixtures::ledger::ledger_start;
use longshore::workflow::policies::{Options, Policy, Retry};
use longshore::workflow::waiting::{self, Interrupted};
use longshore::workflow::{approvals, children, run, signals, timers};

const FLOW: &str = "fixtures:flow/flow@0.1.0";

struct Flow;

fn said(result: Result<u64, Failure>) -> String {
    match result {
        Ok(value) => format!("ok {value}"),
        Err(failure) => format!("{}: {}", failure.code, failure.message),
    }
}

fn retry(attempts: u32) -> Policy {
    Policy::new(&Options {
        retry: Some(Retry {
            max_attempts: attempts,
            first_delay_ms: 2,
            growth_percent: 200,
            max_delay_ms: 20,
            jitter_percent: 50,
            retry_codes: Vec::new(),
            fatal_codes: Vec::new(),
        }),
        attempt_timeout_ms: None,
        total_timeout_ms: None,
    })
}

fn ended<T>(result: Result<T, Interrupted>) -> Result<T, String> {
    result.map_err(|Interrupted::Cancelled| "cancelled".to_owned())
}

impl Guest for Flow {
    fn sequence(names: Vec<String>) -> u64 {
        names.iter().map(|name| ledger::double(ledger::enter(name, 0).unwrap_or(0))).sum()
    }

    fn fan_out(names: Vec<String>) -> Vec<String> {
        let count = names.len();
        let started = names.iter().zip(0..).map(|(name, place): (_, u64)| {
            // The later ones are done first.
            (name.clone(), ledger_start::enter(name, 5 * (count as u64 - place)))
        });
        let mut calls: Vec<_> = started.collect();
        let mut came = Vec::new();
        while !calls.is_empty() {
            let pending: Vec<_> = calls.iter().map(|(_, call)| call.subscribe()).collect();
            let borrowed: Vec<_> = pending.iter().collect();
            let Ok(first) = waiting::wait_any(&borrowed) else { return came };
            drop(borrowed);
            drop(pending);
            let (name, call) = calls.remove(first as usize);
            came.push(format!("{name} {}", said(call.wait())));
        }
        came
    }

    fn nap(ms: u64) -> u64 {
        let before = timers::now_ms();
        let _ = ledger::enter("before", 0);
        let _ = timers::sleep(ms);
        let _ = ledger::enter("after", 0);
        timers::now_ms() - before
    }

    fn std_nap(ms: u64) -> u64 {
        let before = std::time::Instant::now();
        let _ = ledger::enter("before", 0);
        std::thread::sleep(std::time::Duration::from_millis(ms));
        let _ = ledger::enter("after", 0);
        before.elapsed().as_millis() as u64
    }

    fn signals(count: u32) -> Vec<String> {
        let mut payloads = Vec::new();
        for place in 0..count {
            match signals::receive("go") {
                Ok(payload) => payloads.push(payload),
                Err(Interrupted::Cancelled) => payloads.push("cancelled".to_owned()),
            }
            let _ = ledger::enter(&format!("signal {place}"), 0);
        }
        payloads
    }

    fn signal_or_timer(ms: u64) -> String {
        let signal = signals::next("go");
        let timer = timers::start(ms);
        match waiting::wait_any(&[&signal.subscribe(), &timer]) {
            Ok(0) => format!("signal {}", signal.wait().unwrap_or_default()),
            Ok(_) => "timer".to_owned(),
            Err(Interrupted::Cancelled) => "cancelled".to_owned(),
        }
    }

    fn approval(approvers: Vec<String>, deadline_ms: Option<u64>) -> String {
        let _ = ledger::enter("asked", 0);
        let answer = approvals::ask(&approvals::Question {
            text: "Shall it go on?".to_owned(),
            options: vec!["yes".to_owned(), "no".to_owned()],
            approvers,
            deadline_ms,
            silence: deadline_ms.map(|_| "no".to_owned()),
        });
        match answer {
            Ok(decision) => {
                let _ = ledger::enter(&decision.choice, 0);
                let by = decision.by.unwrap_or_else(|| "nobody".to_owned());
                format!("{} by {by}: {}", decision.choice, decision.comment)
            }
            Err(Interrupted::Cancelled) => "cancelled".to_owned(),
        }
    }

    fn retried(name: String, failures: u32, attempts: u32) -> String {
        let _policy = retry(attempts);
        said(ledger::shaky(&name, failures))
    }

    fn timed_out(ms: u64) -> String {
        let _policy = Policy::new(&Options {
            retry: None,
            attempt_timeout_ms: Some(ms),
            total_timeout_ms: None,
        });
        match ledger::enter("slow", 60_000) {
            Ok(value) => format!("ok {value}"),
            Err(failure) => format!("{:?} {}", failure.class, failure.code),
        }
    }

    fn until_cancelled() -> String {
        let _ = ledger::enter("booked", 0);
        let slow = ledger_start::enter("slow", 60_000);
        let received = ended(signals::receive("never"));
        let slow = said(slow.wait());
        // What is done from here on is not interrupted again.
        let undone = said(ledger::enter("undone", 0));
        let slept = ended(timers::sleep(5)).is_ok();
        format!("{received:?} | {slow} | {undone} | {slept}")
    }

    fn random() -> Vec<String> {
        let first = random_number();
        let _ = ledger::enter("between", 0);
        vec![first, random_number(), run::id()]
    }

    fn versioned(newest: u32) -> String {
        if run::version("order", 0, newest) >= 1 {
            let _ = ledger::enter("new", 0);
        }
        let _ = ledger::enter("old", 0);
        let _ = signals::receive("go");
        format!("version {}", run::version("order", 0, newest))
    }

    fn parent(names: Vec<String>, detached: bool) -> String {
        let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let arguments = format!("{{\"names\":[{}]}}", names.join(","));
        match children::start(FLOW, "sequence", &arguments, detached) {
            Ok(child) => match child.wait() {
                Ok(result) => format!("child {result}"),
                Err(error) => format!("{}: {}", error.code, error.message),
            },
            Err(error) => format!("{}: {}", error.code, error.message),
        }
    }

    fn abandon() -> String {
        match children::start(FLOW, "until-cancelled", "{}", false) {
            Ok(child) => {
                let _ = timers::sleep(50);
                child.run_id()
            }
            Err(error) => error.message,
        }
    }

    fn mixture(seed: u32) -> Vec<String> {
        let mut told = Vec::new();
        let fast = ledger_start::enter(&format!("fast {seed}"), 1);
        let slow = ledger_start::enter(&format!("slow {seed}"), 10);
        let sums: u64 = (0..3).map(|n| ledger::double(n + u64::from(seed))).sum();
        told.push(format!("sums {sums}"));
        let timer = timers::start(5);
        let first = waiting::wait_any(&[&slow.subscribe(), &fast.subscribe(), &timer]);
        told.push(format!("first {}", first.map_or(9, |place| place)));
        {
            let _policy = retry(3);
            told.push(said(ledger::shaky(&format!("shaky {seed}"), 1)));
        }
        run::note(&format!("half of {seed}"));
        told.push(said(fast.wait()));
        told.push(said(slow.wait()));
        told.push(signals::receive("go").unwrap_or_else(|_| "cancelled".to_owned()));
        let _ = timers::sleep(2);
        told.push(said(ledger::enter(&format!("last {seed}"), 0)));
        told
    }

    fn notes(count: u32) {
        for n in 0..count {
            run::note(&format!("note {n}"));
        }
        let _ = ledger::enter("noted", 0);
        let _ = signals::receive("go");
    }

    fn spin() {
        loop {
            std::hint::black_box(());
        }
    }
}

fn random_number() -> String {
    #[cfg(target_family = "wasm")]
    return wasip2::random::random::get_random_u64().to_string();
    #[cfg(not(target_family = "wasm"))]
    String::new()
}

export!(Flow);
