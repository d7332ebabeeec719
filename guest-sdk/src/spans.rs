//! Spans: named stretches of time inside a call, `longshore:action/spans`. They read no clock; the host does.

use serde::Serialize;

/// A span that is open until it is dropped.
#[derive(Debug)]
pub struct Span {
    #[cfg(target_family = "wasm")]
    host: crate::bindings::action::spans::Span,
    #[cfg(not(target_family = "wasm"))]
    name: String,
}

impl Span {
    /// Opens a span below the one that is open now.
    #[must_use]
    pub fn open(name: &str) -> Self {
        #[cfg(target_family = "wasm")]
        return Self { host: crate::bindings::action::spans::Span::new(name) };
        #[cfg(not(target_family = "wasm"))]
        return Self { name: name.to_owned() };
    }

    /// Attaches a value; what cannot be JSON becomes null.
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) {
        let value = crate::log::value(value);
        #[cfg(target_family = "wasm")]
        self.host.set(key, &value.to_string());
        #[cfg(not(target_family = "wasm"))]
        crate::testing::native::span_set(&self.name, key, value);
    }
}
