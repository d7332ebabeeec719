//! Drives `longshore_fuzzing::http_scopes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| longshore_fuzzing::http_scopes(bytes));
