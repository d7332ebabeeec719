//! A bad sample for every promise of the documents.

use super::*;

fn told(breaches: Vec<Breach>) -> Vec<String> {
    breaches.into_iter().map(|breach| breach.to_string()).collect()
}

fn code(number: u32) -> String {
    format!("LS-{}-{number:03}", "TST")
}

#[test]
fn a_code_without_a_section_and_a_section_without_a_code_are_breaches() {
    let source = File::new("host/a/src/lib.rs", &format!("\"{}\" \"{}\"", code(1), code(2)));
    let doc = File::new(ERRORS, &format!("### {} · x\n\nWhy.\n### {}\n\nWhy.\n", code(1), code(3)));
    let told = told(error_codes(&[source, doc]));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains(&format!("`{}` has no section", code(2))));
    assert!(told[1].contains(&format!("`{}` is explained, but", code(3))));
}

#[test]
fn an_empty_or_repeated_section_is_a_breach() {
    let source = File::new("host/a/src/lib.rs", &code(1));
    let empty = File::new(ERRORS, &format!("### {}\n\n## Next\n", code(1)));
    assert!(told(error_codes(&[source.clone(), empty]))[0].ends_with("is not explained"));
    let twice = File::new(ERRORS, &format!("### {}\nWhy.\n### {}\nWhy.\n", code(1), code(1)));
    assert!(told(error_codes(&[source, twice]))[0].ends_with("is explained twice"));
}

#[test]
fn only_whole_codes_count() {
    assert_eq!(codes(&format!("{} LS-A-001 LS-TOOLONG-001 LS-AB-01 LS-AB-", code(7))), [code(7)]);
}

#[test]
fn a_link_to_a_missing_file_or_heading_is_a_breach() {
    let files = [
        File::new(
            "docs/a.md",
            "[b](b.md#the-way-in)\n[c](../c.rs)\n[x](#here-i-am)\n## Here, I am\n",
        ),
        File::new("docs/b.md", "# The way `in`\n"),
    ];
    let exists = |path: &str| path == "docs/a.md" || path == "docs/b.md" || path == "c.rs";
    assert_eq!(told(links(&files, exists)), Vec::<String>::new());
    let told = told(links(&files, |path| path.ends_with("a.md")));
    assert_eq!(told.len(), 2, "{told:?}");
    let bad =
        [File::new("docs/a.md", "[x](#gone)\n```\n[y](nowhere)\n```\n[z](https://a.example)\n")];
    let breaches = links(&bad, |_| true);
    assert_eq!(breaches.len(), 1);
    assert!(breaches[0].what.contains("no such heading"));
}

fn quoting(marker: &str, block: &str) -> Vec<String> {
    let readme = format!("<!-- example: {marker} -->\n```rust\n{block}```\n");
    let source = File::new("a/examples/e.rs", "//! Head.\n\nfn main() {\n    run();\n}\n");
    told(examples(&[source, File::new("README.md", &readme)]))
}

#[test]
fn an_example_that_differs_from_its_file_is_a_breach() {
    let good = "fn main() {\n    run();\n}\n";
    assert!(quoting("a/examples/e.rs", good).is_empty());
    assert!(quoting("a/examples/e.rs, at most 3 lines", good).is_empty());
    assert!(quoting("a/examples/e.rs, at most 2 lines", good)[0].contains("the limit is 2"));
    assert!(quoting("a/examples/gone.rs", good)[0].contains("does not exist"));
    assert!(quoting("a/examples/e.rs", "fn main() {\n    walk();\n}\n")[0].contains("its line 2"));
    assert!(quoting("a/examples/e.rs", "fn main() {\n")[0].contains("its line 2"));
    assert!(quoting("a/examples/e.rs", &format!("{good}more();\n"))[0].contains("its line 4"));
}

#[test]
fn a_marker_without_a_code_block_is_a_breach() {
    let files =
        [File::new("a.rs", "x\n"), File::new("README.md", "<!-- example: a.rs -->\ntext\n")];
    assert!(told(examples(&files))[0].contains("no code block follows"));
}
