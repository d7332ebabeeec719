//! OCI references: `[registry/]repository[:tag][@digest]` (distribution spec 1.1, "Pulling manifests").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Digest;

/// A repository: a registry (`host[:port]`) and a path in it. No default registry is ever guessed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: Option<String>,
    path: String,
}

/// A repository with a tag, a digest, or both (the digest decides; the tag is then only a name).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a reference: {reason}")]
pub struct ReferenceError {
    /// What was given, cut to 256 characters.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Repository {
    /// The registry, `host[:port]`; `None` for a repository relative to the registry of whoever names it.
    #[must_use]
    pub fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    /// The path within the registry: lower-case components separated by `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// This repository, with `registry` where it names none itself.
    #[must_use]
    pub fn in_registry(mut self, registry: &str) -> Self {
        self.registry.get_or_insert_with(|| registry.to_owned());
        self
    }

    /// A reference to `tag` in this repository.
    ///
    /// # Errors
    ///
    /// When `tag` is not a tag.
    pub fn with_tag(self, tag: &str) -> Result<Reference, ReferenceError> {
        check_tag(tag).map_err(|reason| ReferenceError { text: tag.to_owned(), reason })?;
        Ok(Reference { repository: self, tag: Some(tag.to_owned()), digest: None })
    }

    /// A reference to `digest` in this repository.
    #[must_use]
    pub fn with_digest(self, digest: Digest) -> Reference {
        Reference { repository: self, tag: None, digest: Some(digest) }
    }
}

impl Reference {
    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The registry, `host[:port]`, where one is named.
    #[must_use]
    pub fn registry(&self) -> Option<&str> {
        self.repository.registry()
    }

    /// The tag, where one is named.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, where the reference is pinned.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same reference pinned to `digest`; the tag stays as its name.
    #[must_use]
    pub fn pinned(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }

    /// This reference, with `registry` where it names none itself.
    #[must_use]
    pub fn in_registry(mut self, registry: &str) -> Self {
        self.repository = self.repository.in_registry(registry);
        self
    }
}

/// The first component names a registry when it could not be a path component, as in docker's grammar.
fn is_registry(component: &str) -> bool {
    component == "localhost" || component.contains(['.', ':']) || component.starts_with('[')
}

fn check_registry(text: &str) -> Result<(), &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("the IPv6 address is not closed")?;
            if host.is_empty() || !host.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return Err("the IPv6 address has a character that is not one");
            }
            (None, after.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    if let Some(host) = host {
        let label = |l: &str| {
            !l.is_empty()
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if host.len() > 253 || !host.split('.').all(label) {
            return Err("the registry is not a host name");
        }
    }
    match port {
        Some(port) if port.parse::<u16>().is_err() || port.starts_with('+') => {
            Err("the registry's port is not a number from 0 to 65535")
        }
        _ => Ok(()),
    }
}

fn check_path(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("it names no repository");
    }
    if path.len() > 255 {
        return Err("the repository is longer than 255 characters");
    }
    for component in path.split('/') {
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = component.as_bytes();
        if !edge(bytes.first()) || !edge(bytes.last()) {
            return Err("each component of a repository starts and ends with a letter or a digit");
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if !bytes.iter().all(|&b| allowed(b)) {
            return Err("a repository is lower-case letters, digits, `.`, `_`, `-` and `/`");
        }
        // distribution spec: separators are `.`, `_`, `__` or any number of `-`.
        let runs = component.split(|c: char| c.is_ascii_alphanumeric()).filter(|r| !r.is_empty());
        if runs.into_iter().any(|r| !matches!(r, "." | "_" | "__") && !r.bytes().all(|b| b == b'-'))
        {
            return Err("separators in a repository are `.`, `_`, `__` or dashes");
        }
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let first = tag.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let rest = tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if first && rest && tag.len() <= 128 {
        Ok(())
    } else {
        Err("a tag is up to 128 letters, digits, `_`, `.` and `-`, and starts with none of `.` `-`")
    }
}

fn parse_repository(text: &str) -> Result<Repository, &'static str> {
    let (registry, path) = match text.split_once('/') {
        Some((first, path)) if is_registry(first) => {
            check_registry(first)?;
            (Some(first.to_ascii_lowercase()), path)
        }
        _ => (None, text),
    };
    check_path(path)?;
    Ok(Repository { registry, path: path.to_owned() })
}

fn parse_reference(text: &str) -> Result<Reference, &'static str> {
    if text.len() > 1024 {
        return Err("it is longer than 1,024 characters");
    }
    let text = text.strip_prefix("oci://").unwrap_or(text);
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => {
            let digest = digest.parse().map_err(|_| "what follows `@` is not a sha256 digest")?;
            (rest, Some(digest))
        }
        None => (text, None),
    };
    let slash = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match rest[slash..].find(':') {
        Some(colon) => (&rest[..slash + colon], Some(&rest[slash + colon + 1..])),
        None => (rest, None),
    };
    let repository = parse_repository(name)?;
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    Ok(Reference { repository, tag: tag.map(str::to_owned), digest })
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse_repository(text.strip_prefix("oci://").unwrap_or(text))
            .map_err(|reason| fail(text, reason))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse_reference(text).map_err(|reason| fail(text, reason))
    }
}

fn fail(text: &str, reason: &'static str) -> ReferenceError {
    ReferenceError { text: text.chars().take(256).collect(), reason }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        f.write_str(&self.path)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.repository, f)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

macro_rules! as_text {
    ($type:ty) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

as_text!(Repository);
as_text!(Reference);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_back_as_they_were_written() {
        let digest = Digest::of(b"x");
        for text in [
            "registry.example.com/workflows/ingest:1.0.0",
            "127.0.0.1:5000/a/b-c__d.e",
            "localhost/x:latest",
            "[::1]:5000/x",
            "plugins/hash:1.2.3",
            &format!("127.0.0.1:5000/a@{digest}"),
            &format!("127.0.0.1:5000/a:1.0@{digest}"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_parts_are_where_a_reader_expects_them() {
        let reference: Reference = "oci://127.0.0.1:5000/a/b:1".parse().unwrap();
        assert_eq!(reference.registry(), Some("127.0.0.1:5000"));
        assert_eq!(reference.repository().path(), "a/b");
        assert_eq!(reference.tag(), Some("1"));
        let relative: Reference = "plugins/hash:1".parse().unwrap();
        assert_eq!(relative.registry(), None);
        assert_eq!(relative.in_registry("r.example").to_string(), "r.example/plugins/hash:1");
    }

    #[test]
    fn hostile_spellings_are_refused() {
        for text in [
            "",
            "/",
            "r.example/",
            "r.example//a",
            "r.example/../a",
            "r.example/a/../b",
            "r.example/A",
            "r.example/a:.x",
            "r.example/a:",
            "r.example/a@sha256:00",
            "user@r.example/a",
            "r.example:99999/a",
            "r.example/a b",
            "r.example/a..b",
            "r.example/-a",
            "r_x.example/a",
            "[::1/a",
            "r.example/a\n",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
    }
}
