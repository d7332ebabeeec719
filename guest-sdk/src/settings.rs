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

/// One whole number; `None` when it is neither set nor has a default.
///
/// It says less than [`get`] about what does not fit, and spares a small component about 50 KB of JSON reader.
///
/// # Errors
///
/// Fatal, code `settings`, when it is no whole number of 64 bits.
pub fn integer(name: &str) -> Result<Option<i64>> {
    let Some(text) = one(name) else { return Ok(None) };
    match text.trim().parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(Failure::fatal(
            "settings",
            ["the setting `", name, "` is no whole number"].concat(),
        )),
    }
}

/// One truth value; `None` when it is neither set nor has a default.
///
/// # Errors
///
/// Fatal, code `settings`, when it is neither `true` nor `false`.
pub fn boolean(name: &str) -> Result<Option<bool>> {
    match one(name).as_deref().map(str::trim) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(Failure::fatal(
            "settings",
            ["the setting `", name, "` is not true or false"].concat(),
        )),
    }
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
        let settings = json!({ "n": -7, "yes": true, "f": 1.5 });
        with_settings(&settings, || {
            assert_eq!((integer("n"), boolean("yes")), (Ok(Some(-7)), Ok(Some(true))));
            assert_eq!((integer("none"), boolean("none")), (Ok(None), Ok(None)));
            assert_eq!(integer("f").unwrap_err().code, "settings");
            assert_eq!(boolean("n").unwrap_err().code, "settings");
        });
    }
}
