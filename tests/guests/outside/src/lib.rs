//! An action of the simulation: each attempt at a step writes under its idempotency key, and may be told to fail.

wit_bindgen::generate!({
    path: [
        "../../../wit/longshore-workflow-0.1.0", "../../../wit/longshore-action-0.1.0",
        "../../../wit/wasi-keyvalue-0.2.0-draft2", "wit",
    ],
    world: "fixtures:outside/guest",
    generate_all,
});

use exports::fixtures::outside::outside::{Class, Failure, Guest};
use longshore::action::attempt;
use wasi::keyvalue::store;

#[path = "../../plot/src/plot.rs"]
#[allow(dead_code, reason = "the guest that plays plots uses the rest")]
mod plot;

struct Outside;

fn failure(class: Class, code: &str) -> Failure {
    let message = format!("attempt {}", attempt::number());
    Failure { class, code: code.to_owned(), message, retry_after_ms: None }
}

fn write(name: u32) -> Result<u64, Failure> {
    let unavailable = |_| failure(Class::Retryable, plot::UNAVAILABLE);
    let bucket = store::open("outside").map_err(unavailable)?;
    let value = format!("{} {name}", attempt::number());
    bucket.set(&attempt::idempotency_key(), value.as_bytes()).map_err(unavailable)?;
    Ok(plot::result_of(name))
}

impl Guest for Outside {
    fn enter(name: u32) -> Result<u64, Failure> {
        write(name)
    }

    fn shaky(name: u32, failures: u32) -> Result<u64, Failure> {
        let value = write(name)?;
        if attempt::number() <= failures {
            return Err(failure(Class::Retryable, plot::BUSY));
        }
        Ok(value)
    }

    fn fatal(name: u32) -> Result<u64, Failure> {
        write(name)?;
        Err(failure(Class::Fatal, plot::BROKEN))
    }
}

export!(Outside);
