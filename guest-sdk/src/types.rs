//! The failure that an operation reports: `longshore:action/types`. It decides nothing about retrying.

use std::fmt;

/// What an operation returns.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Whether another attempt may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FailureClass {
    /// The same call may succeed later: a timeout, a busy server.
    Retryable,
    /// The same call will fail again: bad input, a refusal.
    Fatal,
}

impl FailureClass {
    /// What bindings call with a case's number.
    ///
    /// # Safety
    ///
    /// None is needed: an unknown number is `Fatal`. The signature is the one that wit-bindgen's code expects.
    #[doc(hidden)]
    #[must_use]
    pub unsafe fn _lift(case: u8) -> Self {
        match case {
            0 => Self::Retryable,
            _ => Self::Fatal,
        }
    }
}

/// What went wrong, for a program and for a person.
///
/// `?` turns an [`std::io::Error`], a [`serde_json::Error`] and the usual parse errors into one; [`Context`] does so for any
/// other error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whether another attempt may succeed.
    pub class: FailureClass,
    /// A short stable word, for example `not-found`.
    pub code: String,
    /// One sentence without secrets.
    pub message: String,
    /// How long to wait before the next attempt, in milliseconds, where the action knows.
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// A failure that another attempt may not meet.
    pub fn retryable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FailureClass::Retryable, code.into(), message.into())
    }

    /// A failure that every attempt will meet.
    pub fn fatal(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FailureClass::Fatal, code.into(), message.into())
    }

    fn new(class: FailureClass, code: String, message: String) -> Self {
        Self { class, code, message, retry_after_ms: None }
    }

    /// Says how long to wait before the next attempt.
    #[must_use]
    pub fn retry_after_ms(mut self, milliseconds: u64) -> Self {
        self.retry_after_ms = Some(milliseconds);
        self
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.class == FailureClass::Retryable
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    /// `io`; retryable where the operating system says that it was interrupted, busy or too slow.
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        match error.kind() {
            Kind::Interrupted | Kind::TimedOut | Kind::WouldBlock | Kind::ResourceBusy => {
                Self::retryable("io", error.to_string())
            }
            _ => Self::fatal("io", error.to_string()),
        }
    }
}

macro_rules! fatal_from {
    ($($error:ty => $code:literal),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::fatal($code, error.to_string())
            }
        })*
    };
}

fatal_from! {
    serde_json::Error => "json",
    std::num::ParseIntError => "bad-number",
    std::num::ParseFloatError => "bad-number",
    std::num::TryFromIntError => "bad-number",
    std::string::FromUtf8Error => "not-utf8",
    std::str::Utf8Error => "not-utf8",
}

/// Gives any error a class and a code on its way through `?`.
pub trait Context<T> {
    /// The error as a failure that another attempt may not meet.
    ///
    /// # Errors
    ///
    /// The failure.
    fn or_retryable(self, code: &str) -> Result<T>;

    /// The error as a failure that every attempt will meet.
    ///
    /// # Errors
    ///
    /// The failure.
    fn or_fatal(self, code: &str) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn or_retryable(self, code: &str) -> Result<T> {
        self.map_err(|error| Failure::retryable(code, error.to_string()))
    }

    fn or_fatal(self, code: &str) -> Result<T> {
        self.map_err(|error| Failure::fatal(code, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<u32> {
        Ok(text.parse::<u32>()?)
    }

    #[test]
    fn question_mark_makes_failures() {
        assert_eq!(parse("7"), Ok(7));
        let failure = parse("seven").unwrap_err();
        assert_eq!((failure.code.as_str(), failure.is_retryable()), ("bad-number", false));
        let slow = std::io::Error::from(std::io::ErrorKind::TimedOut);
        assert!(Failure::from(slow).is_retryable());
    }

    #[test]
    fn context_classifies_any_error() {
        let wrong: std::result::Result<(), &str> = Err("wrong");
        assert_eq!(wrong.or_fatal("odd"), Err(Failure::fatal("odd", "wrong")));
        assert_eq!(wrong.or_retryable("odd"), Err(Failure::retryable("odd", "wrong")));
    }
}
