//! A workflow of steps that can be computed again and of effects.

wit_bindgen::generate!({
    path: [
        "../../../wit/longshore-workflow-0.1.0",
        "../../../wit/longshore-action-0.1.0",
        "../ledger/wit",
        "../steps/wit",
        "wit",
    ],
    world: "fixtures:tally/guest",
    generate_all,
});

use exports::fixtures::tally::tally::Guest;
use fixtures::ledger::ledger;
use fixtures::steps::steps;
use longshore::workflow::{dynamic, signals};

const STEPS: &str = "fixtures:steps/steps@0.1.0";

struct Tally;

impl Guest for Tally {
    fn mixed(doublings: u32, every: u32) -> u64 {
        let mut sum = 0;
        for n in 0..doublings {
            sum += u64::from(steps::double(n));
            if every > 0 && (n + 1) % every == 0 {
                let _ = ledger::enter(&format!("sum {sum}"), 0);
            }
        }
        sum
    }

    fn halting(doublings: u32, every: u32) -> u64 {
        let sum = Self::mixed(doublings, every);
        let _ = signals::receive("go");
        sum
    }

    fn kept(n: u32) -> (u32, String) {
        let started = dynamic::start(STEPS, "double", &format!("[{}]", n + 1));
        let doubled = steps::double(n);
        let later = match started.and_then(|call| call.wait()) {
            Ok(later) => later,
            Err(error) => error.message,
        };
        let _ = signals::receive("go");
        (doubled, later)
    }

    fn risk(how: String) -> String {
        match steps::risky(&how) {
            Ok(value) => format!("ok {value}"),
            Err(failure) => format!("{:?} {}: {}", failure.class, failure.code, failure.message),
        }
    }
}

export!(Tally);
