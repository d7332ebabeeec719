//! Whether what the manifest forgot is refused or counted.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How strictly a component is held to its own manifest. The operator's rules hold in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// What the manifest does not ask for is refused.
    #[default]
    Enforce,
    /// What the operator allows passes though the manifest does not ask for it, and each such use is told.
    Count,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "enforce" => Ok(Self::Enforce),
            "count" => Ok(Self::Count),
            other => Err(format!("`{}` is neither `enforce` nor `count`", other.escape_debug())),
        }
    }
}
