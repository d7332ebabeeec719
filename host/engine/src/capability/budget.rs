//! `longshore:action/budget`: money that actions charge to the run. Every charge is journaled before it counts as made; the limit
//! `spend-micros` is 0 unless manifest and operator both raise it, so it needs no grant of its own.

use longshore_model::{Effect, EffectEnded, Event, LimitName};

use crate::contract::budget;
use crate::host::Host;
use crate::limiter::LimitHit;

/// The most of a charge's purpose that is kept, in characters.
const MAX_WHAT: usize = 200;

impl budget::Host for Host {
    fn charge(&mut self, micros: u64, what: String) -> wasmtime::Result<()> {
        let (scene, name) = (&self.scene, LimitName::SpendMicros);
        let limit = scene.grant.limits().get(name);
        let Some(left) = scene.cx.spend(micros, limit) else {
            scene.hit(name);
            return Err(wasmtime::Error::new(LimitHit { name, limit }));
        };
        scene.counters.spent_micros.fetch_add(micros, std::sync::atomic::Ordering::Relaxed);
        let what = what.chars().take(MAX_WHAT).collect();
        let effect = scene.effect_started(Effect::Charge { micros, what });
        let result = format!("charged; {left} left");
        scene.record(Event::EffectEnded(EffectEnded { call: scene.id, effect, result }));
        Ok(())
    }

    fn remaining(&mut self) -> wasmtime::Result<u64> {
        let limit = self.scene.grant.limits().spend_micros;
        Ok(limit.saturating_sub(self.scene.cx.spent()))
    }
}
