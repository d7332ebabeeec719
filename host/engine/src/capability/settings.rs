//! `wasi:config/store` and `longshore:action/settings`: the settings of the component, resolved when the grant was decided.

use longshore_policy::Grant;
use wasmtime_wasi_config::WasiConfigVariables;

/// The settings as strings, for `wasi:config`: a text setting is its text, everything else its JSON.
pub(crate) fn variables(grant: &Grant) -> WasiConfigVariables {
    grant.settings().iter().map(|(name, value)| (name.clone(), as_text(value))).collect()
}

fn as_text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The JSON of one setting.
pub(crate) fn get(grant: &Grant, name: &str) -> Option<String> {
    grant.settings().get(name).map(ToString::to_string)
}

/// All settings as one JSON object.
pub(crate) fn all(grant: &Grant) -> String {
    let members: serde_json::Map<_, _> =
        grant.settings().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    serde_json::Value::Object(members).to_string()
}
