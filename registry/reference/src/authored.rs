//! Reading TOML that a person wrote: every mistake is reported with its line, its column and, for a
//! misspelt word, the word that was probably meant.
//!
//! A reader goes on after a mistake and reports the first one in the file, and what is absent only
//! when all else is right. Nothing here opens a file: text comes in.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A mistake in a text that a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// The file, as it was named to us.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

impl std::error::Error for Misread {}

/// What was found; the least one is reported. Absences come last: a misspelt key is what explains
/// one.
struct Found {
    rank: (bool, usize),
    message: String,
    suggestion: Option<String>,
}

struct Page {
    file: String,
    text: String,
    found: RefCell<Option<Found>>,
}

impl Page {
    fn report(&self, at: usize, message: String, suggestion: Option<String>) {
        self.rank((false, at), message, suggestion);
    }

    fn rank(&self, rank: (bool, usize), message: String, suggestion: Option<String>) {
        let mut found = self.found.borrow_mut();
        if found.as_ref().is_none_or(|first| rank < first.rank) {
            *found = Some(Found { rank, message, suggestion });
        }
    }

    fn line(&self, at: usize) -> usize {
        self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|b| **b == b'\n').count() + 1
    }

    fn misread(&self, at: usize, message: String, suggestion: Option<String>) -> Misread {
        let before = self.text.get(..at.min(self.text.len())).unwrap_or(&self.text);
        let column = before[before.rfind('\n').map_or(0, |n| n + 1)..].chars().count() + 1;
        Misread { file: self.file.clone(), line: self.line(at), column, message, suggestion }
    }
}

/// Reads `text` with `read`; `file` is only its name.
///
/// # Errors
///
/// The first mistake in the text: `limit` bytes exceeded, TOML syntax, or whatever `read` reported.
pub fn read<T>(
    text: &str,
    file: &str,
    limit: usize,
    read: impl FnOnce(&Table<'_>) -> Option<T>,
) -> Result<T, Misread> {
    let mut page = Page { file: file.to_owned(), text: String::new(), found: RefCell::new(None) };
    if text.len() > limit {
        return Err(page.misread(0, format!("the file is larger than {limit} bytes"), None));
    }
    page.text = text.to_owned();
    let root = DeTable::parse(text).map_err(|error| {
        page.misread(error.span().map_or(0, |s| s.start), error.message().to_owned(), None)
    })?;
    let span = root.span();
    let value = read(&Table { page: &page, table: root.get_ref(), span, name: String::new() });
    match (page.found.take(), value) {
        (Some(found), _) => Err(page.misread(found.rank.1, found.message, found.suggestion)),
        (None, Some(value)) => Ok(value),
        (None, None) => Err(page.misread(0, "the file could not be read".to_owned(), None)),
    }
}

/// A table of the text.
pub struct Table<'t> {
    page: &'t Page,
    table: &'t DeTable<'t>,
    span: Range<usize>,
    name: String,
}

/// A value of the text, with the key that it stands under.
pub struct Item<'t> {
    page: &'t Page,
    key: Range<usize>,
    value: &'t Spanned<DeValue<'t>>,
    name: String,
}

impl<'t> Table<'t> {
    /// Reports every key that is not in `known`, with the nearest of them.
    pub fn only(&self, known: &[&str]) {
        for key in self.table.keys() {
            if !known.contains(&key.get_ref().as_ref()) {
                let place = if self.name.is_empty() {
                    String::new()
                } else {
                    format!(" in `{}`", self.name)
                };
                let message = format!("unknown key `{}`{place}", printable(key.get_ref()));
                let near = closest(key.get_ref(), known.iter().copied());
                self.page.report(key.span().start, message, near.map(did_you_mean));
            }
        }
    }

    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Item<'t>> {
        let (key, value) = self.table.get_key_value(key)?;
        Some(self.item(key, value))
    }

    /// The value under `key`; its absence is reported, at the table.
    pub fn need(&self, key: &str) -> Option<Item<'t>> {
        let item = self.get(key);
        if item.is_none() {
            let place = if self.name.is_empty() { "the file" } else { &format!("`{}`", self.name) };
            let message = format!("{place} lacks the key `{key}`");
            self.page.rank((true, self.span.start), message, None);
        }
        item
    }

    /// All entries in the order of the text, with their keys.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'t str, Item<'t>)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let item = |(key, value): (&'t Spanned<_>, _)| {
            (AsRef::as_ref(key.get_ref()), self.item(key, value))
        };
        entries.into_iter().map(item).collect()
    }

    /// The string under `key`, if there is one.
    pub fn string(&self, key: &str) -> Option<String> {
        self.get(key)?.string().map(str::to_owned)
    }

    /// The truth value under `key`, or `default`.
    pub fn boolean(&self, key: &str, default: bool) -> bool {
        self.get(key).and_then(|item| item.boolean()).unwrap_or(default)
    }

    /// The table under `key`, if there is one.
    pub fn table(&self, key: &str) -> Option<Table<'t>> {
        self.get(key)?.table()
    }

    /// The tables of the array under `key`; none where it is absent.
    pub fn tables(&self, key: &str) -> Vec<Table<'t>> {
        self.get(key).map(|item| item.tables()).unwrap_or_default()
    }

    /// The strings of the array under `key`; none where it is absent.
    pub fn strings(&self, key: &str) -> Vec<Item<'t>> {
        let items = self.get(key).and_then(|item| item.items()).unwrap_or_default();
        items.into_iter().filter(|item| item.string().is_some()).collect()
    }

    /// Whether nothing has been reported about the whole text so far.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.page.found.borrow().is_none()
    }

    /// Reports a mistake of the table as a whole.
    pub fn fail(&self, message: impl Into<String>) {
        self.page.report(self.span.start, message.into(), None);
    }

    /// The line that the table begins on, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.page.line(self.span.start)
    }

    fn item(
        &self,
        key: &Spanned<std::borrow::Cow<'t, str>>,
        value: &'t Spanned<DeValue<'t>>,
    ) -> Item<'t> {
        let dot = if self.name.is_empty() { "" } else { "." };
        let name = format!("{}{dot}{}", self.name, printable(key.get_ref()));
        Item { page: self.page, key: key.span(), value, name }
    }
}

impl<'t> Item<'t> {
    /// Reports a mistake in the value.
    pub fn fail(&self, message: impl Into<String>) {
        self.page.report(self.value.span().start, message.into(), None);
    }

    /// Reports a mistake in the value that `suggestion` would mend.
    pub fn fail_with(&self, message: impl Into<String>, suggestion: Option<String>) {
        self.page.report(self.value.span().start, message.into(), suggestion);
    }

    /// Reports a mistake in the key.
    pub fn fail_key(&self, message: impl Into<String>, suggestion: Option<String>) {
        self.page.report(self.key.start, message.into(), suggestion);
    }

    /// Takes the value of `result`, or reports its error at the value.
    pub fn check<T, E: fmt::Display>(&self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.fail(error.to_string())).ok()
    }

    /// The dotted name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The line that the key stands on, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.page.line(self.key.start)
    }

    fn wrong(&self, expected: &str) {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.fail(format!("`{}` must be {expected}, not {found}", self.name));
    }

    /// The value as a string.
    pub fn string(&self) -> Option<&'t str> {
        let text = self.value.get_ref().as_str();
        if text.is_none() {
            self.wrong("a string");
        }
        text
    }

    /// The string, parsed.
    pub fn parsed<T: FromStr<Err: fmt::Display>>(&self) -> Option<T> {
        let text = self.string()?;
        self.check(text.parse())
    }

    /// The value as a truth value.
    pub fn boolean(&self) -> Option<bool> {
        let value = self.value.get_ref().as_bool();
        if value.is_none() {
            self.wrong("`true` or `false`");
        }
        value
    }

    /// The value as a positive integer.
    pub fn positive(&self) -> Option<u64> {
        let Some(integer) = self.value.get_ref().as_integer() else {
            self.wrong("an integer");
            return None;
        };
        let value = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let value = value.and_then(|v| u64::try_from(v).ok()).filter(|v| *v > 0);
        if value.is_none() {
            self.fail(format!("`{}` must be from 1 to {}", self.name, i64::MAX));
        }
        value
    }

    /// The value as a table.
    pub fn table(&self) -> Option<Table<'t>> {
        let Some(table) = self.value.get_ref().as_table() else {
            self.wrong("a table");
            return None;
        };
        let span = if self.value.span().is_empty() { self.key.clone() } else { self.value.span() };
        Some(Table { page: self.page, table, span, name: self.name.clone() })
    }

    /// The value as an array.
    pub fn items(&self) -> Option<Vec<Item<'t>>> {
        let Some(array) = self.value.get_ref().as_array() else {
            self.wrong("an array");
            return None;
        };
        let item = |value: &'t Spanned<DeValue<'t>>| Item {
            page: self.page,
            key: value.span(),
            value,
            name: self.name.clone(),
        };
        Some(array.iter().map(item).collect())
    }

    /// The value as an array of tables.
    pub fn tables(&self) -> Vec<Table<'t>> {
        let items = match self.value.get_ref() {
            DeValue::Array(_) => self.items().unwrap_or_default(),
            _ => {
                self.wrong(&format!("an array of tables: write `[[{}]]`", self.name));
                Vec::new()
            }
        };
        items.into_iter().filter_map(|item| item.table()).collect()
    }

    /// The value as JSON; dates, tables, integers beyond 64 bits and floats without a JSON form are
    /// reported.
    pub fn json(&self) -> Option<Value> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(Value::from(text.as_ref())),
            DeValue::Boolean(value) => Some(Value::from(*value)),
            DeValue::Integer(integer) => {
                let value = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
                if value.is_none() {
                    self.fail(format!("`{}` does not fit into 64 bits", self.name));
                }
                value.map(Value::from)
            }
            DeValue::Float(float) => {
                let value =
                    float.as_str().parse::<f64>().ok().and_then(serde_json::Number::from_f64);
                if value.is_none() {
                    self.fail(format!("`{}` must be a finite number", self.name));
                }
                value.map(Value::Number)
            }
            DeValue::Array(_) => {
                let items = self.items()?;
                let values: Vec<_> = items.iter().filter_map(Item::json).collect();
                (values.len() == items.len()).then_some(Value::Array(values))
            }
            DeValue::Datetime(_) | DeValue::Table(_) => {
                self.wrong("a string, a number, a boolean or an array");
                None
            }
        }
    }
}

/// `did you mean …?` for `word`.
#[must_use]
pub fn did_you_mean(word: &str) -> String {
    format!("did you mean `{word}`?")
}

/// The candidate that `word` most probably meant: at most a third of its letters (at least one)
/// off.
#[must_use]
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word: Vec<char> = word.chars().take(65).collect();
    if word.len() > 64 {
        return None;
    }
    let nearest = candidates
        .into_iter()
        .map(|candidate| {
            (distance(&word, &candidate.chars().take(128).collect::<Vec<_>>()), candidate)
        })
        .min_by_key(|(distance, _)| *distance)?;
    (nearest.0 <= (word.len() / 3).max(1)).then_some(nearest.1)
}

/// Insertions, deletions, substitutions and swaps of neighbours between the two (optimal string
/// alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let differs = usize::from(a[i - 1] != b[j - 1]);
            let mut best =
                (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + differs);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// Outside text as messages show it: cut, and without characters that a terminal would act on.
pub(crate) fn printable(text: &str) -> String {
    text.chars().take(256).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested_and_a_far_one_is_not() {
        let words = ["deadline-ms", "memory-bytes", "calls"];
        assert_eq!(closest("deadline_ms", words), Some("deadline-ms"));
        assert_eq!(closest("clals", words), Some("calls"));
        assert_eq!(closest("timeout", words), None);
        assert_eq!(closest(&"x".repeat(10_000), words), None);
    }

    #[test]
    fn the_first_mistake_in_the_file_is_the_one_reported() {
        let text = "é = 1\nb = 2\n";
        let error = read(text, "f.toml", 99, |t| -> Option<()> {
            t.only(&["c"]);
            None
        })
        .unwrap_err();
        // Bare keys are ASCII, so the syntax is what is wrong first.
        assert_eq!((error.line, error.column), (1, 1));
        let text = "\"é\" = [1, 2.5, 1979-05-27]\n";
        let error = read(text, "f.toml", 99, |t| t.get("é")?.json()).unwrap_err();
        assert_eq!((error.line, error.column), (1, 16));
        assert!(error.to_string().starts_with("f.toml:1:16: "), "{error}");
    }

    #[test]
    fn a_file_past_its_limit_is_refused_unread() {
        assert!(read("a = 1", "f", 4, |_| Some(())).unwrap_err().message.contains("4 bytes"));
    }
}
