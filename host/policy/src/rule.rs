//! A rule of the operator: for which components it is, what it allows, and where it was written.

use std::fmt;
use std::path::{Path, PathBuf};

use longshore_model::{Access, CapabilityKind, HostPattern, Scope, ScopeError};
use longshore_reference::authored::closest;
use longshore_reference::{Repository, Source, check_env_name, check_guest_path, check_interface};

use crate::parameter::read_exec;
use crate::{Error, Needs, Parameter, Role};

/// Which components a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// Every component.
    Any,
    /// A file of that name; `*` is every file.
    File(String),
    /// This repository.
    Repository(String),
    /// Every repository whose name begins so; it ends with `/`.
    Under(String),
    /// What serves this interface: whole, without its version, or `namespace:package/*`.
    Interface(String),
}

impl Target {
    /// Reads a pattern: `*`, `file:NAME`, `REGISTRY/PATH`, `REGISTRY/PATH/*`, or a WIT interface.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(name) = text.strip_prefix("file:") {
            return if name.is_empty() || name.contains(['/', '\\']) {
                Err(format!("`{text}` must be `file:` and a file's name without folders"))
            } else {
                Ok(Self::File(name.to_owned()))
            };
        }
        if check_interface(&text.replace("/*", "/x")).is_ok() {
            return Ok(Self::Interface(text.to_owned()));
        }
        let under = text.strip_suffix("/*");
        let sample = under.map_or_else(|| text.to_owned(), |base| format!("{base}/x"));
        let repository: Repository = sample.parse().map_err(|_| {
            format!(
                "`{text}` is not a component pattern: a repository such as \
                 `registry.example.com/a/b` or \
                 `registry.example.com/a/*`, a WIT interface such as \
                 `acme:text/chunk`, or `file:NAME`"
            )
        })?;
        if repository.registry().is_none() {
            return Err(format!("`{text}` names no registry: write `REGISTRY/{text}`"));
        }
        let mut name = repository.to_string();
        Ok(match under {
            Some(_) => {
                name.pop();
                Self::Under(name)
            }
            None => Self::Repository(name),
        })
    }

    pub(crate) fn matches(&self, needs: &Needs) -> bool {
        let repository = match &needs.source {
            Source::Registry(reference) => Some(reference.repository().to_string()),
            Source::File(_) => None,
        };
        match self {
            Self::Any => true,
            Self::File(name) => {
                matches!(&needs.source, Source::File(own) if name == "*" || name == own)
            }
            Self::Repository(name) => repository.is_some_and(|own| own == *name),
            Self::Under(prefix) => repository.is_some_and(|own| own.starts_with(prefix)),
            Self::Interface(pattern) => {
                matches!(&needs.role, Role::Dependency { interface } if serves(interface, pattern))
            }
        }
    }
}

fn serves(interface: &str, pattern: &str) -> bool {
    let bare = interface.split('@').next().unwrap_or(interface);
    interface == pattern
        || bare == pattern
        || pattern
            .strip_suffix('*')
            .is_some_and(|package| bare.strip_prefix(package).is_some_and(|n| !n.contains('/')))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::File(name) => write!(f, "file:{name}"),
            Self::Repository(name) | Self::Interface(name) => f.write_str(name),
            Self::Under(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// One thing that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) target: Target,
    pub(crate) scope: Scope,
    /// What stands behind the scope.
    pub(crate) parameter: Parameter,
    /// The flag, or the file's name and the line.
    pub(crate) origin: String,
}

const SYNTAX: &str = "write `clock`, `random`, `env=NAME`, `dir=/guest=./host/path:rw`, \
                      `http=https://host[:port]` or another capability of docs/grants.md, each also \
                      as `PATTERN::…` for one component";

impl Rule {
    /// Reads the text of an `--allow` flag.
    pub(crate) fn from_flag(flag: &str) -> Result<Self, Error> {
        let fail = |reason: String, hint: &str| {
            let flag = flag.chars().take(256).flat_map(char::escape_debug).collect();
            Error::Flag { flag, reason, hint: hint.to_owned() }
        };
        let (pattern, body) = split(flag);
        let target = pattern.map_or(Ok(Target::Any), Target::parse);
        let target = target.map_err(|reason| fail(reason, SYNTAX))?;
        let (word, value) = match body.split_once('=') {
            Some((word, value)) => (word, Some(value)),
            None => (body, None),
        };
        let Some(kind) = CapabilityKind::parse(word) else {
            let word = word.rsplit("::").next().unwrap_or(word);
            let near = closest(word, CapabilityKind::ALL.map(CapabilityKind::as_str));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(fail(
                format!("there is no capability `{}`{near}", word.escape_debug()),
                SYNTAX,
            ));
        };
        let (scope, parameter) = read_scope(kind, value).map_err(|(why, hint)| fail(why, hint))?;
        Ok(Self { target, scope, parameter, origin: format!("--allow {flag}") })
    }
}

/// A host whose name may lead to addresses that are not on the public internet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Private {
    pub(crate) target: Target,
    /// A name, or `*.name`.
    pub(crate) host: HostPattern,
    /// The flag, or the file's name and the line.
    pub(crate) origin: String,
}

impl Private {
    /// Reads the text of an `--allow` flag, if it is of this kind: `private=HOST` or `PATTERN::private=HOST`.
    pub(crate) fn from_flag(flag: &str) -> Option<Result<Self, Error>> {
        let at = flag.rfind("private=").filter(|&at| at == 0 || flag[..at].ends_with("::"))?;
        let (pattern, host) = (&flag[..at], &flag[at + "private=".len()..]);
        let read = || {
            let pattern = pattern.strip_suffix("::").map_or(Ok(Target::Any), Target::parse);
            let (target, host) = (pattern?, private_host(host)?);
            Ok(Self { target, host, origin: format!("--allow {flag}") })
        };
        let fail = |reason| {
            let flag = flag.chars().take(256).flat_map(char::escape_debug).collect();
            Error::Flag { flag, reason, hint: "write `private=db.corp.example`".to_owned() }
        };
        Some(read().map_err(fail))
    }
}

/// Reads the host of a `private` rule.
pub(crate) fn private_host(text: &str) -> Result<HostPattern, String> {
    let host: HostPattern = text.parse().map_err(|why: ScopeError| why.to_string())?;
    let address = text.starts_with('[') || text.parse::<std::net::Ipv4Addr>().is_ok();
    if matches!(host.as_str(), "*" | "localhost") || address {
        return Err(format!(
            "`{}` is not a name: an address, or `localhost`, is opened by the rule that names it, and \
             not every name may be private",
            text.escape_debug()
        ));
    }
    Ok(host)
}

/// Splits `PATTERN::body`; `::` also stands in IPv6 addresses, so what follows must begin like a
/// body.
fn split(flag: &str) -> (Option<&str>, &str) {
    for (at, _) in flag.match_indices("::") {
        let body = &flag[at + 2..];
        let word = body.split('=').next().unwrap_or(body);
        if CapabilityKind::parse(word).is_some() {
            return (Some(&flag[..at]), body);
        }
    }
    (None, flag)
}

type Read = Result<(Scope, Parameter), (String, &'static str)>;

fn read_scope(kind: CapabilityKind, value: Option<&str>) -> Read {
    let hint = syntax(kind);
    if kind == CapabilityKind::Dir {
        return read_dir(value, hint);
    }
    if let (CapabilityKind::Clock | CapabilityKind::Random, Some(mode)) = (kind, value) {
        let parameter = Parameter::read_mode(kind, mode).map_err(|why| (why, hint))?;
        let scope = Scope::of(kind, None).map_err(|why| (why.to_string(), hint))?;
        return Ok((scope, parameter));
    }
    if let (CapabilityKind::Exec, Some(value)) = (kind, value) {
        return read_exec(value).map_err(|why| (why, hint));
    }
    if value.is_none() && !matches!(kind, CapabilityKind::Clock | CapabilityKind::Random) {
        return Err((format!("`{kind}` needs a value"), hint));
    }
    if kind == CapabilityKind::Env {
        // Its own words say more than the scope's.
        check_env_name(value.unwrap_or_default()).map_err(|why| (why, hint))?;
    }
    let scope = Scope::of(kind, value).map_err(|why| (why.to_string(), hint))?;
    Ok((scope, Parameter::None))
}

const fn syntax(kind: CapabilityKind) -> &'static str {
    match kind {
        CapabilityKind::Clock => {
            "write `clock` alone for the host's time, or `clock=frozen:2026-01-01T00:00:00Z` or \
             `clock=virtual:…`"
        }
        CapabilityKind::Random => "write `random` alone, or `random=seed:TEXT`",
        CapabilityKind::Env => {
            "write `env=NAME`, for example `env=TZ`; its value is the host's own"
        }
        CapabilityKind::Http => {
            "write `http=https://api.example.com`, `http=*.example.com` or \
             `http=http://127.0.0.1:8080`"
        }
        CapabilityKind::Dir => "write `dir=/guest=./host/path`, with `:rw` at the end for writing",
        CapabilityKind::Scratch => "write `scratch=/tmp`: the guest's path",
        CapabilityKind::Tcp | CapabilityKind::Udp => "write `tcp=db.example.com:5432`",
        CapabilityKind::Dns => "write `dns=example.com` or `dns=*.example.com`",
        CapabilityKind::Listen => {
            "write `listen=127.0.0.1:8080`; port 0 is one that the system chooses"
        }
        CapabilityKind::Keyvalue => "write `keyvalue=BUCKET`, with `:rw` at the end for writing",
        CapabilityKind::Blobstore => {
            "write `blobstore=CONTAINER`, with `:rw` at the end for writing"
        }
        CapabilityKind::Secret | CapabilityKind::Reveal => "write `secret=NAME` or `reveal=NAME`",
        CapabilityKind::Exec => {
            "write `exec=git log *` or `exec=/usr/bin/git log *`: a program and its arguments"
        }
    }
}

fn read_dir(value: Option<&str>, hint: &'static str) -> Read {
    let value = value.ok_or_else(|| ("`dir` needs a value".to_owned(), hint))?;
    let (path, host) =
        value.split_once('=').ok_or_else(|| ("it names no folder of the host".to_owned(), hint))?;
    let split = host.rsplit_once(':').and_then(|(host, word)| Some((host, Access::parse(word)?)));
    let (host, access) = split.unwrap_or((host, Access::ReadOnly));
    check_guest_path(path).map_err(|why| (why, hint))?;
    check_host(host).map_err(|why| (why, hint))?;
    let scope = Scope::Dir { path: path.to_owned(), access };
    Ok((scope, Parameter::Folder(PathBuf::from(host))))
}

pub(crate) fn check_host(host: &str) -> Result<(), String> {
    if host.is_empty() || host.contains('\0') {
        return Err("the folder of the host is empty or has a NUL in it".to_owned());
    }
    Ok(())
}

/// A folder that a policy file names, relative to the file.
pub(crate) fn beside(file: &str, host: &str) -> PathBuf {
    Path::new(file).parent().map_or_else(|| PathBuf::from(host), |folder| folder.join(host))
}
