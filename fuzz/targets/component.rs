//! Drives `longshore_fuzzing::component`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| longshore_fuzzing::component(bytes));
