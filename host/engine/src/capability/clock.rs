//! `wasi:clocks`: the host's clocks where granted. Without the grant a component that imports them is not instantiated;
//! should one get here all the same, time stands still at zero.

use std::time::Duration;

use longshore_policy::Grant;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

struct Stopped;

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Stopped {
    fn resolution(&self) -> u64 {
        1_000_000_000
    }

    fn now(&self) -> u64 {
        0
    }
}

/// Stops the clocks unless they are granted.
pub(crate) fn apply(builder: &mut WasiCtxBuilder, grant: &Grant) {
    if !grant.clock() {
        builder.wall_clock(Stopped).monotonic_clock(Stopped);
    }
}
