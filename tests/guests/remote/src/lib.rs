//! The ledger of `fixtures:ledger`, kept by a server: each attempt at a step is a request with its idempotency key.

/// Effects that can be counted by who keeps the ledger.
#[longshore_guest::action(package = "fixtures:ledger@0.1.0", interface = "ledger")]
pub mod ledger {
    use longshore_guest::http::Request;
    use longshore_guest::{Failure, attempt, settings};

    fn write(name: &str) -> Result<(), Failure> {
        let url = settings::get::<String>("url")?.unwrap_or_default();
        let request = Request::new("POST", format!("{url}?attempt={}", attempt::number()));
        let request = request.header("idempotency-key", attempt::idempotency_key());
        request.body(name.as_bytes()).send()?.ok()?;
        Ok(())
    }

    /// Posts its idempotency key, its attempt and `name`; gives the length of the name.
    pub fn enter(name: String, after_ms: u64) -> Result<u64, Failure> {
        std::thread::sleep(std::time::Duration::from_millis(after_ms));
        write(&name)?;
        Ok(name.len() as u64)
    }

    /// The same, but the first `failures` attempts fail after they have written.
    pub fn shaky(name: String, failures: u32) -> Result<u64, Failure> {
        write(&name)?;
        if attempt::number() <= failures {
            return Err(Failure::retryable("busy", format!("attempt {}", attempt::number())));
        }
        Ok(u64::from(attempt::number()))
    }

    /// Computes, and touches nothing.
    pub fn double(n: u64) -> u64 {
        n.wrapping_mul(2)
    }
}
