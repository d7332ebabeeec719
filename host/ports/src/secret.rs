//! The value of a secret, and the port to whoever keeps it.

use std::fmt;

use longshore_policy::SecretSource;
use zeroize::Zeroizing;

/// The most that a secret may hold, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// The value of a secret: a text that is overwritten when it is dropped, and never shown.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The most that a value may hold, in bytes.
    pub const MAX_BYTES: usize = MAX_BYTES;

    /// Takes a value that is text, not empty and not too long.
    ///
    /// # Errors
    ///
    /// Why it is not, without the value; what was given is overwritten.
    pub fn new(bytes: Vec<u8>) -> Result<Self, &'static str> {
        let bytes = Zeroizing::new(bytes);
        match std::str::from_utf8(&bytes) {
            _ if bytes.is_empty() => Err("it is empty"),
            _ if bytes.len() > MAX_BYTES => Err("it is longer than 65536 bytes"),
            Err(_) => Err("it is not UTF-8 text"),
            Ok(text) => Ok(Self(Zeroizing::new(text.to_owned()))),
        }
    }

    /// The value. Whoever takes it must neither keep nor show it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Why there is no value now; another attempt may find one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// The stable code.
    pub code: &'static str,
    /// What is wrong, without the value.
    pub message: String,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// Who fetches the values of secrets.
#[async_trait::async_trait]
pub trait Vault: Send + Sync {
    /// Fetches the value behind `source`. Whoever calls stops waiting at a deadline, by dropping the future.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], where the source fails or gives no value.
    async fn fetch(&self, source: &SecretSource) -> Result<Secret, Unavailable>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_bounded_text_and_never_shown() {
        let secret = Secret::new(b"hunter2".to_vec()).unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}").as_str()), ("hunter2", "(secret)"));
        assert!(Secret::new(Vec::new()).is_err());
        assert!(Secret::new(vec![0xff]).is_err());
        assert!(Secret::new(vec![b'x'; MAX_BYTES + 1]).is_err());
    }
}
