//! `wasi:random`: the system's entropy where granted, or what follows from the operator's seed. `insecure-seed` alone is needed
//! by every Rust guest for its hash maps: without the grant it is a fixed number, and the other interfaces are refused before
//! instantiation.

use std::convert::Infallible;
use std::sync::Arc;

use longshore_model::Scope;
use rand_core::TryRng;
use wasmtime_wasi::{Rng, WasiCtxBuilder, thread_rng};

use crate::call::Scene;

/// The seed of guests that were granted no entropy.
const FIXED_SEED: u128 = 0x6c6f_6e67_7368_6f72_6520_7365_6564_2031;

/// The most that one call to `get-random-bytes` gives, in bytes.
const MAX_RANDOM_BYTES: u64 = 1 << 20;

/// What the bytes of a seed are for, so that no other use of BLAKE3 gives the same.
const CONTEXT: &str = "longshore 2026 seeded wasi:random";

/// Fixes what is random unless the system's entropy is granted. The calls of a run are told apart by their numbers, so that they
/// do not all draw the same.
pub(crate) fn apply(builder: &mut WasiCtxBuilder, scene: &Arc<Scene>) {
    builder.max_random_size(MAX_RANDOM_BYTES);
    let noted = |inner| Noted { inner, scene: Arc::clone(scene) };
    let (grant, call) = (&scene.grant, scene.id);
    if !grant.random() {
        builder
            .insecure_random_seed(FIXED_SEED)
            .secure_random(wasmtime_wasi::random::Deterministic::new(vec![0]))
            .insecure_random(wasmtime_wasi::random::Deterministic::new(vec![0]));
    } else if let Some(seed) = grant.seed() {
        let mut first = [0; 16];
        let Ok(()) = Seeded::new(seed, call, "insecure-seed").try_fill_bytes(&mut first);
        builder
            .insecure_random_seed(u128::from_le_bytes(first))
            .secure_random(noted(Box::new(Seeded::new(seed, call, "random"))))
            .insecure_random(noted(Box::new(Seeded::new(seed, call, "insecure"))));
    } else {
        builder.secure_random(noted(thread_rng())).insecure_random(noted(thread_rng()));
    }
}

/// Entropy whose use is noted.
struct Noted {
    inner: Box<dyn Rng + Send>,
    scene: Arc<Scene>,
}

impl TryRng for Noted {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.scene.used(Scope::Random);
        self.inner.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.scene.used(Scope::Random);
        self.inner.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.scene.used(Scope::Random);
        self.inner.try_fill_bytes(bytes)
    }
}

/// The output of BLAKE3 over a seed, as long as it is drawn from.
struct Seeded(blake3::OutputReader);

impl Seeded {
    fn new(seed: &str, call: u32, interface: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&(seed.len() as u64).to_le_bytes());
        hasher.update(seed.as_bytes());
        hasher.update(&call.to_le_bytes());
        hasher.update(interface.as_bytes());
        Self(hasher.finalize_xof())
    }
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_again_and_others_to_each_call_and_interface() {
        let draw = |seed, call, interface| {
            let mut bytes = [0; 64];
            let mut seeded = Seeded::new(seed, call, interface);
            let Ok(()) = seeded.try_fill_bytes(&mut bytes[..7]);
            let Ok(()) = seeded.try_fill_bytes(&mut bytes[7..]);
            bytes
        };
        assert_eq!(draw("a", 0, "random"), draw("a", 0, "random"));
        let others = [draw("b", 0, "random"), draw("a", 1, "random"), draw("a", 0, "insecure")];
        assert!(others.iter().all(|other| *other != draw("a", 0, "random")));
    }
}
