//! The one table: what was measured, what it should be, whether it is.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// What a value should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// At most so much.
    AtMost(f64),
    /// At least so much.
    AtLeast(f64),
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    group: &'static str,
    name: String,
    value: f64,
    unit: &'static str,
    target: Option<Target>,
}

/// All lines, in the order in which they were measured.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Target {
    fn met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {most}"),
            Self::AtLeast(least) => format!("≥ {least}"),
        }
    }
}

impl Row {
    fn verdict(&self) -> &'static str {
        match self.target {
            None => "",
            Some(target) if target.met_by(self.value) => "met",
            Some(_) => "MISSED",
        }
    }

    fn number(&self) -> String {
        match self.value.abs() {
            v if v < 100.0 => format!("{:.2}", self.value),
            _ => format!("{:.0}", self.value),
        }
    }
}

impl Table {
    /// Adds a value that has a target.
    pub(crate) fn target(
        &mut self,
        group: &'static str,
        name: &str,
        value: f64,
        unit: &'static str,
        target: Target,
    ) {
        self.0.push(Row { group, name: name.to_owned(), value, unit, target: Some(target) });
    }

    /// Adds a value that explains others.
    pub(crate) fn note(&mut self, group: &'static str, name: &str, value: f64, unit: &'static str) {
        self.0.push(Row { group, name: name.to_owned(), value, unit, target: None });
    }

    /// Whether every target was met.
    #[must_use]
    pub(crate) fn all_met(&self) -> bool {
        self.0.iter().all(|row| row.verdict() != "MISSED")
    }

    /// The table for people.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        let width = |of: fn(&Row) -> usize| self.0.iter().map(of).max().unwrap_or(0);
        let name = width(|row| row.name.chars().count());
        let number = width(|row| row.number().chars().count());
        let mut out = String::new();
        let mut group = "";
        for row in &self.0 {
            if row.group != group {
                group = row.group;
                let _ = writeln!(out, "\n{group}");
            }
            let target = row.target.map_or_else(String::new, Target::text);
            let line = format!(
                "  {:<name$}  {:>number$} {:<7} {target:<8} {}",
                row.name,
                row.number(),
                row.unit,
                row.verdict()
            );
            let _ = writeln!(out, "{}", line.trim_end());
        }
        out
    }

    /// The table for programs.
    #[must_use]
    pub(crate) fn json(&self) -> Value {
        let row = |row: &Row| {
            let (most, least) = match row.target {
                Some(Target::AtMost(most)) => (Some(most), None),
                Some(Target::AtLeast(least)) => (None, Some(least)),
                None => (None, None),
            };
            json!({
                "group": row.group, "name": row.name, "value": row.value, "unit": row.unit,
                "at-most": most, "at-least": least,
                "met": row.target.map(|target| target.met_by(row.value)),
            })
        };
        json!({ "rows": self.0.iter().map(row).collect::<Vec<_>>(), "all-met": self.all_met() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_in_the_text_and_in_the_json() {
        let mut table = Table::default();
        table.target("calls", "ratio", 1.2, "×", Target::AtMost(1.25));
        table.target("calls", "threads", 1.7, "×", Target::AtLeast(1.8));
        table.note("calls", "store", 1_234.0, "µs");
        assert!(!table.all_met());
        let text = table.text();
        assert!(text.contains("≤ 1.25   met") && text.contains("≥ 1.8    MISSED"), "{text}");
        assert!(text.contains("1234 µs\n"), "{text}");
        let json = table.json();
        assert_eq!(json["rows"][1]["met"], false);
        assert_eq!(json["rows"][2]["met"], Value::Null);
        assert_eq!(json["all-met"], false);
    }
}
