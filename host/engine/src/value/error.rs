//! What can go wrong between JSON and component values, with a stable code for each.
//!
//! Messages name places and types. Of the input's values they quote only numbers that are out of range and the names
//! of unknown fields and cases, cut short: an input may hold secrets.

use std::fmt;

/// Why a value was not converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A type in the function's signature has no JSON form: a resource handle, a future, a stream, an error context.
    #[error("`{function}` cannot be called with JSON: {place} is `{ty}`")]
    Refused {
        /// The function.
        function: String,
        /// The way to the type, as `parameter items › field handle`.
        place: String,
        /// The type, in WIT.
        ty: &'static str,
    },
    /// A type in the function's signature nests deeper than 128 levels.
    #[error("a type in the signature of `{function}` nests deeper than 128 levels")]
    TypeTooDeep {
        /// The function.
        function: String,
    },
    /// The types of the function's signature, written out, have more than 50000 nodes.
    #[error("the types in the signature of `{function}` have more than 50000 parts")]
    TypeTooLarge {
        /// The function.
        function: String,
    },
    /// The JSON does not fit the type.
    #[error("{0}")]
    Input(Box<InputError>),
    /// The JSON to be written is longer than the caller's limit, in bytes.
    #[error("the JSON of the value is longer than {limit} bytes")]
    OutputTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The component value does not have the type of the signature: it was made for another function.
    #[error("a component value is not of its type: expected `{expected}`, found {found}")]
    Mismatch {
        /// The type, in WIT, cut short.
        expected: String,
        /// The kind of the value.
        found: &'static str,
    },
}

impl Error {
    /// The stable code, with its section in `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "LS-VAL-001",
            Self::TypeTooDeep { .. } | Self::TypeTooLarge { .. } => "LS-VAL-002",
            Self::OutputTooLarge { .. } => "LS-VAL-003",
            Self::Mismatch { .. } => "LS-VAL-004",
            Self::Input(input) => input.problem.code(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { .. } => Some(
                "call it from a workflow that imports its interface, or wrap it in a function over plain values"
                    .into(),
            ),
            Self::Input(input) => input.problem.hint(),
            _ => None,
        }
    }
}

/// Where and why JSON does not fit its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// The place in the value, as `$.items[3].name`.
    pub path: String,
    /// What is wrong there.
    pub problem: Problem,
    /// The offset in the text, in bytes from 0.
    pub byte: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, problem, line, column, .. } = self;
        write!(f, "`{path}`: {problem} (line {line}, column {column})")
    }
}

/// What is wrong at a place in the JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It is not JSON.
    #[error("{0}")]
    Syntax(&'static str),
    /// Something follows the value.
    #[error("something follows the end of the value")]
    Trailing,
    /// It is JSON of another kind.
    #[error("expected {expected}, found {found}")]
    Kind {
        /// The type, in WIT.
        expected: String,
        /// The kind of JSON.
        found: &'static str,
    },
    /// It is of the right kind, but not in the form that the type needs.
    #[error("expected {expected}: {why}")]
    Form {
        /// The type, in WIT.
        expected: String,
        /// What is wrong with the form.
        why: String,
    },
    /// A number outside the range of its type.
    #[error("`{found}` is out of range for {ty} ({range})")]
    Range {
        /// The number.
        found: String,
        /// The type.
        ty: &'static str,
        /// Its range, as `0..=255`.
        range: String,
    },
    /// A field or an argument that the type does not have.
    #[error("unknown field `{name}`")]
    UnknownField {
        /// The field.
        name: String,
        /// The nearest known one.
        near: Option<String>,
        /// The known ones, cut short.
        known: String,
    },
    /// A field or an argument that is not there.
    #[error("missing field `{name}` of type `{ty}`")]
    MissingField {
        /// The field.
        name: String,
        /// Its type, in WIT.
        ty: String,
    },
    /// A field, key or flag that is there twice.
    #[error("`{name}` is given twice")]
    Duplicate {
        /// The field, key or flag.
        name: String,
    },
    /// A case or a flag that the type does not have.
    #[error("`{name}` is not a {what}")]
    UnknownCase {
        /// The name found.
        name: String,
        /// `case of the enum`, `case of the variant` or `flag`.
        what: &'static str,
        /// The nearest known one.
        near: Option<String>,
        /// The known ones, cut short.
        known: String,
    },
    /// Too many or too few elements or arguments.
    #[error("expected {expected} {what}, found {found}")]
    Length {
        /// How many there must be.
        expected: usize,
        /// `elements`, `arguments` or `bytes`.
        what: &'static str,
        /// How many there are; `more` where counting stopped.
        found: String,
    },
    /// So many optional fields are left out that the value would be far larger than its text.
    #[error("too many optional fields are left out")]
    TooSparse,
}

impl Problem {
    /// The stable code, with its section in `docs/errors.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Syntax(_) | Self::Trailing => "LS-VAL-010",
            Self::Kind { .. } | Self::Form { .. } => "LS-VAL-011",
            Self::Range { .. } => "LS-VAL-012",
            Self::UnknownField { .. } => "LS-VAL-013",
            Self::MissingField { .. } => "LS-VAL-014",
            Self::Duplicate { .. } => "LS-VAL-015",
            Self::UnknownCase { .. } => "LS-VAL-016",
            Self::Length { .. } => "LS-VAL-017",
            Self::TooSparse => "LS-VAL-018",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownField { near: Some(near), .. }
            | Self::UnknownCase { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::UnknownField { known, .. } if known.is_empty() => {
                Some("the function takes no arguments".into())
            }
            Self::UnknownField { known, .. } => Some(format!("the fields are {known}")),
            Self::UnknownCase { known, .. } => Some(format!("it may be one of {known}")),
            _ => None,
        }
    }
}

/// The known name that `name` is most likely a slip for.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    // The work is a product of lengths and names, on input that may be hostile.
    const LONGEST: usize = 64;
    const MOST: usize = 256;
    if name.len() > LONGEST {
        return None;
    }
    let name = name.to_lowercase().replace('_', "-");
    known
        .take(MOST)
        .filter(|known| known.len() <= LONGEST)
        .map(|known| (distance(&name, known), known))
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known.to_owned())
}

/// Edits between two names: insertions, deletions, substitutions.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}
