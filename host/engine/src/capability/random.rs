//! `wasi:random`: the system's entropy where granted. `insecure-seed` alone is needed by every Rust guest for its hash maps:
//! without the grant it is a fixed number, and the other interfaces are refused before instantiation.

use longshore_policy::Grant;
use wasmtime_wasi::WasiCtxBuilder;

/// The seed of guests that were granted no entropy.
const FIXED_SEED: u128 = 0x6c6f_6e67_7368_6f72_6520_7365_6564_2031;

/// The most that one call to `get-random-bytes` gives, in bytes.
const MAX_RANDOM_BYTES: u64 = 1 << 20;

/// Fixes the seed unless entropy is granted.
pub(crate) fn apply(builder: &mut WasiCtxBuilder, grant: &Grant) {
    builder.max_random_size(MAX_RANDOM_BYTES);
    if !grant.random() {
        builder
            .insecure_random_seed(FIXED_SEED)
            .secure_random(wasmtime_wasi::random::Deterministic::new(vec![0]))
            .insecure_random(wasmtime_wasi::random::Deterministic::new(vec![0]));
    }
}
