//! Why a component is not run: everything that is missing, each with the change that would allow
//! it.

use std::fmt;

use longshore_model::{CapabilityKind, Denied, Scope};
use longshore_reference::SettingsError;
use serde::Serialize;

/// Everything that a component needs and is not given. At least one of the two is there.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct Refusal {
    /// The component, as it was named.
    pub component: String,
    /// All denials.
    pub denials: Vec<Denial>,
    /// Why the operator's settings do not fit.
    #[source]
    pub settings: Option<SettingsError>,
}

/// One thing that is not given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Denial {
    /// The capability.
    pub capability: CapabilityKind,
    /// The import that needs it.
    pub import: Option<String>,
    /// The scope that the manifest asks for.
    pub scope: Option<Scope>,
    /// The author's reason.
    pub reason: Option<String>,
    /// The rule that refused.
    pub rule: String,
    /// The ids of the policies that forbid it; empty where none permits it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forbidden_by: Vec<String>,
    /// The change that would allow it.
    pub hint: Hint,
}

/// The change that would allow what was denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hint {
    /// The operator may allow it.
    Operator {
        /// The value of an `--allow` flag. The host `host` in it stands for one to be chosen.
        flag: String,
        /// The same for a policy file.
        policy: String,
    },
    /// Nothing that is added allows it: policies forbid it, and they stand above what permits.
    Forbidden {
        /// The ids of those policies.
        policies: Vec<String>,
    },
    /// Only the author can: the component's manifest does not ask for it.
    Author {
        /// What `longshore.toml` lacks.
        manifest: String,
    },
    /// The operator may accept that it asks for more than the version that was approved last.
    Approval {
        /// The component, as commands name it.
        target: String,
    },
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator { flag, policy } => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"=:/._-@".contains(&b);
                let quoted = match flag.bytes().all(plain) {
                    true => flag.clone(),
                    false => format!("'{}'", flag.replace('\'', r"'\''")),
                };
                let policy = policy.replace('\n', "; ");
                write!(f, "allow it with `--allow {quoted}`, or in the policy: `{policy}`")
            }
            Self::Forbidden { policies } => {
                let named: Vec<_> = policies.iter().map(|id| format!("`{id}`")).collect();
                write!(f, "nothing allows it while it is forbidden: change {}", named.join(", "))
            }
            Self::Author { manifest } => {
                let manifest = manifest.replace('\n', "; ");
                write!(f, "its author must ask for it in `longshore.toml`: `{manifest}`")
            }
            Self::Approval { target } => {
                write!(f, "look at it and accept it with `longshore approve {target}`")
            }
        }
    }
}

impl Denial {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self.hint {
            Hint::Operator { .. } => "LS-POL-011",
            Hint::Author { .. } => "LS-POL-012",
            Hint::Approval { .. } => "LS-POL-013",
            Hint::Forbidden { .. } => "LS-POL-014",
        }
    }

    /// What was asked for, for example `http=https://example.com`.
    #[must_use]
    pub fn asked(&self) -> String {
        self.scope.as_ref().map_or_else(|| self.capability.to_string(), Scope::to_string)
    }

    /// The denial as a journal holds it.
    #[must_use]
    pub fn event(&self) -> Denied {
        Denied {
            call: None,
            capability: self.capability,
            asked: self.asked(),
            rule: self.rule.clone(),
            hint: self.hint.to_string(),
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.asked())?;
        if let Some(import) = &self.import {
            write!(f, ", for the import `{import}`")?;
        }
        write!(f, ": {}", self.rule)
    }
}

impl Refusal {
    /// The stable code: that of the settings where only they are wrong.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match &self.settings {
            Some(settings) if self.denials.is_empty() => settings.code(),
            _ => "LS-POL-010",
        }
    }

    /// What to do about it: one line for each denial.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let mut lines: Vec<_> = self.denials.iter().map(|d| d.hint.to_string()).collect();
        lines.extend(self.settings.as_ref().and_then(SettingsError::hint));
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn sentence(&self) -> String {
        let denials: Vec<_> = self.denials.iter().map(Denial::to_string).collect();
        match denials.len() {
            0 => format!("the settings for `{}` do not fit", self.component),
            _ => format!("`{}` is not granted {}", self.component, denials.join("; ")),
        }
    }
}
