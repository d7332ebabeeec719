//! The environment, as far as it speaks to us. Values come from a function that the caller passes
//! in: nothing here reads the process's own.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::Error;

/// A look-up of environment variables. An empty value counts as unset.
pub struct Environment<'e>(&'e dyn Fn(&str) -> Option<OsString>);

impl<'e> Environment<'e> {
    /// The variables that `lookup` knows.
    #[must_use]
    pub fn new(lookup: &'e dyn Fn(&str) -> Option<OsString>) -> Self {
        Self(lookup)
    }

    /// The value of `name` as a path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        (self.0)(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The value of `name` as an absolute path; relative ones are ignored (XDG Base Directory
    /// Specification, "Environment variables").
    pub(crate) fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.path(name).filter(|path| path.is_absolute())
    }

    /// The value of `name` as text.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<String>, Error> {
        let Some(value) = (self.0)(name).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let reason = || Error::Variable { name, reason: "it is not UTF-8".to_owned() };
        value.into_string().map(Some).map_err(|_| reason())
    }

    /// The value of `name` as a truth value.
    pub(crate) fn truth(&self, name: &'static str) -> Result<Option<bool>, Error> {
        match self.text(name)?.as_deref() {
            None => Ok(None),
            Some("1" | "true" | "yes" | "on") => Ok(Some(true)),
            Some("0" | "false" | "no" | "off") => Ok(Some(false)),
            Some(_) => {
                let reason = "expected `1` or `0`".to_owned();
                Err(Error::Variable { name, reason })
            }
        }
    }
}
