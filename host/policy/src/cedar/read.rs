//! Reads policies in Cedar: syntax, then the schema, then what only Longshore knows (scopes, groups,
//! annotations). Every mistake has a line and a column; nothing that is wrong is ignored.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cedar_policy_core::ast::{PolicySet, Template};
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::parser::{Loc, parse_policyset};
use cedar_policy_core::validator::{
    ValidationError, ValidationMode, ValidationWarning, Validator, ValidatorSchema,
};
use longshore_model::{CapabilityKind, Scope};
use longshore_reference::authored::{Misread, closest, did_you_mean};
use miette::Diagnostic;

use super::statement::{Effect, Statement, Written};
use super::{Kinds, SCHEMA, parameter};
use crate::Error;
use crate::policy::MAX_BYTES;

/// What Cedar knows of our principals, actions and resources.
static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let read = ValidatorSchema::from_cedarschema_str(SCHEMA, Extensions::all_available());
    let (schema, _) = read.unwrap_or_else(|error| panic!("the schema is tested: {error}"));
    Validator::new(schema)
});

/// What is found in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It makes the file unusable.
    Mistake(Error),
    /// It is probably not what was meant.
    Warning(Misread),
}

/// A file as it is read.
struct Page<'p> {
    text: &'p str,
    file: &'p str,
    findings: Vec<(usize, Finding)>,
}

impl Page<'_> {
    fn misread(&self, at: usize, message: String, suggestion: Option<String>) -> Misread {
        let before = self.text.get(..at.min(self.text.len())).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before[before.rfind('\n').map_or(0, |n| n + 1)..].chars().count() + 1;
        Misread { file: self.file.to_owned(), line, column, message, suggestion }
    }

    fn warn(&mut self, at: usize, message: String, suggestion: Option<String>) {
        let warning = Finding::Warning(self.misread(at, message, suggestion));
        self.findings.push((at, warning));
    }

    fn fail(&mut self, at: usize, error: fn(Misread) -> Error, what: String, mend: Option<String>) {
        let error = error(self.misread(at, what, mend));
        self.findings.push((at, Finding::Mistake(error)));
    }
}

/// Reads the policies of a file, in its order; all findings are told, in that order too.
pub(crate) fn read(text: &str, file: &str) -> (Vec<Statement>, Vec<Finding>) {
    let mut page = Page { text, file, findings: Vec::new() };
    let statements = policies(&mut page);
    page.findings.sort_by_key(|(at, _)| *at);
    (statements, page.findings.into_iter().map(|(_, finding)| finding).collect())
}

fn policies(page: &mut Page<'_>) -> Vec<Statement> {
    if page.text.len() > MAX_BYTES {
        let what = format!("the file is larger than {MAX_BYTES} bytes");
        page.fail(0, Error::Cedar, what, None);
        return Vec::new();
    }
    let set = match parse_policyset(page.text) {
        Ok(set) => set,
        Err(errors) => {
            for error in errors.iter() {
                let (at, hint) = place(error);
                page.fail(at, Error::Cedar, error.to_string(), hint);
            }
            return Vec::new();
        }
    };
    validate(&set, page);
    if page.findings.iter().any(|(_, finding)| matches!(finding, Finding::Mistake(_))) {
        return Vec::new(); // what else there is to say of them would mislead
    }
    let mut templates: Vec<_> = set.all_templates().collect();
    templates.sort_by_key(|template| start(template.loc()));
    let mut statements: Vec<Statement> = Vec::new();
    let mut lines: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    for template in templates {
        let at = start(template.loc());
        if !template.is_static() {
            let mend = "write one policy for each, without `?principal` and `?resource`";
            let what = "templates are not used".to_owned();
            page.fail(at, Error::Cedar, what, Some(mend.to_owned()));
            continue;
        }
        let Some(mut statement) = statement(template, page) else { continue };
        let Misread { line, column, .. } = page.misread(at, String::new(), None);
        let named = template.annotations().any(|(name, _)| name.as_ref() == "id");
        if lines.contains_key(&statement.id) && !named {
            statement.id = format!("{}:{column}", statement.id).into(); // two on one line
        }
        if let Some(first) = lines.insert(Arc::clone(&statement.id), line) {
            let what = format!("the policy of line {first} has the id `{}` too", statement.id);
            page.fail(at, Error::Contradiction, what, Some("give each its own `@id`".to_owned()));
        }
        shadowed(&statement, &statements, at, page);
        statements.push(statement);
    }
    statements
}

fn start(loc: Option<&Loc>) -> usize {
    loc.map_or(0, Loc::start)
}

/// Where Cedar saw something, and what it advises.
fn place(found: &dyn Diagnostic) -> (usize, Option<String>) {
    let first = found.labels().and_then(|mut labels| labels.next());
    let at = first.as_ref().map_or(0, |label| label.offset());
    let expected = first.and_then(|label| label.label().map(str::to_owned));
    (at, found.help().map(|help| help.to_string()).or(expected))
}

fn validate(set: &PolicySet, page: &mut Page<'_>) {
    let (errors, warnings) =
        VALIDATOR.validate(set, ValidationMode::Strict).into_errors_and_warnings();
    for error in errors {
        let (at, hint) = place(&error);
        let kind: fn(Misread) -> Error = match &error {
            ValidationError::UnrecognizedEntityType(_)
            | ValidationError::UnrecognizedActionId(_)
            | ValidationError::UnsafeAttributeAccess(_)
            | ValidationError::UndefinedFunction(_)
            | ValidationError::InvalidEnumEntity(_) => Error::Unknown,
            _ => Error::Cedar,
        };
        let message = plain(&error.to_string());
        let hint = match &error {
            ValidationError::UnrecognizedActionId(_) => action_meant(&message).or(hint),
            _ => hint,
        };
        page.fail(at, kind, message, hint);
    }
    let sound = page.findings.is_empty();
    for warning in warnings.filter(|_| sound) {
        let (at, hint) = place(&warning);
        let message = plain(&warning.to_string());
        match warning {
            ValidationWarning::ImpossiblePolicy(_) => {
                let what = "its condition holds for nothing: the policy does nothing".to_owned();
                page.fail(at, Error::Contradiction, what, hint);
            }
            ValidationWarning::InvalidActionApplication(_) => {
                let what = "none of its actions is about its resource: the policy does nothing";
                page.fail(at, Error::Contradiction, what.to_owned(), hint);
            }
            _ => page.warn(at, message, hint),
        }
    }
}

/// The action that was meant by the one between quotes: Cedar's own guess is often further off.
fn action_meant(message: &str) -> Option<String> {
    let word = message.split('"').nth(1)?;
    let near = closest(word, CapabilityKind::ALL.map(CapabilityKind::as_str))?;
    Some(did_you_mean(&format!("Action::\"{near}\"")))
}

/// A message of Cedar's without the number that the policy has there.
fn plain(message: &str) -> String {
    let rest = message.strip_prefix("for policy `").and_then(|rest| rest.split_once('`'));
    rest.map_or(message, |(_, rest)| rest.trim_start_matches([',', ':', ' '])).to_owned()
}

fn statement(template: &Template, page: &mut Page<'_>) -> Option<Statement> {
    let at = start(template.loc());
    let mut statement = match Statement::compile(template) {
        Ok(statement) => statement,
        Err(wrong) => {
            let at = wrong.entity.loc().map_or(at, Loc::start);
            page.fail(at, Error::Scope, wrong.reason, wrong.suggestion);
            return None;
        }
    };
    let name = page.file.rsplit(['/', '\\']).next().unwrap_or(page.file);
    let line = page.misread(at, String::new(), None).line;
    statement.id = format!("{name}:{line}").into();
    statement.source = Written::Cedar(template.loc().and_then(Loc::snippet).unwrap_or("").into());
    annotations(template, &mut statement, page);
    let missing = statement.kinds.only().filter(|kind| !statement.serves(*kind));
    if statement.effect == Effect::Permit
        && let Some(kind) = missing
    {
        let what = format!("a `permit` of `{kind}` needs `@host`: the folder of the host");
        let mend = "write `@host(\"./folder\")` before it".to_owned();
        page.fail(at, Error::Scope, what, Some(mend));
    }
    if statement.kinds == Kinds::default() {
        let what = "none of its actions is about its resource: the policy does nothing";
        page.fail(at, Error::Contradiction, what.to_owned(), None);
    }
    Some(statement)
}

/// The annotations that mean something to us, and words for people.
const ANNOTATIONS: &[&str] = &["id", "scope", "host", "description", "reason"];

fn annotations(template: &Template, statement: &mut Statement, page: &mut Page<'_>) {
    for (name, annotation) in template.annotations() {
        let name = name.as_ref();
        let value = annotation.val.as_str();
        let at = start(annotation.loc.as_ref());
        match name {
            "id" if value.is_empty() => {
                page.fail(at, Error::Cedar, "`@id` is empty".to_owned(), None);
            }
            "id" => statement.id = value.into(),
            "description" | "reason" => {}
            "scope" => match statement.kinds.only() {
                Some(kind) => match Scope::of(kind, Some(value)).map_err(|error| error.to_string())
                {
                    Ok(scope) => statement.proposes.push(scope),
                    Err(why) => page.fail(at, Error::Scope, why, None),
                },
                None => {
                    let what = "`@scope` needs an action of one kind".to_owned();
                    let mend = "write `action == Action::\"…\"`".to_owned();
                    page.fail(at, Error::Scope, what, Some(mend));
                }
            },
            _ => match parameter::read(name, value, statement.kinds, page.file) {
                Some(Ok(_)) if statement.effect == Effect::Forbid => {
                    page.warn(at, format!("`@{name}` means nothing to a `forbid`"), None);
                }
                Some(Ok(read)) => statement.parameter = read,
                Some(Err(why)) => page.fail(at, Error::Scope, why, None),
                None => {
                    let known = ANNOTATIONS.iter().chain(parameter::NAMES).copied();
                    let near = closest(name, known).map(did_you_mean);
                    page.warn(at, format!("the annotation `@{name}` means nothing here"), near);
                }
            },
        }
    }
}

/// Tells of a permit that an unconditional forbid before it, or after it, takes back whole.
fn shadowed(statement: &Statement, others: &[Statement], at: usize, page: &mut Page<'_>) {
    for other in others {
        let (permit, forbid) = match (statement.effect, other.effect) {
            (Effect::Permit, Effect::Forbid) => (statement, other),
            (Effect::Forbid, Effect::Permit) => (other, statement),
            _ => continue,
        };
        if forbid.shadows(permit) {
            let what =
                format!("`{}` permits nothing: `{}` forbids all of it", permit.id, forbid.id);
            page.warn(at, what, None);
        }
    }
}
