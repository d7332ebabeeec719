//! Secrets that are used without being seen: `longshore:action/secrets`.

#[cfg(target_family = "wasm")]
use crate::Failure;
use crate::Result;

/// A secret that was granted, for this call.
///
/// Write [`Secret::placeholder`] into the header that the operator bound the secret to; the host puts the value in as the
/// request leaves, and refuses the request where the placeholder stands anywhere else.
#[derive(Debug)]
pub struct Secret {
    #[cfg(target_family = "wasm")]
    raw: crate::bindings::action::secrets::Secret,
    #[cfg(not(target_family = "wasm"))]
    name: String,
}

/// The secret `name`.
///
/// Natively every secret is there, and its value is `(the secret NAME)`.
///
/// # Errors
///
/// Fatal, code `secret-denied`, when it is not granted; retryable, code `secret-unavailable`, when whoever keeps it does not
/// give it now.
pub fn get(name: &str) -> Result<Secret> {
    #[cfg(target_family = "wasm")]
    return match crate::bindings::action::secrets::get(name) {
        Ok(raw) => Ok(Secret { raw }),
        Err(error) => Err(failure(error)),
    };
    #[cfg(not(target_family = "wasm"))]
    Ok(Secret { name: name.to_owned() })
}

impl Secret {
    /// A text that stands for the value, different in each call. It is nothing to hide.
    #[must_use]
    pub fn placeholder(&self) -> String {
        #[cfg(target_family = "wasm")]
        return self.raw.placeholder();
        #[cfg(not(target_family = "wasm"))]
        ["longshore-secret-", &self.name].concat()
    }

    /// The value itself; needs the capability `reveal`, and is journaled each time.
    ///
    /// # Errors
    ///
    /// Fatal, code `secret-denied`, when it may only be used, not seen.
    pub fn reveal(&self) -> Result<String> {
        #[cfg(target_family = "wasm")]
        return self.raw.reveal().map_err(failure);
        #[cfg(not(target_family = "wasm"))]
        Ok(["(the secret ", &self.name, ")"].concat())
    }
}

#[cfg(target_family = "wasm")]
fn failure(error: crate::bindings::action::secrets::Error) -> Failure {
    use crate::bindings::action::secrets::Error;
    match error {
        Error::Denied(message) => Failure::fatal("secret-denied", message),
        Error::Unavailable(message) => Failure::retryable("secret-unavailable", message),
    }
}
