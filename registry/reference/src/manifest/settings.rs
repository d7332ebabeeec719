//! The settings of a component: their schema, and how an operator's values are resolved against it.
//!
//! Values of secret settings never appear in an error.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value, json};

use crate::authored::{closest, did_you_mean, printable};

use super::check;

/// The type of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingKind {
    /// Text.
    String,
    /// A 64-bit signed integer.
    Integer,
    /// A finite number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of texts.
    Strings,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Setting {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: SettingKind,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its value where the operator gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whether the operator must not change it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub locked: bool,
    /// Whether its value must not be shown or recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
    /// Whether the operator must give a value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// The least value of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Number>,
    /// The greatest value of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Number>,
    /// The only values; empty for any.
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Value>,
}

/// All settings of a component, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SettingsSchema(BTreeMap<String, Setting>);

/// Why an operator's settings do not fit a component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The component has no such setting.
    #[error("there is no setting `{name}`")]
    Unknown {
        /// The name that was given.
        name: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// The value has the wrong type.
    #[error("the setting `{name}` must be {expected}")]
    WrongType {
        /// The setting.
        name: String,
        /// What it must be, as a noun phrase.
        expected: &'static str,
    },
    /// The value is of the right type but not allowed.
    #[error("the setting `{name}` must be {expected}")]
    OutOfRange {
        /// The setting.
        name: String,
        /// What it must be, as a phrase.
        expected: String,
    },
    /// A required setting has no value.
    #[error("the setting `{name}` is required and has no value")]
    Missing {
        /// The setting.
        name: String,
    },
    /// The operator may not change it.
    #[error("the setting `{name}` is locked by the component's author")]
    Locked {
        /// The setting.
        name: String,
    },
    /// The text is not `name=value`.
    #[error("a setting is given as `name=value`")]
    NotAnAssignment,
}

impl SettingsError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "LS-MAN-021",
            Self::WrongType { .. } => "LS-MAN-022",
            Self::OutOfRange { .. } => "LS-MAN-023",
            Self::Missing { .. } => "LS-MAN-024",
            Self::Locked { .. } => "LS-MAN-025",
            Self::NotAnAssignment => "LS-MAN-026",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { suggestion, .. } => suggestion.clone(),
            Self::Missing { name } => Some(format!("give it with `--set {name}=VALUE`")),
            Self::Locked { name } => Some(format!("leave `{name}` out: its default is in force")),
            Self::NotAnAssignment => Some("for example `--set max-tokens=500`".to_owned()),
            Self::WrongType { .. } | Self::OutOfRange { .. } => None,
        }
    }
}

impl SettingKind {
    /// The word in manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Strings => "strings",
        }
    }

    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::String, Self::Integer, Self::Number, Self::Boolean, Self::Strings];

    const fn expected(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "an integer of 64 bits",
            Self::Number => "a number",
            Self::Boolean => "`true` or `false`",
            Self::Strings => "an array of strings",
        }
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Strings => value.as_array().is_some_and(|a| a.iter().all(Value::is_string)),
        }
    }

    const fn is_numeric(self) -> bool {
        matches!(self, Self::Integer | Self::Number)
    }

    /// Reads a value from a command line. Texts stand as they are; `strings` is `a,b` or a JSON
    /// array.
    fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::String => Some(Value::from(text)),
            Self::Integer => text.parse::<i64>().ok().map(Value::from),
            Self::Number => serde_json::from_str::<Number>(text).ok().map(Value::Number),
            Self::Boolean => text.parse::<bool>().ok().map(Value::from),
            Self::Strings if text.trim_start().starts_with('[') => {
                serde_json::from_str(text).ok().map(|list: Vec<String>| Value::from(list))
            }
            Self::Strings if text.is_empty() => Some(json!([])),
            Self::Strings => Some(text.split(',').map(str::trim).map(Value::from).collect()),
        }
    }
}

/// Compares two JSON numbers exactly where both are integers.
fn at_most(a: &Number, b: &Number) -> bool {
    let exact = |n: &Number| n.as_i64().map(i128::from).or_else(|| n.as_u64().map(i128::from));
    match (exact(a), exact(b)) {
        (Some(a), Some(b)) => a <= b,
        _ => a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a <= b),
    }
}

impl Setting {
    /// What a value must be beside its type; `None` when `value` is that.
    fn refuses(&self, value: &Value) -> Option<String> {
        if let Value::Number(number) = value {
            if let Some(least) = self.minimum.as_ref().filter(|least| !at_most(least, number)) {
                return Some(format!("at least {least}"));
            }
            if let Some(most) = self.maximum.as_ref().filter(|most| !at_most(number, most)) {
                return Some(format!("at most {most}"));
            }
        }
        let chosen = |value: &Value| self.choices.is_empty() || self.choices.contains(value);
        let fits = match (self.kind, value) {
            (SettingKind::Strings, Value::Array(items)) => items.iter().all(chosen),
            _ => chosen(value),
        };
        let words = || self.choices.iter().map(|v| format!("`{v}`")).collect::<Vec<_>>().join(", ");
        (!fits).then(|| format!("one of {}", words()))
    }

    fn accept(&self, name: &str, value: &Value) -> Result<(), SettingsError> {
        if !self.kind.fits(value) {
            let expected = self.kind.expected();
            return Err(SettingsError::WrongType { name: name.to_owned(), expected });
        }
        match self.refuses(value) {
            Some(expected) => Err(SettingsError::OutOfRange { name: name.to_owned(), expected }),
            None => Ok(()),
        }
    }

    /// What is wrong with the definition itself, with the key that it is about.
    pub(super) fn flaw(&self) -> Option<(&'static str, String)> {
        let flaw = |key, why: &str| Some((key, why.to_owned()));
        if let Some(Err(why)) = self.description.as_deref().map(check::text) {
            return flaw("description", &why);
        }
        if self.minimum.is_some() && !self.kind.is_numeric() {
            return flaw("minimum", "only an integer or a number has a minimum");
        }
        if self.maximum.is_some() && !self.kind.is_numeric() {
            return flaw("maximum", "only an integer or a number has a maximum");
        }
        if let (Some(least), Some(most)) = (&self.minimum, &self.maximum)
            && !at_most(least, most)
        {
            return flaw("maximum", "the maximum is below the minimum");
        }
        let choice = match self.kind {
            SettingKind::Strings => SettingKind::String,
            other => other,
        };
        if self.choices.len() > check::MAX_ENTRIES || !self.choices.iter().all(|c| choice.fits(c)) {
            return flaw("enum", &format!("every value must be {}", choice.expected()));
        }
        if self.required && self.default.is_some() {
            return flaw("required", "a setting with a default cannot be required");
        }
        if self.locked && self.default.is_none() {
            return flaw("locked", "a locked setting needs a default");
        }
        if self.secret && self.default.is_some() {
            return flaw("default", "a secret has no default: everyone can read the component");
        }
        let default = self.default.as_ref()?;
        let refused = (!self.kind.fits(default)).then(|| self.kind.expected().to_owned());
        let refused = refused.or_else(|| self.refuses(default))?;
        flaw("default", &format!("the default must be {refused}"))
    }

    fn json_schema(&self) -> Value {
        let mut schema = match self.kind {
            SettingKind::Strings => json!({"type": "array", "items": {"type": "string"}}),
            SettingKind::Integer => {
                json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX})
            }
            other => json!({"type": other.as_str()}),
        };
        let optional = [
            ("description", self.description.clone().map(Value::from)),
            ("default", self.default.clone()),
            ("minimum", self.minimum.clone().map(Value::Number)),
            ("maximum", self.maximum.clone().map(Value::Number)),
            ("readOnly", self.locked.then_some(Value::Bool(true))),
            ("writeOnly", self.secret.then_some(Value::Bool(true))),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                schema[key] = value;
            }
        }
        if self.locked {
            schema["const"] = schema["default"].clone();
        }
        match (self.choices.is_empty(), self.kind) {
            (true, _) => {}
            (false, SettingKind::Strings) => schema["items"]["enum"] = json!(self.choices),
            (false, _) => schema["enum"] = json!(self.choices),
        }
        schema
    }
}

impl SettingsSchema {
    /// A schema of these settings. Nothing is checked until it is embedded and read back.
    #[must_use]
    pub const fn new(settings: BTreeMap<String, Setting>) -> Self {
        Self(settings)
    }

    /// Whether there are no settings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many settings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The setting of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.0.get(name)
    }

    /// All settings by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.0.iter().map(|(name, setting)| (name.as_str(), setting))
    }

    /// The values in force: the operator's, else the defaults. A setting with neither is absent.
    ///
    /// # Errors
    ///
    /// The first that does not fit, by name: unknown, locked, of the wrong type, out of range, or
    /// required and missing.
    pub fn resolve(
        &self,
        operator: &BTreeMap<String, Value>,
    ) -> Result<BTreeMap<String, Value>, SettingsError> {
        let mut resolved = BTreeMap::new();
        for (name, value) in operator {
            let setting = self.known(name)?;
            if setting.locked {
                return Err(SettingsError::Locked { name: name.clone() });
            }
            setting.accept(name, value)?;
            resolved.insert(name.clone(), value.clone());
        }
        for (name, setting) in &self.0 {
            match (&setting.default, resolved.contains_key(name)) {
                (Some(default), false) => {
                    resolved.insert(name.clone(), default.clone());
                }
                (None, false) if setting.required => {
                    return Err(SettingsError::Missing { name: name.clone() });
                }
                _ => {}
            }
        }
        Ok(resolved)
    }

    /// Reads the text of the value of `name` by its type.
    ///
    /// # Errors
    ///
    /// When there is no such setting, or the text is not of its type.
    pub fn read(&self, name: &str, text: &str) -> Result<Value, SettingsError> {
        let setting = self.known(name)?;
        let expected = setting.kind.expected();
        setting
            .kind
            .read(text)
            .ok_or_else(|| SettingsError::WrongType { name: name.to_owned(), expected })
    }

    /// Reads `name=value` as a command line gives it: the value by the setting's type, a list as
    /// `a,b` or as a JSON array.
    ///
    /// # Errors
    ///
    /// When it is not an assignment, there is no such setting, or the value is not of its type.
    pub fn parse_assignment(&self, text: &str) -> Result<(String, Value), SettingsError> {
        let (name, text) = text.split_once('=').ok_or(SettingsError::NotAnAssignment)?;
        Ok((name.to_owned(), self.read(name, text)?))
    }

    /// The JSON Schema (2020-12) of an operator's values.
    #[must_use]
    pub fn json_schema(&self) -> Value {
        let properties: serde_json::Map<_, _> =
            self.0.iter().map(|(name, setting)| (name.clone(), setting.json_schema())).collect();
        let required: Vec<_> = self.0.iter().filter(|(_, s)| s.required).map(|(n, _)| n).collect();
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }

    pub(super) fn check(&self) -> Result<(), String> {
        for (name, setting) in &self.0 {
            check::name(name)?;
            if let Some((key, why)) = setting.flaw() {
                return Err(format!("`settings.{name}.{key}`: {why}"));
            }
        }
        Ok(())
    }

    fn known(&self, name: &str) -> Result<&Setting, SettingsError> {
        self.0.get(name).ok_or_else(|| SettingsError::Unknown {
            name: printable(name),
            suggestion: closest(name, self.0.keys().map(String::as_str)).map(did_you_mean),
        })
    }
}
