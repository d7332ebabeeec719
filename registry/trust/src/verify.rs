//! The judgement: from fetched to [`Verified`], the only way there.

use std::collections::BTreeMap;
use std::sync::Arc;

use longshore_reference::{Candidate, Digest, Fetched, Reference, Signer, Source};
use serde_json::Value;

use crate::bundle::Bundle;
use crate::policy::{Bound, Requirement, SigstoreRequirement, TrustPolicy};
use crate::{Error, PublicKey, legacy};

/// The most signatures of one artifact that are looked at.
pub(crate) const MAX_CANDIDATES: usize = 100;

/// A component that the trust policy lets run. Made by [`TrustPolicy::verify`] only.
#[derive(Clone, Debug)]
pub struct Verified {
    bytes: Arc<[u8]>,
    digest: Digest,
    source: Source,
    manifest: Option<Digest>,
    signers: Vec<Signer>,
    policy: Digest,
}

impl Verified {
    /// The component's bytes.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// The digest of the component's bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Where it came from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The digest of its OCI manifest, where it came from a registry.
    #[must_use]
    pub fn manifest(&self) -> Option<Digest> {
        self.manifest
    }

    /// Who vouches for it; empty when the policy accepts anything.
    #[must_use]
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// The digest of the trust policy that let it pass.
    #[must_use]
    pub fn policy(&self) -> Digest {
        self.policy
    }
}

impl TrustPolicy {
    /// Decides whether what was fetched may run. `now_unix_s` is the time in seconds since the Unix
    /// epoch.
    ///
    /// # Errors
    ///
    /// One of the `LS-TRU` errors. Where several signatures fail, the one that came closest speaks.
    pub fn verify(&self, fetched: Fetched, now_unix_s: u64) -> Result<Verified, Error> {
        let signers = match fetched.source() {
            Source::File(_) if self.accepts_local() => {
                vec![Signer { name: "local".to_owned(), key: None }]
            }
            Source::File(name) => {
                return Err(Error::Rejected { artifact: name.clone(), scope: "local".to_owned() });
            }
            Source::Registry(reference) => self.judge(reference, &fetched, now_unix_s)?,
        };
        Ok(Verified {
            bytes: Arc::clone(fetched.bytes()),
            digest: fetched.digest(),
            source: fetched.source().clone(),
            manifest: fetched.manifest(),
            signers,
            policy: self.digest(),
        })
    }

    fn judge(
        &self,
        reference: &Reference,
        fetched: &Fetched,
        now: u64,
    ) -> Result<Vec<Signer>, Error> {
        let (scope, requirements) = self.requirements(reference);
        let artifact = reference.to_string();
        if requirements.iter().any(|each| matches!(each, Requirement::Reject)) {
            return Err(match scope {
                Some(scope) => Error::Rejected { artifact, scope: scope.to_owned() },
                None => Error::NoScope { artifact },
            });
        }
        let mut signers = Vec::new();
        for requirement in requirements {
            if let Requirement::Sigstore(requirement) = requirement {
                signers.push(requirement.met_by(reference, fetched, now)?);
            }
        }
        Ok(signers)
    }
}

/// How near a failed signature came; the nearest is reported.
fn nearness(error: &Error) -> u8 {
    match error {
        Error::OtherVersion { .. } | Error::OtherAnnotation { .. } => 6,
        Error::OtherRepository { .. } => 5,
        Error::OtherDigest { .. } => 4,
        Error::Predicate { .. } => 3,
        Error::OtherKey { .. } => 2,
        Error::Keyless => 1,
        _ => 0,
    }
}

impl SigstoreRequirement {
    fn met_by(&self, reference: &Reference, fetched: &Fetched, now: u64) -> Result<Signer, Error> {
        let artifact = || reference.to_string();
        if let Some((until, end)) = &self.until
            && now >= *end
        {
            return Err(Error::Expired { requirement: self.name.clone(), until: until.clone() });
        }
        let candidates = fetched.candidates();
        if candidates.len() > MAX_CANDIDATES {
            return Err(Error::TooMany {
                artifact: artifact(),
                count: candidates.len(),
                limit: MAX_CANDIDATES,
            });
        }
        let mut found = Vec::new();
        let mut nearest: Option<Error> = None;
        for candidate in candidates {
            match self.check(candidate, reference, fetched.manifest(), &mut found) {
                Ok(key) => return Ok(Signer { name: self.name.clone(), key: Some(key.key_id()) }),
                Err(Error::Unsigned { .. }) => {}
                Err(error) => {
                    if nearest.as_ref().is_none_or(|old| nearness(&error) > nearness(old)) {
                        nearest = Some(error);
                    }
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Err(match nearest {
            None => Error::Unsigned { artifact: artifact() },
            Some(Error::OtherKey { artifact, requirement, expected, .. }) => {
                Error::OtherKey { artifact, requirement, expected, found }
            }
            Some(other) => other,
        })
    }

    fn check(
        &self,
        candidate: &Candidate,
        reference: &Reference,
        manifest: Option<Digest>,
        found: &mut Vec<String>,
    ) -> Result<&PublicKey, Error> {
        match candidate {
            Candidate::Bundle(bytes) => {
                let bundle = Bundle::parse(bytes)?;
                let claimed = bundle.claimed_key().map(|key| format!("`{key}`"));
                found.extend(claimed);
                self.by_any_key(reference, |key| {
                    let statement = bundle.verify(key)?;
                    self.check_predicate(&statement.predicate_type)?;
                    if statement.kind != longshore_reference::media::IN_TOTO_STATEMENT {
                        return Err(Error::malformed("the statement is not of version 1"));
                    }
                    let [subject] = statement.subject.as_slice() else {
                        return Err(Error::malformed("the statement has not exactly one subject"));
                    };
                    let digest = subject.digest.get("sha256").map(|hex| format!("sha256:{hex}"));
                    self.check_digest(digest.as_deref().unwrap_or("(none)"), manifest)?;
                    self.check_annotations(&subject.annotations, reference)
                })
            }
            // Not counted, and so not blamed either: the artifact is unsigned as far as this
            // requirement goes.
            Candidate::Legacy { .. } if !self.legacy => {
                Err(Error::Unsigned { artifact: String::new() })
            }
            Candidate::Legacy { payload, signature } => self.by_any_key(reference, |key| {
                let (digest, annotations) = legacy::verify(payload, signature, key)?;
                self.check_predicate(longshore_reference::media::COSIGN_SIGN_PREDICATE)?;
                self.check_digest(&digest, manifest)?;
                self.check_annotations(&annotations, reference)
            }),
        }
    }

    /// The first key under which `check` holds; when no key made the signature, that is the error.
    fn by_any_key(
        &self,
        reference: &Reference,
        check: impl Fn(&PublicKey) -> Result<(), Error>,
    ) -> Result<&PublicKey, Error> {
        for key in &self.keys {
            match check(key) {
                Ok(()) => return Ok(key),
                Err(Error::BadSignature { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::OtherKey {
            artifact: reference.to_string(),
            requirement: self.name.clone(),
            expected: self.keys.iter().map(PublicKey::key_id).collect(),
            found: Vec::new(),
        })
    }

    fn check_predicate(&self, found: &str) -> Result<(), Error> {
        if found == self.predicate_type {
            return Ok(());
        }
        Err(Error::Predicate {
            requirement: self.name.clone(),
            expected: self.predicate_type.clone(),
            found: found.chars().take(256).collect(),
        })
    }

    fn check_digest(&self, found: &str, manifest: Option<Digest>) -> Result<(), Error> {
        let expected = manifest.ok_or(Error::malformed("the artifact has no manifest"))?;
        if found == expected.to_string() {
            return Ok(());
        }
        Err(Error::OtherDigest {
            requirement: self.name.clone(),
            expected,
            found: found.chars().take(96).collect(),
        })
    }

    fn check_annotations(
        &self,
        annotations: &BTreeMap<String, Value>,
        reference: &Reference,
    ) -> Result<(), Error> {
        for (name, bound) in &self.annotations {
            let expected = match bound {
                Bound::Repository => Some(reference.repository().path()),
                Bound::Registry => Some(reference.registry().unwrap_or_default()),
                Bound::Tag => reference.tag(),
                Bound::Literal(text) => Some(text.as_str()),
            };
            let said = annotations.get(name).and_then(Value::as_str);
            let holds = match (said, expected) {
                (Some(said), Some(expected)) => said == expected,
                // Asked for by digest alone: the signature must still carry a version, whichever it
                // is.
                (Some(_), None) => true,
                (None, _) => false,
            };
            if !holds {
                return Err(self.unbound(name, bound, expected.unwrap_or("any"), said));
            }
        }
        Ok(())
    }

    fn unbound(&self, name: &str, bound: &Bound, expected: &str, said: Option<&str>) -> Error {
        let (requirement, expected) = (self.name.clone(), expected.to_owned());
        let found = said.map_or("(none)".to_owned(), |text| {
            format!("`{}`", text.chars().take(256).collect::<String>())
        });
        match bound {
            Bound::Repository | Bound::Registry => {
                Error::OtherRepository { requirement, expected, found }
            }
            Bound::Tag => Error::OtherVersion { requirement, expected, found },
            Bound::Literal(_) => {
                let annotation = name.to_owned();
                Error::OtherAnnotation { requirement, annotation, expected, found }
            }
        }
    }
}
