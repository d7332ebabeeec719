//! An action for workflows: works, fails, or has to be stopped.

wit_bindgen::generate!({ path: "wit", world: "guest" });

use exports::fixtures::steps::steps::{Class, Failure, Guest};

struct Steps;

impl Guest for Steps {
    fn double(n: u32) -> u32 {
        n.wrapping_mul(2)
    }

    fn risky(how: String) -> Result<u32, Failure> {
        match how.as_str() {
            "work" => Ok(7),
            "trap" => broken_step(),
            "spin" => loop {
                std::hint::black_box(&how);
            },
            _ => Err(Failure {
                class: Class::Retryable,
                code: "busy".to_owned(),
                message: "try again".to_owned(),
                retry_after_ms: Some(5),
            }),
        }
    }

    fn explode() -> u32 {
        broken_step().unwrap_or_default()
    }
}

#[inline(never)]
fn broken_step() -> Result<u32, Failure> {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    std::process::abort();
}

export!(Steps);
