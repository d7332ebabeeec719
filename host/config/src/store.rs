//! The address of a server that keeps the journal. It may hold a password, so it shows itself to
//! nobody: only the store itself reads it.

use std::fmt;

/// Such as `postgres://user:password@host/database`.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(String);

impl StoreUrl {
    /// Takes an address of a kind that is known. What is wrong is said without repeating it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Ok(Self(text.to_owned()));
        }
        Err("expected an address such as `postgres://user@host/database`".to_owned())
    }

    /// The address with all that is in it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreUrl(…)")
    }
}
