//! How far the call has come: `longshore:action/progress`.

/// Reports `done` of `total` units; `total` is 0 when it is not known. The latest report wins.
pub fn report(done: u64, total: u64, message: &str) {
    #[cfg(target_family = "wasm")]
    crate::bindings::action::progress::report(done, total, message);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::native::reported(done, total, message);
}
