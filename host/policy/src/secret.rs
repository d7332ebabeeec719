//! Where the operator keeps a secret, and where its value may be put. Only the place is known
//! here: a value is fetched by the host when a guest first asks for it, and never comes near a
//! policy.

use std::collections::BTreeMap;
use std::path::PathBuf;

use longshore_model::HttpScope;
use longshore_reference::authored::{Item, Table};
use longshore_reference::{check_env_name, check_store_name};
use serde_json::{Value, json};

use crate::rule::beside;

/// The header that a value goes into unless another is named.
const AUTHORIZATION: &str = "authorization";

/// Where the value of a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of the host: `env:NAME`.
    Environment(String),
    /// A file that only its owner may read: `file:PATH`.
    File(PathBuf),
    /// What a program prints: `command:PROGRAM ARG…`, split at spaces, without a shell.
    Command(Vec<String>),
    /// An entry of the system's keyring: `keyring:SERVICE/USER`.
    Keyring(String),
    /// A file encrypted with age, or one entry of it: `age:PATH#ENTRY`.
    Age {
        /// The encrypted file.
        file: PathBuf,
        /// The name of an entry `name=value` of it; none for the whole text.
        entry: Option<String>,
        /// The file with the identity that opens it.
        identity: PathBuf,
    },
}

impl SecretSource {
    /// What may be said of it: no arguments of commands, which may be secret themselves.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Environment(name) => format!("env:{name}"),
            Self::File(path) => format!("file:{}", path.display()),
            Self::Command(words) => {
                format!("command:{}", words.first().map_or("", String::as_str))
            }
            Self::Keyring(entry) => format!("keyring:{entry}"),
            Self::Age { file, entry: Some(entry), .. } => {
                format!("age:{}#{entry}", file.display())
            }
            Self::Age { file, .. } => format!("age:{}", file.display()),
        }
    }

    /// Reads `KIND:VALUE`; paths are relative to the folder of `file`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without repeating it: it may be the secret itself.
    pub fn parse(text: &str, file: &str, identity: Option<&str>) -> Result<Self, String> {
        const KINDS: &str = "a source is `env:NAME`, `file:PATH`, `command:PROGRAM ARG…`, \
                             `keyring:SERVICE/USER` or `age:PATH#ENTRY`";
        // What is not understood may be the secret itself, and is not repeated.
        let (kind, value) = text.split_once(':').ok_or_else(|| KINDS.to_owned())?;
        let path = |value: &str| match value.is_empty() || value.contains('\0') {
            true => Err(format!("`{kind}:` needs a path")),
            false => Ok(beside(file, value)),
        };
        if identity.is_some() && kind != "age" {
            return Err("only an `age:` source has an `identity`".to_owned());
        }
        match kind {
            "env" => {
                check_env_name(value)?;
                Ok(Self::Environment(value.to_owned()))
            }
            "file" => Ok(Self::File(path(value)?)),
            "command" => {
                let words: Vec<_> = value.split_whitespace().map(str::to_owned).collect();
                if words.is_empty() || value.contains('\0') {
                    return Err("`command:` needs a program".to_owned());
                }
                Ok(Self::Command(words))
            }
            "keyring" => match value.split_once('/') {
                Some((service, user)) if !service.is_empty() && !user.is_empty() => {
                    Ok(Self::Keyring(value.to_owned()))
                }
                _ => Err("write `keyring:SERVICE/USER`".to_owned()),
            },
            "age" => {
                let (name, entry) = match value.rsplit_once('#') {
                    Some((name, entry)) => (name, Some(entry.to_owned())),
                    None => (value, None),
                };
                let identity = identity.ok_or("an `age:` source needs an `identity`: a file")?;
                Ok(Self::Age { file: path(name)?, entry, identity: path(identity)? })
            }
            _ => Err(KINDS.to_owned()),
        }
    }
}

/// How the value stands in its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretFormat {
    /// A text in which `{}` stands for the value.
    Text(String),
    /// `Basic` authentication of this user, with the value as the password.
    Basic(String),
}

/// What the operator says of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretBinding {
    source: SecretSource,
    hosts: Vec<HttpScope>,
    header: String,
    format: SecretFormat,
}

impl SecretBinding {
    /// Where the value comes from.
    #[must_use]
    pub const fn source(&self) -> &SecretSource {
        &self.source
    }

    /// The requests that it may be put into; none where it is only revealed.
    #[must_use]
    pub fn hosts(&self) -> &[HttpScope] {
        &self.hosts
    }

    /// The header that it may be put into, in lower case.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// How it stands there.
    #[must_use]
    pub const fn format(&self) -> &SecretFormat {
        &self.format
    }

    /// What it means, for the digest of a policy.
    pub(crate) fn meaning(&self) -> Value {
        let format = match &self.format {
            SecretFormat::Text(text) => json!(["text", text]),
            SecretFormat::Basic(user) => json!(["basic", user]),
        };
        json!([self.source.shown(), self.hosts, self.header, format])
    }

    fn new(source: SecretSource, hosts: Vec<HttpScope>, header: Option<&str>) -> Self {
        let header = header.unwrap_or(AUTHORIZATION).to_owned();
        let format = if header == AUTHORIZATION { "Bearer {}" } else { "{}" };
        Self { source, hosts, header, format: SecretFormat::Text(format.to_owned()) }
    }
}

/// Reads `NAME=SOURCE[@URL[#HEADER]]`.
pub(crate) fn from_flag(flag: &str) -> Result<(String, SecretBinding), String> {
    let (name, rest) = flag.split_once('=').ok_or("it has no `=`")?;
    check_store_name(name)?;
    // A source may have an `@` of its own; what the value is bound to begins like a URL.
    let bound = ["@https://", "@http://"].iter().filter_map(|mark| rest.rfind(mark)).max();
    let (source, to) = match bound {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let source = SecretSource::parse(source, "", None)?;
    let (hosts, header) = match to {
        None => (Vec::new(), None),
        Some(to) => {
            let (url, header) = match to.split_once('#') {
                Some((url, header)) => (url, Some(check_header(header)?)),
                None => (to, None),
            };
            (vec![check_host(url)?], header)
        }
    };
    Ok((name.to_owned(), SecretBinding::new(source, hosts, header.as_deref())))
}

/// Reads `[secrets]`.
pub(crate) fn from_toml(table: &Table<'_>, file: &str) -> BTreeMap<String, SecretBinding> {
    let binding = |(name, item): (&str, Item<'_>)| {
        if let Err(why) = check_store_name(name) {
            item.fail_key(why, None);
            return None;
        }
        Some((name.to_owned(), binding(&item.table()?, file)?))
    };
    table.entries().into_iter().filter_map(binding).collect()
}

fn binding(table: &Table<'_>, file: &str) -> Option<SecretBinding> {
    table.only(&["source", "identity", "hosts", "header", "format", "user"]);
    let identity = table.string("identity");
    let source = table.need("source").and_then(|item| {
        let text = item.string()?;
        item.check(SecretSource::parse(text, file, identity.as_deref()))
    });
    let mut hosts = Vec::new();
    for item in table.strings("hosts") {
        hosts.extend(item.string().and_then(|text| item.check(check_host(text))));
    }
    let header = table.get("header").and_then(|item| item.check(check_header(item.string()?)));
    let mut binding = SecretBinding::new(source?, hosts, header.as_deref());
    if let Some(item) = table.get("user") {
        let user = item.string()?;
        if table.get("format").is_some() || binding.header != AUTHORIZATION {
            item.fail("`user` is for `Basic` authentication: without `format` and `header`");
        } else if user.contains(':') || !user.bytes().all(is_visible) {
            item.fail("a user of `Basic` authentication has no `:`, space or control character");
        }
        binding.format = SecretFormat::Basic(user.to_owned());
    } else if let Some(item) = table.get("format") {
        let format = item.string()?;
        let printable = format.bytes().all(|b| b == b' ' || is_visible(b));
        if format.matches("{}").count() != 1 || !printable {
            item.fail("`format` is a line of ASCII with one `{}` in it, where the value stands");
        }
        binding.format = SecretFormat::Text(format.to_owned());
    }
    Some(binding)
}

const fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

/// A secret goes to hosts that are named, over TLS, or to this machine.
fn check_host(text: &str) -> Result<HttpScope, String> {
    let scope: HttpScope = text.parse().map_err(|why| format!("{why}"))?;
    if scope.host() == "*" {
        return Err("a secret is bound to hosts: `*` would send it to anyone".to_owned());
    }
    let here = matches!(scope.host(), "localhost" | "127.0.0.1" | "[::1]");
    if scope.scheme() != "https" && !here {
        return Err(format!("`{text}` is not `https`: everybody on the way would read the secret"));
    }
    Ok(scope)
}

fn check_header(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if !(1..=64).contains(&lower.len()) || !lower.bytes().all(token) {
        return Err(format!("`{}` is not the name of a header", text.escape_debug()));
    }
    let ours = ["host", "content-length", "transfer-encoding", "connection", "te", "upgrade"];
    if ours.contains(&lower.as_str()) {
        return Err(format!("the header `{lower}` frames the request and takes no secret"));
    }
    Ok(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_says_the_source_the_host_and_the_header() {
        let (name, binding) =
            from_flag("api=env:API_KEY@https://api.example.com/v1#X-Api-Key").unwrap();
        assert_eq!(name, "api");
        assert_eq!(binding.source(), &SecretSource::Environment("API_KEY".into()));
        assert_eq!(binding.hosts()[0].to_string(), "https://api.example.com/v1");
        assert_eq!(binding.header(), "x-api-key");
        assert_eq!(binding.format(), &SecretFormat::Text("{}".into()));
        let (_, bearer) = from_flag("api=command:op read a@b@https://api.example.com").unwrap();
        assert_eq!(bearer.format(), &SecretFormat::Text("Bearer {}".into()));
        assert_eq!(bearer.source().shown(), "command:op", "arguments are not shown");
        let (_, only) = from_flag("api=file:./key").unwrap();
        assert!(only.hosts().is_empty());
    }

    #[test]
    fn what_would_give_a_secret_away_is_no_binding_and_is_not_repeated() {
        for flag in [
            "api",
            "api=hunter2",
            "api=hunter2:hunter2",
            "api=env:hunter2=",
            "API=env:X",
            "api=env:X@https://*",
            "api=env:X@http://api.example.com",
            "api=env:X@https://api.example.com#host",
            "api=env:X@https://api.example.com#a b",
            "api=age:f#k@https://api.example.com",
            "api=keyring:x",
            "api=command: ",
        ] {
            let error = from_flag(flag).unwrap_err();
            assert!(!error.contains("hunter2") || flag.contains("env:"), "{flag}: {error}");
        }
        assert!(from_flag("api=env:X@http://127.0.0.1:80").is_ok());
    }
}
