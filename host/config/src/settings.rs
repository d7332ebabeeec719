//! The settings in force: the environment over `config.toml` over the defaults.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::file::{Authored, MAX_BYTES, check_environment, check_host};
use crate::{Buckets, Containers, Environment, Error, StoreUrl};

/// A file that somebody named, or one that is looked for where it usually is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Where it is.
    pub path: PathBuf,
    /// Whether somebody named it: then it must be there.
    pub by_operator: bool,
}

/// The resolved settings of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder of state and caches: `LONGSHORE_HOME`, else `longshore` in `XDG_STATE_HOME`
    /// (`~/.local/state`). It also holds `config.toml`.
    pub home: PathBuf,
    /// Where references without a registry are looked for.
    pub registry: Option<String>,
    /// Whether the network is off limits.
    pub offline: bool,
    /// Registries that speak plain HTTP, besides loopback ones.
    pub plain_http: Vec<String>,
    /// Hosts that may see credentials for a token although they are not of the registry's own site.
    pub token_hosts: Vec<String>,
    /// Certificate authorities besides the system's, as PEM files.
    pub extra_ca: Vec<PathBuf>,
    /// The docker config: a file, or a folder with `config.json` in it.
    pub docker_config: Option<PathBuf>,
    /// Who may vouch for what; `trust.json` in the home unless named.
    pub trust_policy: Named,
    /// What is allowed: a file in TOML or Cedar or a folder of them; `policy.toml` in the home
    /// unless named.
    pub policy: Named,
    /// What the host is for: `development`, `staging` or `production`.
    pub environment: Option<String>,
    /// Whose policies of those that are shipped are in force: one of the same words.
    pub profile: Option<String>,
    /// The server that keeps the journal; a file in the home unless named.
    pub store: Option<StoreUrl>,
    /// Where buckets of keys and values are kept.
    pub keyvalue: Buckets,
    /// Where containers of objects are kept.
    pub blobstore: Containers,
}

impl Settings {
    /// Resolves the settings. Reads `config.toml` in the home, if it is there, and nothing else.
    ///
    /// # Errors
    ///
    /// [`Error`], with line and column where the file has a mistake.
    pub fn resolve(environment: &Environment<'_>) -> Result<Self, Error> {
        let home = home(environment)?;
        let authored = read(&home.join("config.toml"))?;
        let beside = |path: String| home.join(path);
        let registry = match environment.text("LONGSHORE_REGISTRY")? {
            Some(text) => {
                let name = "LONGSHORE_REGISTRY";
                check_host(&text).map_err(|reason| Error::Variable { name, reason })?;
                Some(text)
            }
            None => authored.registry,
        };
        let store = match environment.text("LONGSHORE_STORE")? {
            Some(text) => {
                let name = "LONGSHORE_STORE";
                let url = StoreUrl::parse(&text);
                Some(url.map_err(|reason| Error::Variable { name, reason })?)
            }
            None => authored.store,
        };
        let docker_home = || Some(environment.path("HOME")?.join(".docker"));
        let named = |variable, written: Option<String>, usual: &str| match environment
            .path(variable)
            .or_else(|| written.map(beside))
        {
            Some(path) => Named { path, by_operator: true },
            None => Named { path: home.join(usual), by_operator: false },
        };
        let offline = environment.truth("LONGSHORE_OFFLINE")?.or(authored.offline);
        let docker_config = environment
            .path("DOCKER_CONFIG")
            .or_else(|| authored.docker_config.map(beside))
            .or_else(docker_home);
        let trust_policy = named("LONGSHORE_TRUST_POLICY", authored.trust_policy, "trust.json");
        let policy = named("LONGSHORE_POLICY", authored.policy, "policy.toml");
        let word = |name: &'static str, written: Option<String>| match environment.text(name)? {
            Some(text) => match check_environment(&text) {
                Ok(()) => Ok(Some(text)),
                Err(reason) => Err(Error::Variable { name, reason }),
            },
            None => Ok(written),
        };
        let profile = word("LONGSHORE_PROFILE", authored.profile)?;
        let mut keyvalue = authored.keyvalue;
        keyvalue.beside(&home);
        let mut blobstore = authored.blobstore;
        blobstore.beside(&home);
        let purpose = word("LONGSHORE_ENVIRONMENT", authored.environment)?;
        Ok(Self {
            environment: purpose,
            profile,
            registry,
            offline: offline.unwrap_or(false),
            plain_http: authored.plain_http,
            token_hosts: authored.token_hosts,
            extra_ca: authored.extra_ca.into_iter().map(beside).collect(),
            docker_config,
            trust_policy,
            policy,
            store,
            keyvalue,
            blobstore,
            home,
        })
    }
}

fn home(environment: &Environment<'_>) -> Result<PathBuf, Error> {
    environment
        .path("LONGSHORE_HOME")
        .or_else(|| Some(environment.absolute("XDG_STATE_HOME")?.join("longshore")))
        .or_else(|| Some(environment.absolute("HOME")?.join(".local/state/longshore")))
        .ok_or(Error::NoHome)
}

fn read(path: &Path) -> Result<Authored, Error> {
    let shown = || path.display().to_string();
    let fail = |source| Error::File { path: shown(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Authored::default());
        }
        Err(error) => return Err(fail(error)),
    };
    let mut text = String::new();
    file.take(MAX_BYTES as u64 + 1).read_to_string(&mut text).map_err(fail)?;
    Authored::parse(&text, &shown()).map_err(Error::Misread)
}
