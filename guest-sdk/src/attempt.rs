//! This attempt at this call: `longshore:action/attempt`. Natively [`crate::testing::with_attempt`] says what it is.

macro_rules! ask {
    ($($(#[$doc:meta])* $name:ident -> $ty:ty;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name() -> $ty {
                #[cfg(target_family = "wasm")]
                return crate::bindings::action::attempt::$name();
                #[cfg(not(target_family = "wasm"))]
                return crate::testing::native::attempt().$name;
            }
        )*
    };
}

ask! {
    /// The run that this call belongs to.
    run_id -> String;
    /// Which attempt this is, from 1.
    number -> u32;
    /// The same for every attempt at one step, and different for every other step: send it with each effect.
    idempotency_key -> String;
    /// Milliseconds until the call is stopped.
    remaining_ms -> u64;
}
