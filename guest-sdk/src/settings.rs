//! The settings of this component, typed: `longshore:action/settings`. The host has filled in defaults and checked them.

use serde::de::DeserializeOwned;

use crate::{Failure, Result};

/// All settings as `T`: a struct with `#[serde(rename_all = "kebab-case")]`.
///
/// Natively they are what [`crate::testing::with_settings`] gave, else an empty object.
///
/// # Errors
///
/// Fatal, code `settings`, when they do not fit `T`.
pub fn load<T: DeserializeOwned>() -> Result<T> {
    serde_json::from_str(&all())
        .map_err(|error| Failure::fatal("settings", format!("the settings do not fit: {error}")))
}

/// One setting as `T`; `None` when it is neither set nor has a default.
///
/// # Errors
///
/// Fatal, code `settings`, when it does not fit `T`.
pub fn get<T: DeserializeOwned>(name: &str) -> Result<Option<T>> {
    let Some(text) = one(name) else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        Failure::fatal("settings", format!("the setting `{name}` does not fit: {error}"))
    })
}

#[cfg(target_family = "wasm")]
fn all() -> String {
    crate::bindings::action::settings::all()
}

#[cfg(target_family = "wasm")]
fn one(name: &str) -> Option<String> {
    crate::bindings::action::settings::get(name)
}

#[cfg(not(target_family = "wasm"))]
fn all() -> String {
    crate::testing::native::settings().to_string()
}

#[cfg(not(target_family = "wasm"))]
fn one(name: &str) -> Option<String> {
    crate::testing::native::settings().get(name).map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_settings;
    use serde_json::json;

    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    struct Mine {
        max_tokens: u32,
    }

    #[test]
    fn settings_are_typed_and_last_as_long_as_the_call() {
        let loaded = with_settings(&json!({ "max-tokens": 7 }), load::<Mine>);
        assert_eq!(loaded, Ok(Mine { max_tokens: 7 }));
        assert_eq!(load::<Mine>().unwrap_err().code, "settings");
        assert_eq!(
            with_settings(&json!({ "a": "x" }), || get::<String>("a")),
            Ok(Some("x".into()))
        );
        assert_eq!(get::<String>("a"), Ok(None));
    }
}
