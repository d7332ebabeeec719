//! Where a server is. The address may hold a password, so it shows itself to nobody; or it is kept where secrets are, and
//! fetched when a connection is made.

use std::fmt;
use std::sync::Arc;

use longshore_policy::SecretSource;
use longshore_ports::{Secret, Vault};

use crate::Error;

/// Where a server is: an address, or where one is kept.
#[derive(Clone)]
pub struct Address(Place);

#[derive(Clone)]
enum Place {
    Here(Arc<Secret>),
    Kept(Arc<dyn Vault>, SecretSource),
}

impl Address {
    /// The address itself.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] where it is empty or longer than a secret may be.
    pub fn new(url: &str) -> Result<Self, Error> {
        let secret = Secret::new(url.as_bytes().to_vec());
        Ok(Self(Place::Here(Arc::new(secret.map_err(|_| Error::Address)?))))
    }

    /// What `source` holds, whenever a connection is made.
    #[must_use]
    pub fn kept(vault: Arc<dyn Vault>, source: SecretSource) -> Self {
        Self(Place::Kept(vault, source))
    }

    /// Reads the address with `read`, which gives none where it is not understood.
    pub(crate) async fn read<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
        let found = match &self.0 {
            Place::Here(secret) => read(secret.expose()),
            Place::Kept(vault, source) => {
                let secret = vault.fetch(source).await.map_err(Error::NoAddress)?;
                read(secret.expose().trim())
            }
        };
        found.ok_or(Error::Address)
    }

    /// Whether `read` understands it, as far as that is known without fetching it.
    pub(crate) fn check<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<(), Error> {
        match &self.0 {
            Place::Here(secret) => read(secret.expose()).map(drop).ok_or(Error::Address),
            Place::Kept(..) => Ok(()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Here(_) => f.write_str("Address(…)"),
            Place::Kept(_, source) => f.debug_tuple("Address").field(&source.shown()).finish(),
        }
    }
}
