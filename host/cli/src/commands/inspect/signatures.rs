//! Signatures as they claim to be, beside what the trust policy makes of them.

use std::collections::BTreeMap;

use longshore::model::Timestamp;
use longshore::reference::{Candidate, Signer};
use longshore::trust::TrustPolicy;
use longshore::trust::bundle::Bundle;
use serde::Serialize;

use super::super::verify::signer;
use crate::component::Looked;
use crate::error::{Error, Shown};
use crate::render::brief;

/// What there is, and what it is worth.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Signatures {
    /// Unchecked: anyone who may push can claim anything.
    claimed: Vec<Claim>,
    /// Whom the trust policy accepts; none where it refuses.
    verified: Option<Vec<Signer>>,
    /// Why it refuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Shown>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Claim {
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

impl Signatures {
    /// Those of a component that was fetched, judged by `trust` as of `now`.
    pub(super) fn of(looked: &Looked, trust: Result<TrustPolicy, Error>, now: Timestamp) -> Self {
        let judged = trust.and_then(|trust| {
            let verified = trust.verify(looked.fetched.clone(), now.unix_s())?;
            Ok(verified.signers().to_vec())
        });
        let claimed = looked.fetched.candidates().iter().map(claim).collect();
        match judged {
            Ok(signers) => Self { claimed, verified: Some(signers), refused: None },
            Err(error) => Self { claimed, verified: None, refused: Some(error.shown()) },
        }
    }

    /// In words, a line each.
    pub(super) fn text(&self) -> String {
        let mut lines: Vec<_> = self.claimed.iter().map(Claim::text).collect();
        if lines.is_empty() {
            lines.push("  none".to_owned());
        }
        match (&self.verified, &self.refused) {
            (Some(signers), _) if signers.is_empty() => {
                lines.push("  accepted: the trust policy accepts anything".to_owned());
            }
            (Some(signers), _) => {
                lines.extend(signers.iter().map(|s| format!("  verified  {}", signer(s))));
            }
            (None, Some(why)) => {
                lines.push(format!("  refused   {}: {}", why.code, why.message));
            }
            (None, None) => {}
        }
        lines.join("\n")
    }
}

impl Claim {
    fn text(&self) -> String {
        let key = self.key.as_deref().unwrap_or("unnamed");
        let said = self.annotations.iter().map(|(name, value)| format!(", {name} `{value}`"));
        format!("  claimed   {} by the key {key}{}", self.format, said.collect::<String>())
    }
}

fn claim(candidate: &Candidate) -> Claim {
    let Candidate::Bundle(bytes) = candidate else {
        return Claim { format: "legacy", key: None, annotations: BTreeMap::new() };
    };
    let Ok(bundle) = Bundle::parse(bytes) else {
        return Claim { format: "unreadable", key: None, annotations: BTreeMap::new() };
    };
    let subjects = bundle.statement_unverified().map(|s| s.subject).unwrap_or_default();
    let said = subjects.into_iter().take(1).flat_map(|subject| subject.annotations);
    let text = |value: &serde_json::Value| value.as_str().map(|text| brief(text, 120));
    let annotations = said.filter_map(|(name, v)| Some((brief(&name, 60), text(&v)?)));
    Claim {
        format: "bundle",
        key: bundle.claimed_key().map(|key| key.to_string()),
        annotations: annotations.take(16).collect(),
    }
}
