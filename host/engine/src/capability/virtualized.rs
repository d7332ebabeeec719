//! What a workflow gets in place of the world: time and randomness from the journal. The rest is refused at link time, because
//! it could answer differently when the workflow is repeated.

use std::time::Duration;

use longshore_model::{CallId, CapabilityKind};
use longshore_policy::Grant;
use rand_core::TryRng;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

use crate::Error;
use crate::call::{RunContext, Scene};
use crate::compiled::Compiled;

/// Interfaces that a workflow may import beside those of its actions; whole packages end in `/`.
const ALLOWED: &[&str] = &[
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:random/",
    "wasi:io/",
    "wasi:config/store",
    "longshore:action/",
    "longshore:workflow/",
];

/// Refuses what a workflow must leave to its actions.
pub(crate) fn check(compiled: &Compiled, grant: &Grant) -> Result<(), Error> {
    let later = |import: &String| import.starts_with("wasi:") && import.contains("@0.3");
    if compiled.imports().iter().any(later) {
        return Err(Error::AsyncWorkflow { name: compiled.name().to_owned() });
    }
    let foreign = |import: &&String| {
        let interface = import.split('@').next().unwrap_or(import);
        !compiled.unmet().contains(import)
            && !ALLOWED.iter().any(|allowed| match allowed.ends_with('/') {
                true => interface.starts_with(allowed),
                false => interface == *allowed,
            })
    };
    let mut outside: Vec<String> = compiled.imports().iter().filter(foreign).cloned().collect();
    outside.extend(grant.env().map(|name| format!("the environment variable {name}")));
    outside.extend(grant.dirs().map(|dir| format!("the directory {}", dir.guest)));
    outside.extend(grant.scratch().map(|path| format!("the scratch directory {path}")));
    if grant.has(CapabilityKind::Exec) {
        outside.push("programs of the host".to_owned());
    }
    if outside.is_empty() {
        return Ok(());
    }
    Err(Error::NotDeterministic { name: compiled.name().to_owned(), imports: outside })
}

/// Gives the context of a workflow's call the journal's time and randomness.
pub(crate) fn apply(builder: &mut WasiCtxBuilder, scene: &Scene) {
    let clock = JournalClock { cx: scene.cx.clone(), flow: scene.id };
    builder
        .wall_clock(clock.clone())
        .monotonic_clock(clock)
        .secure_random(JournalRandom::new(scene, b"secure"))
        .insecure_random(JournalRandom::new(scene, b"insecure"));
}

/// Shows the time of the last thing that the workflow saw.
#[derive(Clone)]
struct JournalClock {
    cx: RunContext,
    flow: CallId,
}

impl JournalClock {
    fn us(&self) -> u64 {
        self.cx.ledger().now(self.flow).unix_us()
    }
}

impl HostWallClock for JournalClock {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.us())
    }
}

impl HostMonotonicClock for JournalClock {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        self.us().saturating_mul(1_000)
    }
}

/// A stream of random bytes that is the same in every repetition: BLAKE3 keyed with the seed in entry 0.
struct JournalRandom(blake3::OutputReader);

impl JournalRandom {
    fn new(scene: &Scene, what: &[u8]) -> Self {
        let seed = scene.cx.seed().map_or([0; 32], |seed| *seed.as_bytes());
        let mut hasher = blake3::Hasher::new_keyed(&seed);
        hasher.update(b"longshore random v1\n");
        hasher.update(what);
        hasher.update(b"\n");
        hasher.update(scene.path.as_bytes());
        Self(hasher.finalize_xof())
    }
}

impl TryRng for JournalRandom {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}
