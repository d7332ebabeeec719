//! The trust policy: who may vouch for which repositories. Deny by default; the most specific scope
//! decides alone, and all of its requirements must hold.
//!
//! ```json
//! {"version": 1,
//!  "default": [{"type": "reject"}],
//!  "scopes": {
//!    "registry.example.com/workflows": [
//!      {"type": "sigstore", "name": "release", "key": {"path": "keys/release.pub"}}]},
//!  "local": [{"type": "insecureAcceptAnything"}]}
//! ```
//!
//! - A scope is a registry, or a registry and the leading components of a repository's path; `a/b`
//!   covers `a/b` and `a/b/c`, never `a/bc`.
//! - `reject` refuses, `insecureAcceptAnything` lets pass unsigned, `sigstore` asks for a signature
//!   by `key`: `{"path": …}` (relative to the policy's folder) or `{"data": …}` (inline PEM). A key
//!   file may hold several keys, any of which will do: that is how keys are rotated.
//! - `requireAnnotations` are the signed annotations that must be there. Values: `$repository` is
//!   the path that was fetched from, without the registry, so that mirrors verify; `$registry` is
//!   the registry; `$tag` (or `$version`) is the tag that was asked for, and any value when only a
//!   digest was asked for, for then nothing newer could have been meant. Other values are literal.
//!   When left out it is `{"repository": "$repository", "version": "$tag"}`; only an explicit `{}`
//!   binds nothing.
//! - `predicateType` is cosign's `https://sigstore.dev/cosign/sign/v1` unless stated.
//! - `legacy: true` also takes cosign's older `.sig` signatures; without it they do not count.
//! - `trustedUntil`, a date such as `2027-12-31`, ends the trust in the key with the end of that
//!   day, UTC.
//! - `local` is for files that the operator names on the command line. Naming a file is an act of
//!   trust, so the default is to accept them (with the signer `local`); `[{"type": "reject"}]`
//!   forbids them. Files carry no signatures, hence no `sigstore` here.

mod date;
mod parse;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use longshore_reference::{Digest, Reference, canonical, media};
use serde_json::{Value, json};

use crate::{Error, PublicKey};

/// The most bytes of a policy, and of a key file that it names.
const MAX_FILE: u64 = 1 << 20;

/// A trust policy whose keys are loaded. See `registry/trust/src/policy.rs` for the format.
#[derive(Clone, Debug)]
pub struct TrustPolicy {
    default: Vec<Requirement>,
    scopes: BTreeMap<String, Vec<Requirement>>,
    accept_local: bool,
    digest: Digest,
}

/// One requirement of a scope.
#[derive(Clone, Debug)]
pub enum Requirement {
    /// Nothing passes.
    Reject,
    /// Everything passes, signed or not.
    InsecureAcceptAnything,
    /// A signature by one of the keys.
    Sigstore(SigstoreRequirement),
}

/// A signature that a scope asks for.
#[derive(Clone, Debug)]
pub struct SigstoreRequirement {
    pub(crate) name: String,
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) predicate_type: String,
    pub(crate) annotations: BTreeMap<String, Bound>,
    pub(crate) legacy: bool,
    /// The text of the policy, and the first second at which the key is no longer trusted.
    pub(crate) until: Option<(String, u64)>,
}

/// What a signed annotation must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The repository's path.
    Repository,
    /// The registry.
    Registry,
    /// The tag that was asked for.
    Tag,
    /// This text.
    Literal(String),
}

impl Bound {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "$repository" => Some(Self::Repository),
            "$registry" => Some(Self::Registry),
            "$tag" | "$version" => Some(Self::Tag),
            _ if text.starts_with('$') => None,
            _ => Some(Self::Literal(text.to_owned())),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Repository => "$repository",
            Self::Registry => "$registry",
            Self::Tag => "$tag",
            Self::Literal(text) => text,
        }
    }
}

impl SigstoreRequirement {
    /// The safe form: cosign's predicate type, `repository` and `version` bound, nothing legacy.
    #[must_use]
    pub fn new(name: &str, keys: Vec<PublicKey>) -> Self {
        let annotations = BTreeMap::from([
            ("repository".to_owned(), Bound::Repository),
            ("version".to_owned(), Bound::Tag),
        ]);
        Self {
            name: name.to_owned(),
            keys,
            predicate_type: media::COSIGN_SIGN_PREDICATE.to_owned(),
            annotations,
            legacy: false,
            until: None,
        }
    }

    fn to_value(&self) -> Value {
        let annotations: BTreeMap<_, _> =
            self.annotations.iter().map(|(name, bound)| (name, bound.text())).collect();
        json!({
            "type": "sigstore",
            "name": self.name,
            "keys": self.keys.iter().map(PublicKey::key_id).collect::<Vec<_>>(),
            "predicateType": self.predicate_type,
            "requireAnnotations": annotations,
            "legacy": self.legacy,
            "trustedUntil": self.until.as_ref().map(|(text, _)| text),
        })
    }
}

impl Requirement {
    fn to_value(&self) -> Value {
        match self {
            Self::Reject => json!({"type": "reject"}),
            Self::InsecureAcceptAnything => json!({"type": "insecureAcceptAnything"}),
            Self::Sigstore(requirement) => requirement.to_value(),
        }
    }
}

impl Default for TrustPolicy {
    /// What is in force without a policy file: everything from registries is rejected, files that
    /// the operator names pass.
    fn default() -> Self {
        Self::new(vec![Requirement::Reject], BTreeMap::new(), true)
    }
}

impl TrustPolicy {
    fn new(
        default: Vec<Requirement>,
        scopes: BTreeMap<String, Vec<Requirement>>,
        accept_local: bool,
    ) -> Self {
        let list = |all: &[Requirement]| all.iter().map(Requirement::to_value).collect::<Vec<_>>();
        let document = json!({
            "version": 1,
            "default": list(&default),
            "scopes": scopes.iter().map(|(k, v)| (k, list(v))).collect::<BTreeMap<_, _>>(),
            "local": if accept_local { "accept" } else { "reject" },
        });
        // A `Value` with string keys always serialises.
        let digest = Digest::of(&canonical::to_vec(&document).unwrap_or_default());
        Self { default, scopes, accept_local, digest }
    }

    /// A policy that asks everything from any registry for a signature by `key`, bound to
    /// repository and version: for `--key` on a command line.
    #[must_use]
    pub fn for_key(name: &str, key: PublicKey) -> Self {
        let requirement = Requirement::Sigstore(SigstoreRequirement::new(name, vec![key]));
        Self::new(vec![requirement], BTreeMap::new(), true)
    }

    /// A policy that lets everything pass unsigned. Never a default.
    #[must_use]
    pub fn insecure_accept_anything() -> Self {
        Self::new(vec![Requirement::InsecureAcceptAnything], BTreeMap::new(), true)
    }

    /// Reads a policy; `read_key` gives the bytes of a key file that it names.
    ///
    /// # Errors
    ///
    /// [`Error::PolicySyntax`] with line and column, [`Error::PolicyContent`] with a path,
    /// [`Error::PolicyFile`], [`Error::KeyFormat`] through the `PolicyContent` of its key.
    pub fn parse(
        text: &str,
        read_key: impl FnMut(&str) -> std::io::Result<String>,
    ) -> Result<Self, Error> {
        let mut read_key = read_key;
        parse::policy(text, &mut read_key)
    }

    /// Reads the policy at `path`, and the key files that it names, relative to its folder.
    ///
    /// # Errors
    ///
    /// As [`TrustPolicy::parse`], and [`Error::PolicyFile`] for the policy itself.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = read(path)
            .map_err(|source| Error::PolicyFile { path: path.display().to_string(), source })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, |key| read(&folder.join(key)))
    }

    /// The digest of what the policy means: requirements and key ids, not the spelling of the file.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether files that the operator names may run.
    #[must_use]
    pub fn accepts_local(&self) -> bool {
        self.accept_local
    }

    /// The requirements for a reference, with the scope that decided; no scope when it was the
    /// default.
    #[must_use]
    pub fn requirements(&self, reference: &Reference) -> (Option<&str>, &[Requirement]) {
        let name = reference.repository().to_string();
        let mut prefix = name.as_str();
        loop {
            if let Some((scope, requirements)) = self.scopes.get_key_value(prefix) {
                return (Some(scope), requirements);
            }
            match prefix.rfind('/') {
                Some(slash) => prefix = &prefix[..slash],
                None => return (None, &self.default),
            }
        }
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let length = std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if length as u64 > MAX_FILE {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            "it is larger than 1 MiB",
        ));
    }
    Ok(text)
}
