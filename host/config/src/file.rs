//! The text of `config.toml`: every key, and what may stand under it. Opens nothing.

use longshore_reference::Repository;
use longshore_reference::authored::{Item, Misread, Table, closest, did_you_mean, read};

use crate::{Buckets, Containers, StoreUrl, blobstore, keyvalue};

/// The largest `config.toml` that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 256 << 10;

/// The keys, as they stand in the file.
const KEYS: &[&str] = &[
    "registry",
    "offline",
    "plain-http",
    "token-hosts",
    "extra-ca",
    "docker-config",
    "trust-policy",
    "policy",
    "environment",
    "profile",
    "store",
    "keyvalue",
    "blobstore",
];

/// What a host may be for.
const ENVIRONMENTS: [&str; 3] = ["development", "staging", "production"];

/// What `config.toml` says; what it leaves out is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Authored {
    pub(crate) registry: Option<String>,
    pub(crate) offline: Option<bool>,
    pub(crate) plain_http: Vec<String>,
    pub(crate) token_hosts: Vec<String>,
    pub(crate) extra_ca: Vec<String>,
    pub(crate) docker_config: Option<String>,
    pub(crate) trust_policy: Option<String>,
    pub(crate) policy: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) store: Option<StoreUrl>,
    pub(crate) keyvalue: Buckets,
    pub(crate) blobstore: Containers,
}

impl Authored {
    /// Reads the text; `file` is its name for messages.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self, Misread> {
        read(text, file, MAX_BYTES, |root| Some(authored(root, file)))
    }
}

fn authored(root: &Table<'_>, file: &str) -> Authored {
    root.only(KEYS);
    Authored {
        registry: root.get("registry").and_then(|item| host(&item)),
        offline: root.get("offline").and_then(|item| item.boolean()),
        plain_http: hosts(root, "plain-http"),
        token_hosts: hosts(root, "token-hosts"),
        extra_ca: root.strings("extra-ca").iter().filter_map(path).collect(),
        docker_config: root.get("docker-config").as_ref().and_then(path),
        trust_policy: root.get("trust-policy").as_ref().and_then(path),
        policy: root.get("policy").as_ref().and_then(path),
        environment: root.get("environment").as_ref().and_then(environment),
        profile: root.get("profile").as_ref().and_then(environment),
        store: root.get("store").as_ref().and_then(store),
        blobstore: root
            .table("blobstore")
            .map(|table| blobstore::from_toml(&table))
            .unwrap_or_default(),
        keyvalue: root
            .table("keyvalue")
            .map(|table| keyvalue::from_toml(&table, file))
            .unwrap_or_default(),
    }
}

fn hosts(root: &Table<'_>, key: &str) -> Vec<String> {
    root.strings(key).iter().filter_map(host).collect()
}

fn host(item: &Item<'_>) -> Option<String> {
    let text = item.string()?;
    item.check(check_host(text))?;
    Some(text.to_owned())
}

fn store(item: &Item<'_>) -> Option<StoreUrl> {
    let url = StoreUrl::parse(item.string()?);
    item.check(url.as_ref().map(|_| ()).map_err(Clone::clone))?;
    url.ok()
}

fn path(item: &Item<'_>) -> Option<String> {
    let text = item.string()?;
    if text.is_empty() {
        item.fail(format!("`{}` is empty", item.name()));
        return None;
    }
    Some(text.to_owned())
}

fn environment(item: &Item<'_>) -> Option<String> {
    let text = item.string()?;
    if let Err(why) = check_environment(text) {
        item.fail_with(why, closest(text, ENVIRONMENTS).map(did_you_mean));
        return None;
    }
    Some(text.to_owned())
}

/// What a host is for is one of three words.
pub(crate) fn check_environment(text: &str) -> Result<(), String> {
    match ENVIRONMENTS.contains(&text) {
        true => Ok(()),
        false => Err("expected `development`, `staging` or `production`".to_owned()),
    }
}

/// A registry is written `host` or `host:port`, as references write it.
pub(crate) fn check_host(text: &str) -> Result<(), String> {
    let named = format!("{text}/x").parse::<Repository>().ok();
    let same =
        |repository: &Repository| repository.registry() == Some(text) && repository.path() == "x";
    if named.as_ref().is_some_and(same) {
        return Ok(());
    }
    Err("expected a registry such as `registry.example.com` or `127.0.0.1:5000`".to_owned())
}
