//! What a Rust file may look like and what it may name.
//!
//! Works on tokens and syntax, so that a comment or a string never counts as code. Code under `#[cfg(test)]` and in
//! `tests/` folders is free of the import rules, not of the rules on shape.

use std::ops::RangeInclusive;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use crate::{Breach, File};

const MAX_FILE_LINES: usize = 800;
const MAX_FUNCTION_LINES: usize = 70;
/// Guests of tests answer to a table of words with one `match`, which is read like the table.
const MAX_GUEST_FUNCTION_LINES: usize = 130;
const GUESTS: [&str; 2] = ["tests/guests/", "tests/hostile-guests/"];
const VAGUE: [&str; 4] = ["utils", "common", "helpers", "misc"];

/// A path that only some folders may name outside tests.
struct Import {
    path: &'static [&'static str],
    allowed: &'static [&'static str],
    why: &'static str,
}

/// Folders whose code runs for tests, benches and guests only.
const FREE: [&str; 3] = ["tests/", "plugins/", "guest-sdk/"];

const IMPORTS: &[Import] = &[
    Import {
        path: &["std", "fs"],
        allowed: &[
            "registry/client/",
            "registry/server/",
            "registry/trust/",
            "host/engine/",
            "host/runtime/",
            "host/build/",
            "host/store-sqlite/",
            "host/stores/",
            "host/config/",
            "host/vault/",
            "host/cli/",
            "host/daemon/",
        ],
        why: "this room is pure: take bytes or a reader from the caller",
    },
    Import {
        path: &["SystemTime", "now"],
        allowed: &["host/runtime/", "host/cli/", "host/daemon/"],
        why: "time is a parameter: take a reading of the caller's `Clock`",
    },
    Import {
        path: &["std", "process", "exit"],
        allowed: &["host/cli/", "host/daemon/"],
        why: "only a binary decides when its process ends",
    },
];

const PRINTERS: [&str; 5] = ["println", "print", "eprintln", "eprint", "dbg"];
/// `build.rs` talks to cargo on stdout, an example to its reader.
const MAY_PRINT: [&str; 3] = ["host/cli/", "host/daemon/", "tests/"];

/// Every breach of the Rust rules in one file.
#[must_use]
pub fn check(file: &File) -> Vec<Breach> {
    let path = &file.path;
    let mut breaches = shape(file);
    let syntax = match syn::parse_file(&file.text) {
        Ok(syntax) => syntax,
        Err(error) => {
            let line = error.span().start().line;
            breaches.push(Breach::new(path, line, format!("does not parse: {error}")));
            return breaches;
        }
    };
    let mut reader = Reader { path, breaches: Vec::new(), tests: Vec::new(), uses: Vec::new() };
    reader.visit_file(&syntax);
    let Reader { breaches: found, tests, uses, .. } = reader;
    breaches.extend(found);

    let mut words = Vec::new();
    if let Ok(stream) = file.text.parse::<TokenStream>() {
        flatten(stream, &mut words);
    }
    breaches.extend(unfinished(path, &words));
    if !is_test_code(path) {
        let outside = |line: &usize| !tests.iter().any(|range| range.contains(line));
        breaches.extend(imports(path, &words, &uses).into_iter().filter(|b| outside(&b.line)));
        breaches.extend(printing(path, &words).into_iter().filter(|b| outside(&b.line)));
    }
    breaches
}

fn shape(file: &File) -> Vec<Breach> {
    let path = &file.path;
    let mut breaches = Vec::new();
    let first = file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if !first.starts_with("//!") {
        let what = "opens without `//!`: say what the file is for and what it must not touch";
        breaches.push(Breach::new(path, 1, what));
    }
    let lines = file.text.lines().count();
    if lines > MAX_FILE_LINES {
        let what = format!("has {lines} lines, the limit is {MAX_FILE_LINES}: split it");
        breaches.push(Breach::new(path, 0, what));
    }
    for part in path.split('/') {
        let stem = part.strip_suffix(".rs").unwrap_or(part);
        if part == "mod.rs" {
            breaches.push(Breach::new(path, 0, "use `name.rs` + `name/` rather than `mod.rs`"));
        } else if VAGUE.contains(&stem) {
            let what = format!("`{stem}` says nothing: name the file after what it holds");
            breaches.push(Breach::new(path, 0, what));
        }
    }
    breaches
}

fn is_test_code(path: &str) -> bool {
    let in_folder = |name: &str| path.contains(&format!("/{name}/"));
    in_folder("tests") || in_folder("benches") || FREE.iter().any(|free| path.starts_with(free))
}

struct Reader<'a> {
    path: &'a str,
    breaches: Vec<Breach>,
    /// Lines of items under `#[cfg(test)]` or `#[test]`.
    tests: Vec<RangeInclusive<usize>>,
    /// Every imported path, in full, with the line it stands on.
    uses: Vec<(Vec<String>, usize)>,
}

impl Reader<'_> {
    fn function(&mut self, name: &syn::Ident, first: usize, last: usize) {
        let lines = last - first + 1;
        let guest = GUESTS.iter().any(|folder| self.path.starts_with(folder));
        let limit = if guest { MAX_GUEST_FUNCTION_LINES } else { MAX_FUNCTION_LINES };
        if lines > limit {
            let what = format!("`{name}` has {lines} lines, the limit is {limit}");
            self.breaches.push(Breach::new(self.path, first, what));
        }
    }

    fn note_tests(&mut self, attributes: &[syn::Attribute], lines: RangeInclusive<usize>) {
        let testing = attributes.iter().any(|attribute| match &attribute.meta {
            syn::Meta::List(list) if list.path.is_ident("cfg") => {
                list.tokens.clone().into_iter().any(|token| token.to_string() == "test")
            }
            syn::Meta::Path(path) => path.is_ident("test"),
            _ => false,
        });
        if testing {
            self.tests.push(lines);
        }
    }

    fn use_tree(&mut self, tree: &syn::UseTree, before: &[String], public: bool) {
        let with = |name: &syn::Ident| {
            let mut path = before.to_vec();
            path.push(name.to_string());
            path
        };
        let line = tree.span().start().line;
        match tree {
            syn::UseTree::Path(path) => self.use_tree(&path.tree, &with(&path.ident), public),
            syn::UseTree::Name(name) => self.uses.push((with(&name.ident), line)),
            syn::UseTree::Rename(rename) => self.uses.push((with(&rename.ident), line)),
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.use_tree(item, before, public);
                }
            }
            syn::UseTree::Glob(_) => {
                self.uses.push((before.to_vec(), line));
                if public {
                    let what = "re-exports everything: name what leaves this module";
                    self.breaches.push(Breach::new(self.path, line, what));
                }
            }
        }
    }
}

fn lines_of(node: &impl syn::spanned::Spanned) -> RangeInclusive<usize> {
    let span = node.span();
    span.start().line..=span.end().line
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.note_tests(&item.attrs, lines_of(item));
        let first = item.sig.span().start().line;
        self.function(&item.sig.ident, first, item.block.span().end().line);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.note_tests(&item.attrs, lines_of(item));
        let first = item.sig.span().start().line;
        self.function(&item.sig.ident, first, item.block.span().end().line);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            let first = item.sig.span().start().line;
            self.function(&item.sig.ident, first, block.span().end().line);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.note_tests(&item.attrs, lines_of(item));
        if VAGUE.iter().any(|name| item.ident == name) {
            let what = format!("`mod {}` says nothing: name what it holds", item.ident);
            self.breaches.push(Breach::new(self.path, item.span().start().line, what));
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_tests(&item.attrs, lines_of(item));
        let public = !matches!(item.vis, syn::Visibility::Inherited);
        self.use_tree(&item.tree, &[], public);
    }
}

/// One token: what it says and the line it stands on. Literals are dropped: they are not code.
type Word = (String, usize);

fn flatten(stream: TokenStream, words: &mut Vec<Word>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                    proc_macro2::Delimiter::Brace => ("{", "}"),
                    proc_macro2::Delimiter::Bracket => ("[", "]"),
                    proc_macro2::Delimiter::None => ("", ""),
                };
                words.push((open.to_owned(), line));
                flatten(group.stream(), words);
                words.push((close.to_owned(), group.span_close().start().line));
            }
            TokenTree::Ident(ident) => words.push((ident.to_string(), line)),
            TokenTree::Punct(punct) => words.push((punct.as_char().to_string(), line)),
            TokenTree::Literal(_) => words.push((String::new(), line)),
        }
    }
}

fn occurrences(words: &[Word], pattern: &[&str]) -> Vec<usize> {
    let same = |window: &[Word]| window.iter().zip(pattern).all(|(word, want)| word.0 == *want);
    words.windows(pattern.len()).filter(|window| same(window)).map(|window| window[0].1).collect()
}

fn unfinished(path: &str, words: &[Word]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for name in ["todo", "unimplemented"] {
        for line in occurrences(words, &[name, "!"]) {
            let what = format!("`{name}!`: what lands is finished");
            breaches.push(Breach::new(path, line, what));
        }
    }
    for line in occurrences(words, &["#", "[", "ignore"]) {
        breaches.push(Breach::new(
            path,
            line,
            "an ignored test promises nothing: run it or drop it",
        ));
    }
    breaches
}

fn imports(path: &str, words: &[Word], uses: &[(Vec<String>, usize)]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for import in IMPORTS {
        if import.allowed.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let mut pattern = Vec::new();
        for segment in import.path {
            pattern.extend([*segment, ":", ":"]);
        }
        pattern.truncate(pattern.len() - 2);
        let mut lines = occurrences(words, &pattern);
        for (used, line) in uses {
            if used.len() >= import.path.len() && used.iter().zip(import.path).all(|(a, b)| a == b)
            {
                lines.push(*line);
            }
        }
        lines.sort_unstable();
        lines.dedup();
        let what = format!("`{}`: {}", import.path.join("::"), import.why);
        breaches.extend(lines.into_iter().map(|line| Breach::new(path, line, what.clone())));
    }
    breaches
}

fn printing(path: &str, words: &[Word]) -> Vec<Breach> {
    let told = path.ends_with("build.rs") || path.contains("/examples/");
    if told || MAY_PRINT.iter().any(|folder| path.starts_with(folder)) {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for name in PRINTERS {
        for line in occurrences(words, &[name, "!"]) {
            let what = format!("`{name}!`: only host/cli prints; a library returns or traces");
            breaches.push(Breach::new(path, line, what));
        }
    }
    breaches
}

#[cfg(test)]
#[path = "rust/tests.rs"]
mod tests;
