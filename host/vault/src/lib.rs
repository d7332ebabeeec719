//! Where the values of secrets come from: the environment, private files, programs, the keyring, age-encrypted files.
//!
//! Values are fetched when they are asked for and not kept here; each read is bounded in size and in time. It decides nothing:
//! which secret may be used, and where it may be put, is the policy's.

mod age;
mod command;
mod error;
mod file;
mod keyring;
mod process;

use std::sync::Arc;

use longshore_policy::SecretSource;
use longshore_ports::{Secret, Unavailable, Vault};

pub use error::Error;

/// Looks up a variable of the host's environment.
type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The sources of this machine.
pub struct HostVault {
    environment: Environment,
}

impl HostVault {
    /// A vault that looks variables up with `environment`.
    #[must_use]
    pub fn new(environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { environment: Arc::new(environment) }
    }

    async fn get(&self, source: &SecretSource) -> Result<Secret, Error> {
        // Before the first value is in memory: what is not there cannot be dumped.
        process::seal();
        let value = match source {
            SecretSource::Environment(name) => {
                (self.environment)(name).ok_or_else(|| Error::Unset { name: name.clone() })?.into()
            }
            SecretSource::File(path) => file::read_private(path.clone()).await?,
            SecretSource::Command(words) => command::output(words).await?,
            SecretSource::Keyring(entry) => keyring::read(entry).await?,
            SecretSource::Age { file, entry, identity } => {
                age::read(file.clone(), entry.clone(), identity.clone()).await?
            }
        };
        Secret::new(value).map_err(|why| Error::Value { source_shown: source.shown(), why })
    }
}

#[async_trait::async_trait]
impl Vault for HostVault {
    async fn fetch(&self, source: &SecretSource) -> Result<Secret, Unavailable> {
        self.get(source).await.map_err(|error| Unavailable {
            code: error.code(),
            message: match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            },
        })
    }
}

impl std::fmt::Debug for HostVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostVault").finish_non_exhaustive()
    }
}

/// One newline at the end is the editor's, or the program's, not the value's.
pub(crate) fn without_newline(bytes: &mut Vec<u8>) {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
}
