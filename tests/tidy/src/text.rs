//! What no text file of the repository may say: the paths of somebody's machine.

use crate::{Breach, File};

/// Every line that names a folder of one machine rather than of a user's.
#[must_use]
pub fn machine_paths(file: &File) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        if let Some(path) = machine_path(line) {
            let what = format!("`{path}` is a path of one machine: derive it or leave it out");
            breaches.push(Breach::new(&file.path, index + 1, what));
        }
    }
    breaches
}

fn machine_path(line: &str) -> Option<&str> {
    ["work", "root", "home"].iter().find_map(|folder| {
        let stem = format!("/{folder}/");
        line.match_indices(&stem).find_map(|(at, _)| {
            // A longer path or a URL may well hold such a folder further down.
            let before = line[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || "-_.}/~*".contains(c)) {
                return None;
            }
            let rest = &line[at..];
            let end = rest.find(|c: char| c.is_whitespace() || "\"'`),;<>".contains(c));
            let path = &rest[..end.unwrap_or(rest.len())];
            let next = path[stem.len()..].chars().next()?;
            (next.is_ascii_alphanumeric() || next == '.').then_some(path)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let breaches = machine_paths(&File::new("a.md", text));
        breaches.into_iter().map(|breach| breach.line).collect()
    }

    #[test]
    fn the_paths_of_one_machine_are_breaches() {
        for (folder, rest) in [("work", "main/x"), ("root", ".cargo"), ("home", "ann/x")] {
            let path = format!("/{folder}/{rest}");
            assert_eq!(lines(&format!("ok\nsee `{path}` there\n")), [2]);
            assert_eq!(lines(&format!("dir={path}")), [1]);
        }
    }

    #[test]
    fn longer_paths_addresses_and_placeholders_are_not() {
        for text in ["https://a.example", "$HOME", "tests"] {
            assert!(lines(&format!("{text}/{}/x", "work")).is_empty(), "{text}");
        }
        assert!(lines(&format!("/{}/<user>", "home")).is_empty());
        assert!(lines(&format!("/{}", "work")).is_empty());
    }
}
