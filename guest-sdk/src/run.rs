//! What only a workflow has: its run, and calls to actions chosen while running. `longshore:workflow/*`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Failure, Result};

/// The identifier of the run.
#[must_use]
pub fn id() -> String {
    #[cfg(target_family = "wasm")]
    return crate::bindings::workflow::run::id();
    #[cfg(not(target_family = "wasm"))]
    return crate::testing::native::attempt().run_id;
}

/// Leaves a line in the run's journal, for whoever reads its timeline.
pub fn note(message: &str) {
    #[cfg(target_family = "wasm")]
    crate::bindings::workflow::run::note(message);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::native::noted(message);
}

/// Calls `function` of `interface` (as the lockfile names it) with an object keyed by parameter name.
///
/// # Errors
///
/// What the host says, with its class and code; fatal, code `json`, when an argument or the result does not fit. Natively
/// always fatal, code `native`: there is no host.
pub fn call<A: Serialize, T: DeserializeOwned>(
    interface: &str,
    function: &str,
    arguments: &A,
) -> Result<T> {
    let arguments = serde_json::to_string(arguments)?;
    let result = dynamic(interface, function, &arguments)?;
    Ok(serde_json::from_str(&result)?)
}

#[cfg(target_family = "wasm")]
fn dynamic(interface: &str, function: &str, arguments: &str) -> Result<String> {
    crate::bindings::workflow::dynamic::call(interface, function, arguments).map_err(|error| {
        let class = if error.retryable { Failure::retryable } else { Failure::fatal };
        class(error.code, error.message)
    })
}

#[cfg(not(target_family = "wasm"))]
fn dynamic(interface: &str, function: &str, _arguments: &str) -> Result<String> {
    Err(Failure::fatal("native", format!("`{interface}#{function}` can only be called by a host")))
}
