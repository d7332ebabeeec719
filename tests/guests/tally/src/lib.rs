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
use longshore::workflow::lineage::{self, Refusal};
use longshore::workflow::{children, dynamic, signals, timers};

const STEPS: &str = "fixtures:steps/steps@0.1.0";

struct Tally;

/// Goes on as a new run, which must not be refused.
fn refused(input: &str) -> ! {
    let refusal = lineage::continue_as_new(input);
    panic!("{refusal:?}")
}

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

    fn rounds(left: u32, sum: u64) -> (u64, u32) {
        let sum = sum + u64::from(steps::double(left));
        let _ = ledger::enter(&format!("round {left}"), 0);
        if left == 0 {
            return (sum, lineage::number());
        }
        refused(&format!(r#"{{"left":{},"sum":{sum}}}"#, left - 1))
    }

    fn mother(left: u32) -> String {
        let arguments = format!(r#"{{"left":{left},"sum":0}}"#);
        let child = children::start("fixtures:tally/tally@0.1.0", "rounds", &arguments, false);
        match child.and_then(|child| child.wait()) {
            Ok(result) => result,
            Err(error) => format!("{}: {}", error.code, error.message),
        }
    }

    fn relay(left: u32, mut got: Vec<String>) -> Vec<String> {
        got.push(signals::receive("go").unwrap_or_else(|_| "cancelled".to_owned()));
        if left <= 1 {
            return got;
        }
        // One that is met and not looked at goes along too.
        let next = signals::next("go");
        let _ = timers::sleep(1);
        let got: Vec<_> = got.iter().map(|text| format!("{text:?}")).collect();
        let input = format!(r#"{{"left":{},"got":[{}]}}"#, left - 1, got.join(","));
        let refusal = lineage::continue_as_new(&input);
        drop(next);
        panic!("{refusal:?}")
    }

    fn refused(again: bool) -> String {
        if again {
            return format!("{} after {}", lineage::number(), lineage::first());
        }
        let told = match lineage::continue_as_new(r#"{"again":7}"#) {
            Refusal::BadInput(why) => why,
            other => format!("{other:?}"),
        };
        assert!(told.contains("again"), "{told}");
        refused("[true]")
    }

    fn stubborn(told: String) -> String {
        if !told.is_empty() {
            let ended = signals::receive("never").is_err();
            return format!("{told}, then {ended}");
        }
        // It is asked to end while it computes.
        for n in 0..200_000_000_u64 {
            std::hint::black_box(n);
        }
        let first = lineage::continue_as_new(r#"["first"]"#);
        let word = if matches!(first, Refusal::Interrupted) { "interrupted" } else { "else" };
        refused(&format!(r#"["{word}"]"#))
    }

    fn risk(how: String) -> String {
        match steps::risky(&how) {
            Ok(value) => format!("ok {value}"),
            Err(failure) => format!("{:?} {}: {}", failure.class, failure.code, failure.message),
        }
    }
}

export!(Tally);
