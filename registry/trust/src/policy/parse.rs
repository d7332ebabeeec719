//! From text to [`TrustPolicy`]: strict, with a path for everything that is wrong.

use std::collections::BTreeMap;

use longshore_reference::Repository;
use serde_json::{Map, Value};

use super::{Bound, Requirement, SigstoreRequirement, TrustPolicy, date};
use crate::{Error, PublicKey, json};

type ReadKey<'a> = &'a mut dyn FnMut(&str) -> std::io::Result<String>;

const TYPES: [&str; 3] = ["reject", "insecureAcceptAnything", "sigstore"];

fn wrong(path: &str, problem: impl Into<String>) -> Error {
    Error::PolicyContent {
        path: if path.is_empty() { "(top)".to_owned() } else { path.to_owned() },
        problem: problem.into(),
        suggestion: None,
    }
}

fn unknown(path: &str, what: &str, word: &str, known: &[&str]) -> Error {
    let suggestion = known
        .iter()
        .map(|each| (distance(word, each), *each))
        .min()
        .filter(|&(far, each)| far <= 1 + each.len() / 4)
        .map(|(_, each)| each.to_owned());
    let list: Vec<_> = known.iter().map(|each| format!("`{each}`")).collect();
    let word: String = word.chars().take(64).collect();
    Error::PolicyContent {
        path: if path.is_empty() { "(top)".to_owned() } else { path.to_owned() },
        problem: format!("unknown {what} `{word}`; known are {}", list.join(", ")),
        suggestion,
    }
}

/// Levenshtein distance, ignoring case; for suggestions only.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    if a.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.bytes().enumerate() {
            let change = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn object<'a>(
    value: &'a Value,
    path: &str,
    known: &[&str],
) -> Result<&'a Map<String, Value>, Error> {
    let map = value.as_object().ok_or_else(|| wrong(path, "expected an object"))?;
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(unknown(path, "field", key, known)),
        None => Ok(map),
    }
}

fn text<'a>(value: &'a Value, path: &str) -> Result<&'a str, Error> {
    let text = value.as_str().ok_or_else(|| wrong(path, "expected a string"))?;
    if text.is_empty() { Err(wrong(path, "it is empty")) } else { Ok(text) }
}

pub(super) fn policy(source: &str, read_key: ReadKey<'_>) -> Result<TrustPolicy, Error> {
    let document = json::parse(source).map_err(Error::PolicySyntax)?;
    let top = object(&document, "", &["version", "default", "scopes", "local"])?;
    match top.get("version").map(Value::as_u64) {
        Some(Some(1)) => {}
        Some(_) => return Err(wrong("version", "this Longshore reads version 1")),
        None => return Err(wrong("version", "it is missing; write `1`")),
    }
    let default = top
        .get("default")
        .ok_or_else(|| wrong("default", "it is missing; write `[{\"type\": \"reject\"}]`"))?;
    let default = requirements(default, "default", read_key)?;
    let mut scopes = BTreeMap::new();
    if let Some(value) = top.get("scopes") {
        let map = value.as_object().ok_or_else(|| wrong("scopes", "expected an object"))?;
        for (scope, list) in map {
            let path = format!("scopes[{}]", Value::from(scope.as_str()));
            check_scope(scope, &path)?;
            scopes.insert(scope.clone(), requirements(list, &path, read_key)?);
        }
    }
    let accept_local = match top.get("local") {
        None => true,
        Some(value) => {
            let list = requirements(value, "local", read_key)?;
            if list.iter().any(|each| matches!(each, Requirement::Sigstore(_))) {
                return Err(wrong(
                    "local",
                    "files carry no signatures; use `insecureAcceptAnything` or `reject`",
                ));
            }
            !list.iter().any(|each| matches!(each, Requirement::Reject))
        }
    };
    Ok(TrustPolicy::new(default, scopes, accept_local))
}

/// A scope is what stands before the rest of a repository, exactly as references write it.
fn check_scope(scope: &str, path: &str) -> Result<(), Error> {
    let probe: Result<Repository, _> = format!("{scope}/x").parse();
    match probe {
        Ok(repository) if repository.registry().is_none() => Err(wrong(
            path,
            "a scope begins with a registry, for example `registry.example.com/workflows`",
        )),
        Ok(repository) if repository.to_string() == format!("{scope}/x") => Ok(()),
        Ok(_) => Err(wrong(path, "write the registry in lower case and without `oci://`")),
        Err(error) => Err(wrong(path, error.reason)),
    }
}

fn requirements(
    value: &Value,
    path: &str,
    read_key: ReadKey<'_>,
) -> Result<Vec<Requirement>, Error> {
    let list = value.as_array().ok_or_else(|| wrong(path, "expected a list of requirements"))?;
    if list.is_empty() {
        return Err(wrong(path, "an empty list would accept anything; write a requirement"));
    }
    let each = |(index, item)| requirement(item, &format!("{path}[{index}]"), read_key);
    list.iter().enumerate().map(each).collect()
}

fn requirement(value: &Value, path: &str, read_key: ReadKey<'_>) -> Result<Requirement, Error> {
    let map = value.as_object().ok_or_else(|| wrong(path, "expected an object"))?;
    let kind = map.get("type").ok_or_else(|| wrong(path, "the field `type` is missing"))?;
    match text(kind, &format!("{path}.type"))? {
        "reject" => object(value, path, &["type"]).map(|_| Requirement::Reject),
        "insecureAcceptAnything" => {
            object(value, path, &["type"]).map(|_| Requirement::InsecureAcceptAnything)
        }
        "sigstore" => sigstore(value, path, read_key).map(Requirement::Sigstore),
        other => Err(unknown(&format!("{path}.type"), "type", other, &TYPES)),
    }
}

fn sigstore(
    value: &Value,
    path: &str,
    read_key: ReadKey<'_>,
) -> Result<SigstoreRequirement, Error> {
    if value.get("keyless").is_some() {
        return Err(wrong(
            &format!("{path}.keyless"),
            "keyless signatures are not supported yet; name a `key`",
        ));
    }
    let known =
        ["type", "name", "key", "predicateType", "requireAnnotations", "legacy", "trustedUntil"];
    let map = object(value, path, &known)?;
    let field = |name: &str| {
        map.get(name).ok_or_else(|| wrong(path, format!("the field `{name}` is missing")))
    };
    let at = |name: &str| format!("{path}.{name}");
    let name = text(field("name")?, &at("name"))?;
    if name == "local" {
        return Err(wrong(&at("name"), "`local` is the signer of local files; take another name"));
    }
    let mut read = SigstoreRequirement::new(name, keys(field("key")?, &at("key"), read_key)?);
    if let Some(value) = map.get("predicateType") {
        text(value, &at("predicateType"))?.clone_into(&mut read.predicate_type);
    }
    if let Some(value) = map.get("requireAnnotations") {
        read.annotations = annotations(value, &at("requireAnnotations"))?;
    }
    if let Some(value) = map.get("legacy") {
        read.legacy =
            value.as_bool().ok_or_else(|| wrong(&at("legacy"), "expected `true` or `false`"))?;
    }
    if let Some(value) = map.get("trustedUntil") {
        let day = text(value, &at("trustedUntil"))?;
        let end = date::end_of_day(day)
            .ok_or_else(|| wrong(&at("trustedUntil"), "expected a day such as `2027-12-31`"))?;
        read.until = Some((day.to_owned(), end));
    }
    Ok(read)
}

fn annotations(value: &Value, path: &str) -> Result<BTreeMap<String, Bound>, Error> {
    let map = value.as_object().ok_or_else(|| wrong(path, "expected an object"))?;
    map.iter()
        .map(|(name, value)| {
            let path = format!("{path}[{}]", Value::from(name.as_str()));
            let said = text(value, &path)?;
            let known = ["$repository", "$registry", "$tag", "$version"];
            let bound =
                Bound::parse(said).ok_or_else(|| unknown(&path, "variable", said, &known))?;
            Ok((name.clone(), bound))
        })
        .collect()
}

fn keys(value: &Value, path: &str, read_key: ReadKey<'_>) -> Result<Vec<PublicKey>, Error> {
    let map = object(value, path, &["path", "data"])?;
    let pem = match (map.get("path"), map.get("data")) {
        (Some(file), None) => {
            let file = text(file, &format!("{path}.path"))?;
            read_key(file).map_err(|source| Error::PolicyFile { path: file.to_owned(), source })?
        }
        (None, Some(data)) => text(data, &format!("{path}.data"))?.to_owned(),
        _ => return Err(wrong(path, "expected either `path` or `data`")),
    };
    PublicKey::all_from_pem(&pem).map_err(|error| wrong(path, error.to_string()))
}
