//! What the documents promise: every error code explained, every link alive, every quoted example compiled.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Breach, File};

/// Where the sections on error codes stand.
pub const ERRORS: &str = "docs/errors.md";
/// Folders whose code may carry error codes.
const CODED: [&str; 4] = ["registry/", "host/", "guest-sdk/", "plugins/"];

/// Codes in the sources without a section in `docs/errors.md`, and sections without a code in the sources.
#[must_use]
pub fn error_codes(files: &[File]) -> Vec<Breach> {
    let mut used: BTreeMap<String, &str> = BTreeMap::new();
    for file in files.iter().filter(|file| is_coded(&file.path)) {
        for code in codes(&file.text) {
            used.entry(code).or_insert(&file.path);
        }
    }
    let mut breaches = Vec::new();
    let sections = sections(files, &mut breaches);
    for (code, path) in &used {
        if !sections.contains(code) {
            let what = format!("`{code}` has no section `### {code}` in {ERRORS}");
            breaches.push(Breach::new(path, 0, what));
        }
    }
    for code in sections.iter().filter(|code| !used.contains_key(*code)) {
        breaches.push(Breach::new(
            ERRORS,
            0,
            format!("`{code}` is explained, but no source uses it"),
        ));
    }
    breaches
}

fn is_coded(path: &str) -> bool {
    let source = path.ends_with(".rs") && CODED.iter().any(|folder| path.starts_with(folder));
    source && !path.contains("/tests/") && !path.ends_with("tests.rs")
}

fn sections(files: &[File], breaches: &mut Vec<Breach>) -> BTreeSet<String> {
    let mut sections = BTreeSet::new();
    let text = files.iter().find(|file| file.path == ERRORS).map_or("", |file| &file.text);
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let Some(code) = line.strip_prefix("### ").filter(|rest| rest.starts_with("LS-")) else {
            continue;
        };
        let code = code.split_whitespace().next().unwrap_or_default();
        let next = lines[index + 1..].iter().find(|line| !line.trim().is_empty());
        if next.is_none_or(|line| line.starts_with('#')) {
            breaches.push(Breach::new(ERRORS, index + 1, format!("`{code}` is not explained")));
        }
        if !sections.insert(code.to_owned()) {
            breaches.push(Breach::new(ERRORS, index + 1, format!("`{code}` is explained twice")));
        }
    }
    sections
}

/// Every `LS-<AREA>-<NNN>` in a text, in order, repeats included.
#[must_use]
pub fn codes(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, prefix) in text.match_indices("LS-") {
        let rest = &text[at + prefix.len()..];
        let area = rest.chars().take_while(char::is_ascii_uppercase).count();
        let Some(number) = rest[area..].strip_prefix('-') else { continue };
        let digits = number.chars().take_while(char::is_ascii_digit).count();
        if (2..=4).contains(&area) && digits == 3 {
            found.push(format!("LS-{}-{}", &rest[..area], &number[..3]));
        }
    }
    found
}

/// Links between documents, and to files and headings, that lead nowhere.
#[must_use]
pub fn links(files: &[File], exists: impl Fn(&str) -> bool) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (line, target) in link_targets(&file.text) {
            let outside = ["http://", "https://", "mailto:"];
            if outside.iter().any(|scheme| target.starts_with(scheme)) {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() { file.path.clone() } else { join(&file.path, path) };
            if !exists(&path) {
                breaches.push(Breach::new(&file.path, line, format!("`{target}` leads nowhere")));
            } else if !anchor.is_empty() && path.ends_with(".md") {
                let text = files.iter().find(|other| other.path == path).map_or("", |f| &f.text);
                if !anchors(text).contains(anchor) {
                    let what = format!("`{target}`: no such heading in `{path}`");
                    breaches.push(Breach::new(&file.path, line, what));
                }
            }
        }
    }
    breaches
}

/// The lines of a document outside fenced code, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

fn link_targets(text: &str) -> Vec<(usize, &str)> {
    let mut targets = Vec::new();
    for (number, line) in prose(text) {
        let parts = line.split("](").skip(1);
        targets.extend(parts.filter_map(|part| Some((number, part.split_once(')')?.0))));
    }
    targets
}

fn join(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len()).then_some(title.trim())
    });
    let kept = |c: char| c.is_alphanumeric() || "-_ ".contains(c);
    headings
        .map(|title| title.to_lowercase().chars().filter(|c| kept(*c)).collect::<String>())
        .map(|title| title.replace(' ', "-"))
        .collect()
}

/// Code blocks under `<!-- example: PATH -->` (or `PATH, at most N lines`) that differ from the file they quote.
///
/// The file's own head (`//!` and the lints it allows) is not quoted: it speaks to who maintains it.
#[must_use]
pub fn examples(files: &[File]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (line, text) in prose(&file.text) {
            let marker = text.trim().strip_prefix("<!-- example: ");
            if let Some(marker) = marker.and_then(|rest| rest.strip_suffix(" -->")) {
                let quoted = block_after(&file.text, line);
                let what = example(files, marker, quoted.as_deref());
                breaches.extend(what.map(|what| Breach::new(&file.path, line, what)));
            }
        }
    }
    breaches
}

fn example(files: &[File], marker: &str, quoted: Option<&str>) -> Option<String> {
    let (path, rest) = marker.split_once(", at most ").unwrap_or((marker, ""));
    let limit = rest.trim_end_matches(" lines").parse().unwrap_or(usize::MAX);
    let Some(source) = files.iter().find(|file| file.path == path) else {
        return Some(format!("`{path}` does not exist"));
    };
    let Some(quoted) = quoted else {
        return Some(format!("no code block follows the marker of `{path}`"));
    };
    let head = |l: &&str| l.starts_with("//!") || l.starts_with("#![allow(") || l.is_empty();
    let body: Vec<&str> = source.text.lines().skip_while(head).collect();
    let quoted: Vec<&str> = quoted.lines().collect();
    if quoted.len() > limit {
        return Some(format!("`{path}` has {} lines here, the limit is {limit}", quoted.len()));
    }
    let (index, (quoted, _)) =
        quoted.iter().zip(&body).enumerate().find(|(_, (quoted, source))| quoted != source).or(
            (quoted.len() != body.len()).then_some((quoted.len().min(body.len()), (&"", &""))),
        )?;
    Some(format!("differs from `{path}` at its line {}: `{quoted}`", index + 1))
}

fn block_after(text: &str, line: usize) -> Option<String> {
    let mut lines = text.lines().skip(line).skip_while(|line| line.trim().is_empty());
    if !lines.next()?.trim_start().starts_with("```") {
        return None;
    }
    let block: Vec<&str> = lines.take_while(|line| !line.trim_start().starts_with("```")).collect();
    Some(block.join("\n"))
}

#[cfg(test)]
#[path = "docs/tests.rs"]
mod tests;
