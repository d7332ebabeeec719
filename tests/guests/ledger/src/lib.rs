//! An action with effects that can be counted: it writes a line to a file for each attempt.

use std::io::Write as _;

wit_bindgen::generate!({
    path: ["../../../wit/longshore-workflow-0.1.0", "../../../wit/longshore-action-0.1.0", "wit"],
    world: "fixtures:ledger/guest",
    generate_all,
});

use exports::fixtures::ledger::ledger::{Class, Failure, Guest};
use longshore::action::attempt;

struct Ledger;

fn failure(class: Class, code: &str, message: String) -> Failure {
    Failure { class, code: code.to_owned(), message, retry_after_ms: None }
}

/// One line, in one write: lines of several instances do not mix.
fn write(name: &str) -> Result<(), Failure> {
    let line = format!("{} {} {name}\n", attempt::idempotency_key(), attempt::number());
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open("/ledger/entries")
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|error| failure(Class::Fatal, "io", error.to_string()))
}

impl Guest for Ledger {
    fn enter(name: String, after_ms: u64) -> Result<u64, Failure> {
        std::thread::sleep(std::time::Duration::from_millis(after_ms));
        write(&name)?;
        Ok(name.len() as u64)
    }

    fn shaky(name: String, failures: u32) -> Result<u64, Failure> {
        write(&name)?;
        if attempt::number() <= failures {
            return Err(failure(
                Class::Retryable,
                "busy",
                format!("attempt {}", attempt::number()),
            ));
        }
        Ok(u64::from(attempt::number()))
    }

    fn double(n: u64) -> u64 {
        n.wrapping_mul(2)
    }
}

export!(Ledger);
