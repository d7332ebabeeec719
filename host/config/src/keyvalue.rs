//! Where buckets of keys and values are kept, as `[keyvalue.BUCKET]` and `--keyvalue` say it. Addresses may hold passwords: they
//! show themselves to nobody, and what is wrong with one is said without repeating it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use longshore_policy::SecretSource;
use longshore_reference::authored::{Item, Table, closest, did_you_mean};
use longshore_reference::check_store_name;

use crate::StoreUrl;

/// What stands for every bucket that is not named.
const OTHERS: &str = "*";
const BACKENDS: [&str; 5] = ["memory", "none", "postgres", "redis", "sqlite"];
/// The prefix of keys in Redis, and the table in PostgreSQL.
const OURS: &str = "longshore";
const TABLE: &str = "longshore_keyvalue";

/// What keeps a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Nothing: there is no such bucket.
    None,
    /// This process, as long as it lasts.
    Memory,
    /// A file; the host's own unless it is named.
    Sqlite(Option<PathBuf>),
    /// A Redis server.
    Redis {
        /// Where it is.
        url: Origin,
        /// What its keys begin with.
        prefix: String,
    },
    /// A PostgreSQL server.
    Postgres {
        /// Where it is.
        url: Origin,
        /// The table, which is made where it does not exist.
        table: String,
    },
}

/// Where an address is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Here.
    Url(StoreUrl),
    /// Where a secret is: it is fetched when it is needed.
    Source(SecretSource),
}

/// What the operator says of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// What keeps it.
    pub backend: Backend,
    /// The most bytes of keys and values that it may hold, whatever a grant says.
    pub max_bytes: Option<u64>,
    /// The most keys that it may hold, whatever a grant says.
    pub max_keys: Option<u64>,
}

/// Where buckets are kept, by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// Those that are named.
    pub named: BTreeMap<String, Bucket>,
    /// All others; a file of the host unless the operator says otherwise.
    pub others: Bucket,
}

impl Default for Buckets {
    fn default() -> Self {
        let others = Bucket { backend: Backend::Sqlite(None), max_bytes: None, max_keys: None };
        Self { named: BTreeMap::new(), others }
    }
}

impl Buckets {
    /// Takes a flag: `BUCKET=BACKEND`, where the backend is `none`, `memory`, `sqlite`, `sqlite:PATH`, or an address (`redis://…`,
    /// `postgres://…`) or where one is kept (`redis:env:NAME`, `postgres:file:PATH`, as for secrets).
    ///
    /// # Errors
    ///
    /// What is wrong with it. Nothing of an address is repeated.
    pub fn flag(&mut self, flag: &str) -> Result<(), String> {
        let (name, backend) = flag.split_once('=').ok_or("expected `BUCKET=BACKEND`")?;
        check_name(name)?;
        let bucket = Bucket { backend: from_flag(backend)?, max_bytes: None, max_keys: None };
        match name {
            OTHERS => self.others = bucket,
            _ => drop(self.named.insert(name.to_owned(), bucket)),
        }
        Ok(())
    }

    /// Whether any of them is kept on a server.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        let remote = |bucket: &Bucket| {
            matches!(bucket.backend, Backend::Redis { .. } | Backend::Postgres { .. })
        };
        self.named.values().any(remote) || remote(&self.others)
    }

    /// Makes paths absolute that are relative to `home`.
    pub(crate) fn beside(&mut self, home: &Path) {
        for bucket in self.named.values_mut().chain([&mut self.others]) {
            if let Backend::Sqlite(Some(path)) = &mut bucket.backend {
                *path = home.join(&*path);
            }
        }
    }
}

fn from_flag(text: &str) -> Result<Backend, String> {
    let (word, rest) = match text.split_once(':') {
        Some((word, rest)) => (word, Some(rest)),
        None => (text, None),
    };
    let remote = |schemes| match rest {
        Some(rest) if rest.starts_with("//") => Ok(Origin::Url(StoreUrl::of(text, schemes)?)),
        Some(rest) => SecretSource::parse(rest, "", None).map(Origin::Source),
        None => Err(format!("`{word}` needs an address, or where one is kept: `{word}:env:NAME`")),
    };
    Ok(match (word, rest) {
        ("none", None) => Backend::None,
        ("memory", None) => Backend::Memory,
        ("sqlite", None) => Backend::Sqlite(None),
        ("sqlite", Some(path)) if !path.is_empty() => Backend::Sqlite(Some(path.into())),
        ("redis" | "rediss", _) => Backend::Redis { url: remote(REDIS)?, prefix: OURS.to_owned() },
        ("postgres" | "postgresql", _) => {
            Backend::Postgres { url: remote(POSTGRES)?, table: TABLE.to_owned() }
        }
        _ => return Err(format!("a backend is {}", listed())),
    })
}

pub(crate) const REDIS: &[&str] = &["redis://", "rediss://"];
pub(crate) const POSTGRES: &[&str] = &["postgres://", "postgresql://"];

fn listed() -> String {
    BACKENDS.map(|backend| format!("`{backend}`")).join(", ")
}

fn check_name(name: &str) -> Result<(), String> {
    if name == OTHERS { Ok(()) } else { check_store_name(name) }
}

/// Reads `[keyvalue]`; `file` is where it stands, for paths beside it.
pub(crate) fn from_toml(table: &Table<'_>, file: &str) -> Buckets {
    let mut buckets = Buckets::default();
    for (name, item) in table.entries() {
        if let Err(why) = check_name(name) {
            item.fail_key(why, None);
            continue;
        }
        let Some(bucket) = item.table().and_then(|table| bucket(&table, file)) else { continue };
        match name {
            OTHERS => buckets.others = bucket,
            _ => drop(buckets.named.insert(name.to_owned(), bucket)),
        }
    }
    buckets
}

fn bucket(table: &Table<'_>, file: &str) -> Option<Bucket> {
    let item = table.need("backend")?;
    let word = item.string()?;
    let own: &[&str] = match word {
        "none" => &[],
        "memory" => &["max-bytes", "max-keys"],
        "sqlite" => &["path", "max-bytes", "max-keys"],
        "redis" => &["url", "identity", "prefix", "max-bytes", "max-keys"],
        "postgres" => &["url", "identity", "table", "max-bytes", "max-keys"],
        _ => {
            let meant = closest(word, BACKENDS).map(did_you_mean);
            item.fail_with(format!("`{}` is one of {}", item.name(), listed()), meant);
            return None;
        }
    };
    table.only(&[&["backend"], own].concat());
    let backend = match word {
        "none" => Backend::None,
        "memory" => Backend::Memory,
        "sqlite" => Backend::Sqlite(table.get("path").as_ref().and_then(path)),
        "redis" => Backend::Redis {
            url: origin(table, REDIS, file)?,
            prefix: table.get("prefix").map_or(Some(OURS.to_owned()), |item| prefix(&item))?,
        },
        _ => Backend::Postgres {
            url: origin(table, POSTGRES, file)?,
            table: table.get("table").map_or(Some(TABLE.to_owned()), |item| name(&item))?,
        },
    };
    let most = |key| table.get(key).and_then(|item| item.positive());
    Some(Bucket { backend, max_bytes: most("max-bytes"), max_keys: most("max-keys") })
}

fn path(item: &Item<'_>) -> Option<PathBuf> {
    let text = item.string()?;
    if text.is_empty() || text.contains('\0') {
        item.fail(format!("`{}` is no path", item.name()));
        return None;
    }
    Some(text.into())
}

/// An address, or the source of one.
fn origin(table: &Table<'_>, schemes: &'static [&'static str], file: &str) -> Option<Origin> {
    let item = table.need("url")?;
    let text = item.string()?;
    let identity = table.string("identity");
    if text.contains("://") {
        if let Some(item) = table.get("identity") {
            item.fail("only an `age:` source has an `identity`");
        }
        return item.check(StoreUrl::of(text, schemes)).map(Origin::Url);
    }
    item.check(SecretSource::parse(text, file, identity.as_deref())).map(Origin::Source)
}

fn prefix(item: &Item<'_>) -> Option<String> {
    let text = item.string()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b);
    if !(1..=64).contains(&text.len()) || !text.bytes().all(plain) {
        item.fail(format!("`{}` is up to 64 letters, digits and `-_.:/`", item.name()));
        return None;
    }
    Some(text.to_owned())
}

/// The name of a table, as PostgreSQL takes it without quotes.
fn name(item: &Item<'_>) -> Option<String> {
    let text = item.string()?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if !(1..=40).contains(&text.len())
        || !text.bytes().all(plain)
        || text.as_bytes()[0].is_ascii_digit()
    {
        let what = "is up to 40 lower-case letters, digits and `_`, and no digit first";
        item.fail(format!("`{}` {what}", item.name()));
        return None;
    }
    Some(text.to_owned())
}
