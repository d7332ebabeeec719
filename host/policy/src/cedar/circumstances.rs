//! Under what circumstances something is decided. All of it is told by the host.

use std::fmt;
use std::str::FromStr;

use longshore_model::Timestamp;
use longshore_reference::authored::{closest, did_you_mean};
use longshore_reference::{Digest, Hasher};

/// What a host is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Environment {
    /// A developer's machine.
    Development,
    /// Like production, without its data.
    Staging,
    /// The real thing: what a host is unless it says otherwise.
    #[default]
    Production,
}

impl Environment {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Development, Self::Staging, Self::Production];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|environment| environment.as_str() == text).ok_or_else(|| {
            let near = closest(text, Self::ALL.map(Self::as_str));
            let near = near.map(|near| format!("; {}", did_you_mean(near))).unwrap_or_default();
            let text = text.chars().take(64).flat_map(char::escape_debug).collect::<String>();
            format!("`{text}` is not `development`, `staging` or `production`{near}")
        })
    }
}

/// The circumstances of a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// What the host is for.
    pub environment: Environment,
    /// The label of the data that the run is about; empty without one.
    pub label: String,
    /// On whose behalf it runs; empty where the host has no tenants.
    pub tenant: String,
    /// When it is decided.
    pub time: Timestamp,
}

impl Circumstances {
    /// The time as Cedar reads it.
    pub(crate) fn time(&self) -> String {
        let text = self.time.rfc3339();
        format!("{}Z", text.get(..19).unwrap_or("1970-01-01T00:00:00"))
    }

    /// The same for circumstances under which the same is decided; the time counts only where a
    /// policy asks for it.
    pub(crate) fn identity(&self, with_time: bool) -> Digest {
        let mut hasher = Hasher::new();
        for text in [self.environment.as_str(), &self.label, &self.tenant] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        if with_time {
            hasher.update(&self.time.unix_s().to_le_bytes());
        }
        hasher.finish()
    }
}
