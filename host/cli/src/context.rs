//! What the commands share: the settings, read when first needed, and the host put together from
//! them.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::future::Future;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;

use longshore::client::ClientConfig;
use longshore::engine::Allocation;
use longshore::journal::{Journal, Store};
use longshore::model::{Clock as _, Timestamp};
use longshore::policy::{Approvals, Circumstances, Policy};
use longshore::ports::Vault;
use longshore::reference::Reference;
use longshore::trust::{PrivateKey, PublicKey, TrustPolicy};
use longshore::{Builder, Home, Longshore, SystemClock};
use longshore_config::{Buckets as Configured, Environment, Named, Settings};
use longshore_store_postgres::{Address, Options, PostgresStore};
use longshore_store_sqlite::{Options as FileOptions, SqliteStore, Start};
use longshore_stores::{Authorities, Buckets};
use longshore_vault::HostVault;

use crate::args::Global;
use crate::commands::Done;
use crate::commands::policy::{self, Policies};
use crate::error::Error;
use crate::output::Output;
use crate::progress;
use crate::stores::{self, Maker};

/// Keys and policies larger than this are not read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The variable that holds the password of a private key, unless another is named.
pub(crate) const PASSWORD: &str = "LONGSHORE_KEY_PASSWORD";

/// What the commands share.
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) output: Output,
    settings: OnceCell<Settings>,
}

/// A variable of this process's environment.
#[allow(clippy::disallowed_methods, reason = "the binary reads the environment for all the rooms")]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

impl Context {
    pub(crate) fn new(global: Global, output: Output) -> Self {
        Self { global, output, settings: OnceCell::new() }
    }

    /// Runs a command on this thread. What still works in the background then is not waited for.
    pub(crate) fn block_on(&self, work: impl Future<Output = Done>) -> Done {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(Error::Setup)?.block_on(work)
    }

    /// The settings.
    pub(crate) fn settings(&self) -> Result<&Settings, Error> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let mut settings = Settings::resolve(&Environment::new(&variable))?;
        settings.offline |= self.global.offline;
        Ok(self.settings.get_or_init(|| settings))
    }

    /// The folder of state.
    pub(crate) fn home(&self) -> Result<Home, Error> {
        Ok(Home::new(&self.settings()?.home))
    }

    /// A host with the settings, and neither a journal on disk nor any trust or policy yet.
    pub(crate) fn builder(&self) -> Result<Builder, Error> {
        let settings = self.settings()?;
        let client = ClientConfig {
            plain_http: settings.plain_http.clone(),
            token_hosts: settings.token_hosts.clone(),
            extra_ca: settings.extra_ca.clone(),
            docker_config: settings.docker_config.clone(),
            offline: settings.offline,
            ..ClientConfig::default()
        };
        let mut builder = Longshore::builder()
            .home(&settings.home)
            .registry(client)
            .allocation(Allocation::OnDemand)
            .keyvalue(Arc::new(self.buckets(&settings.keyvalue)?))
            .blobstore(Arc::new(stores::containers(&self.home()?, &settings.blobstore)))
            .vault(self.vault())
            .environment(|name| variable(name)?.into_string().ok());
        if let Some(registry) = &settings.registry {
            builder = builder.default_registry(registry);
        }
        if let Some(line) = progress::line() {
            builder = builder.progress(line);
        }
        Ok(builder)
    }

    fn vault(&self) -> Arc<dyn Vault> {
        Arc::new(HostVault::new(|name| variable(name)?.into_string().ok()))
    }

    /// Where buckets of keys and values are kept.
    pub(crate) fn buckets(&self, configured: &Configured) -> Result<Buckets, Error> {
        let mut authorities = Authorities::default();
        if configured.is_remote() {
            for path in &self.settings()?.extra_ca {
                if !authorities.add_pem(&read_bytes(path, MAX_FILE)?) {
                    let message =
                        format!("the CA file `{}` holds no certificate in PEM", path.display());
                    return Err(Error::bad(message, "correct `extra-ca` in the settings"));
                }
            }
        }
        Maker { home: self.home()?, vault: self.vault(), authorities }.buckets(configured)
    }

    /// A host that looks and never runs: it takes any component, signed or not.
    pub(crate) fn looker(&self) -> Result<Longshore, Error> {
        let anything = TrustPolicy::insecure_accept_anything();
        Ok(self.builder()?.trust(anything).build()?)
    }

    /// The journal of this host: on the server that is named, or on disk.
    pub(crate) fn store(&self) -> Result<Arc<dyn Store>, Error> {
        match self.server()? {
            Some(options) => Ok(Arc::new(PostgresStore::open(options)?)),
            None => {
                let file = FileOptions::new(self.home()?.journal());
                let start = Start::WhenNeeded;
                Ok(Arc::new(SqliteStore::open_with(FileOptions { start, ..file })?))
            }
        }
    }

    /// The server that keeps the journal, if one is named.
    pub(crate) fn server(&self) -> Result<Option<Options>, Error> {
        let settings = self.settings()?;
        let Some(url) = &settings.store else { return Ok(None) };
        let mut options = Options::new(Address::parse(url.reveal())?);
        for path in &settings.extra_ca {
            let pem = read_bytes(path, MAX_FILE)?;
            options.trust_pem(&pem, &path.display().to_string())?;
        }
        Ok(Some(options))
    }

    /// The journal for reading: an empty one where nothing was journaled yet.
    pub(crate) fn journal(&self) -> Result<Journal, Error> {
        let clock = Arc::new(SystemClock);
        if self.settings()?.store.is_some() || self.home()?.journal().exists() {
            return Ok(Journal::new(self.store()?, clock));
        }
        Ok(Journal::in_memory(clock))
    }

    /// The trust policy: of one key, of a file, or what the settings say.
    pub(crate) fn trust(
        &self,
        file: Option<&Path>,
        key: Option<&Path>,
    ) -> Result<TrustPolicy, Error> {
        if let Some(key) = key {
            let name = key.file_name().map(|name| name.to_string_lossy().into_owned());
            return Ok(TrustPolicy::for_key(&name.unwrap_or_default(), public_key(key)?));
        }
        if let Some(file) = file {
            return Ok(TrustPolicy::load(file)?);
        }
        match there(&self.settings()?.trust_policy) {
            Some(path) => Ok(TrustPolicy::load(path)?),
            None => Ok(TrustPolicy::default()),
        }
    }

    /// The operator's policy: of files and a profile, or what the settings say; and what was
    /// approved.
    pub(crate) fn policy(&self, named: &Policies) -> Result<Policy, Error> {
        let settings = self.settings()?;
        let word = |word: &Option<String>| word.as_deref().and_then(|word| word.parse().ok());
        let profile = named.profile.or_else(|| word(&settings.profile));
        let mut policy = profile.map(Policy::profile).unwrap_or_default();
        let usual = there(&settings.policy).map(Path::to_owned);
        let files =
            if named.policy.is_empty() { usual.as_slice() } else { named.policy.as_slice() };
        for file in policy::files(files)? {
            policy.merge(policy::read(&file)?);
        }
        // A profile is for the environment of its name, unless somebody says otherwise.
        let purpose =
            named.env.or(if named.profile.is_some() { None } else { word(&settings.environment) });
        if let Some(environment) = purpose {
            let circumstances = policy.circumstances().clone();
            policy.set_circumstances(Circumstances { environment, ..circumstances });
        }
        policy.hold(self.approvals()?);
        Ok(policy)
    }

    /// What was approved on this host.
    pub(crate) fn approvals(&self) -> Result<Approvals, Error> {
        let path = self.home()?.approvals();
        // Whether there can be a home at all is found out by whoever needs it.
        let none = |error: &std::io::Error| {
            matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        };
        match std::fs::metadata(&path) {
            Err(error) if none(&error) => Ok(Approvals::default()),
            _ => Ok(Approvals::from_json(&read_text(&path)?, &path.display().to_string())?),
        }
    }

    /// `text` as a reference that names its registry: its own, or the default one.
    pub(crate) fn reference(&self, text: &str) -> Result<Reference, Error> {
        let reference: Reference = text.parse()?;
        if reference.registry().is_some() {
            return Ok(reference);
        }
        match &self.settings()?.registry {
            Some(registry) => Ok(reference.in_registry(registry)),
            None => Err(longshore::Error::NoRegistry { reference: text.to_owned() }.into()),
        }
    }

    /// Now.
    pub(crate) fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}

/// The file, if it was named or is there.
fn there(named: &Named) -> Option<&Path> {
    (named.by_operator || named.path.exists()).then_some(&*named.path)
}

/// A private key, opened with the password in the variable `password`.
pub(crate) fn private_key(path: &Path, password: &str) -> Result<PrivateKey, Error> {
    let text = read_text(path)?;
    let shown = || path.display().to_string();
    let password = variable(password).unwrap_or_default();
    PrivateKey::from_pem(&text, password.as_encoded_bytes()).map_err(|source| {
        let wrong = matches!(source, longshore::trust::Error::KeyPassword);
        let (path, source) = (shown(), Box::new(source));
        if wrong { Error::Password { path, source } } else { Error::Key { path, source } }
    })
}

/// A public key.
pub(crate) fn public_key(path: &Path) -> Result<PublicKey, Error> {
    let text = read_text(path)?;
    PublicKey::from_pem(&text)
        .map_err(|source| Error::Key { path: path.display().to_string(), source: Box::new(source) })
}

/// A small text file that somebody named.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = read_bytes(path, MAX_FILE)?;
    String::from_utf8(bytes).map_err(|_| Error::Read {
        path: path.display().to_string(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8 text"),
    })
}

/// A file that somebody named, of at most `limit` bytes.
pub(crate) fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let fail = |source| Error::Read { path: path.display().to_string(), source };
    let file = std::fs::File::open(path).map_err(fail)?;
    bounded(file, limit).map_err(fail)
}

/// Everything that `from` gives, which must be at most `limit` bytes.
pub(crate) fn bounded(from: impl std::io::Read, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("it is larger than {limit} bytes");
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}
