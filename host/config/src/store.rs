//! The address of a server that keeps the journal, or buckets. It may hold a password, so it shows itself to
//! nobody: only the store itself reads it.

use std::fmt;

/// Such as `postgres://user:password@host/database`.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(String);

impl StoreUrl {
    /// Takes an address of a kind that is known. What is wrong is said without repeating it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::of(text, crate::keyvalue::POSTGRES)
            .map_err(|_| "expected an address such as `postgres://user@host/database`".to_owned())
    }

    /// Takes an address that begins with one of `schemes`.
    pub(crate) fn of(text: &str, schemes: &[&str]) -> Result<Self, String> {
        let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
        match rest {
            Some(rest) if !rest.is_empty() => Ok(Self(text.to_owned())),
            _ => {
                let schemes = schemes.iter().map(|scheme| format!("`{scheme}`"));
                let schemes: Vec<_> = schemes.collect();
                Err(format!("expected an address that begins with {}", schemes.join(" or ")))
            }
        }
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
