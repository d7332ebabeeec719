//! Drives `longshore_fuzzing::values`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| longshore_fuzzing::values(bytes));
