//! Test cases for policies: who asks for what under which circumstances, and what should come of it.
//! Read from TOML; decided by the very code that decides for runs.

use std::sync::Arc;

use longshore_model::{Scope, Timestamp};
use longshore_reference::authored::{Item, Table, read};
use longshore_reference::{Digest, Manifest, Reference, Signer, Source};

use crate::cedar::{Circumstances, Decision, Environment, Principal, parse_scope};
use crate::policy::MAX_BYTES;
use crate::{Error, Needs, Policy, Role};

/// Test cases, with the policies that they are about.
#[derive(Clone, Debug)]
pub struct Cases {
    /// The policy files, as the file names them: relative to its own folder.
    pub policies: Vec<String>,
    /// The profile that is in force.
    pub profile: Option<Environment>,
    /// The cases, in the order of the file.
    pub cases: Vec<Case>,
}

/// A test case.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The line that it begins on.
    pub line: usize,
    needs: Needs,
    circumstances: Circumstances,
    asked: Scope,
    permit: bool,
    by: Vec<String>,
    granted: Vec<Scope>,
}

/// What a policy made of a case.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What is not as expected; empty where the case passed.
    pub differences: Vec<String>,
    /// What was decided.
    pub decision: Arc<Decision>,
}

impl Cases {
    /// Reads test cases; `file` is their name for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Cases`] with the first mistake in the text.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, Error> {
        read(text, file, MAX_BYTES, |root| Some(cases(root))).map_err(Error::Cases)
    }
}

impl Case {
    /// Puts the case to `policy`.
    #[must_use]
    pub fn run(&self, policy: &Policy) -> Ran {
        let principal = Principal::new(&self.needs, &self.circumstances.tenant);
        let mut policy = policy.clone();
        policy.set_circumstances(self.circumstances.clone());
        let decision = policy.judge(&principal, &self.asked);
        let mut differences = Vec::new();
        let permitted: Vec<_> = decision.permitted.iter().map(|p| p.scope.to_string()).collect();
        let ids: Vec<&str> = match decision.permits() {
            true => decision.permitted.iter().flat_map(|p| &p.by).map(AsRef::as_ref).collect(),
            false => decision.forbidden_by.iter().map(AsRef::as_ref).collect(),
        };
        let told = |words: &[&str]| match words {
            [] => "no policy".to_owned(),
            words => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        };
        if decision.permits() != self.permit {
            differences.push(match self.permit {
                true if decision.forbidden_by.is_empty() => {
                    format!("expected `permit` of `{}`: no policy permits it", self.asked)
                }
                true => {
                    format!("expected `permit` of `{}`: forbidden by {}", self.asked, told(&ids))
                }
                false => {
                    format!("expected `deny` of `{}`: permitted by {}", self.asked, told(&ids))
                }
            });
            return Ran { differences, decision };
        }
        for id in self.by.iter().filter(|id| !ids.contains(&id.as_str())) {
            differences.push(format!("expected it by `{id}`: it was decided by {}", told(&ids)));
        }
        let expected: Vec<_> = self.granted.iter().map(Scope::to_string).collect();
        if !expected.is_empty() && expected != permitted {
            let list =
                |scopes: &[String]| told(&scopes.iter().map(String::as_str).collect::<Vec<_>>());
            differences.push(format!(
                "expected {} granted, not {}",
                list(&expected),
                list(&permitted)
            ));
        }
        Ran { differences, decision }
    }
}

fn cases(root: &Table<'_>) -> Cases {
    root.only(&["version", "policies", "profile", "case"]);
    if let Some(item) = root.need("version")
        && item.positive().is_some_and(|version| version != 1)
    {
        item.fail("this version of Longshore reads cases of version 1");
    }
    let policies = root.strings("policies");
    let policies = policies.iter().filter_map(|item| item.string().map(str::to_owned)).collect();
    let cases: Vec<_> = root.tables("case").iter().filter_map(case).collect();
    if cases.is_empty() && root.is_sound() {
        root.fail("there is no `[[case]]`");
    }
    Cases {
        policies,
        profile: root.get("profile").and_then(|item| item.check(item.string()?.parse())),
        cases,
    }
}

const KEYS: &[&str] = &[
    "name",
    "component",
    "publisher",
    "interface",
    "manifest",
    "environment",
    "label",
    "tenant",
    "time",
    "request",
    "expect",
    "by",
    "granted",
];

fn case(table: &Table<'_>) -> Option<Case> {
    table.only(KEYS);
    let source = table.need("component").and_then(|item| {
        let text = item.string()?;
        match text.strip_prefix("file:") {
            Some(name) => Some(Source::File(name.to_owned())),
            None => {
                let reference: Reference = item.check(text.parse())?;
                if reference.registry().is_none() {
                    item.fail(format!("`{text}` names no registry: write `REGISTRY/{text}`"));
                }
                Some(Source::Registry(reference))
            }
        }
    });
    let role = table.string("interface").map_or(Role::Root, |i| Role::Dependency { interface: i });
    let names = |key| -> Vec<String> {
        let items = table.strings(key);
        items.iter().filter_map(|item| item.string().map(str::to_owned)).collect()
    };
    let signer = |name: String| {
        let key = name.parse().unwrap_or_else(|_| Digest::of(name.as_bytes()));
        Signer { name, key: Some(key) }
    };
    let environment = table.get("environment");
    let environment = environment.and_then(|item| item.check(item.string()?.parse()));
    let time = table.get("time");
    let time = time.and_then(|item| item.check(instant(item.string()?)));
    let request = table.need("request").and_then(|item| scope(&item));
    let permit = table.need("expect").and_then(|item| match item.string()? {
        "permit" => Some(true),
        "deny" => Some(false),
        _ => {
            item.fail("`expect` must be `permit` or `deny`");
            None
        }
    });
    let granted = table.strings("granted").iter().filter_map(scope).collect();
    let (source, asked, permit) = (source?, request?, permit?);
    let manifest = match table.boolean("manifest", true) {
        true => Some(stand_in()?),
        false => None,
    };
    Some(Case {
        name: table.string("name").unwrap_or_else(|| format!("line {}", table.line())),
        line: table.line(),
        needs: Needs {
            component: Digest::of(source.to_string().as_bytes()),
            source,
            role,
            imports: Vec::new(),
            manifest,
            signers: names("publisher").into_iter().map(signer).collect(),
        },
        circumstances: Circumstances {
            environment: environment.unwrap_or_default(),
            label: table.string("label").unwrap_or_default(),
            tenant: table.string("tenant").unwrap_or_default(),
            time: time.unwrap_or_default(),
        },
        asked,
        permit,
        by: names("by"),
        granted,
    })
}

/// What a component that asks for something by itself says of itself.
fn stand_in() -> Option<Manifest> {
    let text = "[package]\nname = \"case\"\nversion = \"0.0.0\"\nkind = \"action\"\n";
    Manifest::from_toml(text, "case").ok()
}

/// A scope as after `--allow`, without the parts that only an operator gives.
fn scope(item: &Item<'_>) -> Option<Scope> {
    item.check(parse_scope(item.string()?))
}

/// `YYYY-MM-DDTHH:MM:SSZ`.
fn instant(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is not an instant such as `2026-11-21T12:00:00Z`");
    let number = |from: usize, to: usize| -> Result<u64, String> {
        let digits = text.get(from..to).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|digits| digits.parse().ok()).ok_or_else(wrong)
    };
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if shape != "0000-00-00T00:00:00Z" {
        return Err(wrong());
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // Days before the month in a year that begins in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year.saturating_sub(1), month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day;
    let days = days.checked_sub(719_469);
    let instant = days.map(|days| days * 86_400 + hour * 3_600 + minute * 60 + second);
    let instant = instant.map(|seconds| Timestamp::from_unix_us(seconds * 1_000_000));
    // What does not read back as it was written is no date.
    let read = |instant: &Timestamp| instant.rfc3339().get(..19) == text.get(..19);
    instant.filter(read).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_they_are_written() {
        for text in ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "2026-11-21T12:00:00Z"] {
            let read = instant(text).unwrap();
            assert_eq!(read.rfc3339().get(..19), text.get(..19));
        }
        for wrong in ["2023-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "1969-12-31T00:00:00Z", "x"] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }
}
