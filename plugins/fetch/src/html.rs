//! From HTML to what a reader reads. Not a browser: it never fails, keeps no tree, and takes one pass over the page.

/// Elements whose content no reader sees.
const HIDDEN: &[&str] =
    &["script", "style", "noscript", "template", "svg", "iframe", "object", "select", "textarea"];

/// Elements that stand on lines of their own.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "ul",
];

/// Elements that begin a new line and no paragraph.
const LINES: &[&str] = &["br", "li", "tr"];

/// The title, if there is one, and the text: paragraphs separated by an empty line, space collapsed.
pub(crate) fn readable(html: &str) -> (Option<String>, String) {
    let mut title: Option<String> = None;
    let mut text = Text::default();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        text.push(&decode(&rest[..at]));
        rest = &rest[at..];
        let Some(tag) = Tag::read(rest) else {
            // A `<` that begins no tag is a character like any other.
            text.push("<");
            rest = &rest[1..];
            continue;
        };
        rest = &rest[tag.length..];
        let name = tag.name.as_str();
        if tag.opens && (name == "title" || HIDDEN.contains(&name)) {
            let (inside, after) = content(rest, name);
            rest = after;
            if name == "title" && title.is_none() {
                let mut found = Text::default();
                found.push(&decode(inside));
                title = Some(found.done()).filter(|title| !title.is_empty());
            }
        } else if BLOCKS.contains(&name) {
            text.gap(2);
        } else if LINES.contains(&name) {
            text.gap(1);
        } else if matches!(name, "td" | "th") {
            text.push(" ");
        }
    }
    text.push(&decode(rest));
    (title, text.done())
}

/// What stands before the end tag of `name`, and what after it; everything when there is none.
fn content<'a>(html: &'a str, name: &str) -> (&'a str, &'a str) {
    for (at, _) in html.match_indices("</") {
        if let Some(tag) = Tag::read(&html[at..]).filter(|tag| tag.name == name) {
            return (&html[..at], &html[at + tag.length..]);
        }
    }
    (html, "")
}

/// A tag, comment or declaration at the beginning of a text.
struct Tag {
    /// Lower-case; empty for comments and declarations.
    name: String,
    opens: bool,
    length: usize,
}

impl Tag {
    fn read(html: &str) -> Option<Self> {
        if let Some(comment) = html.strip_prefix("<!--") {
            let length = comment.find("-->").map_or(html.len(), |end| end + 7);
            return Some(Self { name: String::new(), opens: false, length });
        }
        let inner = html.strip_prefix('<')?;
        let (closes, inner) = match inner.strip_prefix('/') {
            Some(inner) => (true, inner),
            None => (false, inner),
        };
        let first = inner.chars().next()?;
        if !first.is_ascii_alphabetic() && !matches!(first, '!' | '?') {
            return None;
        }
        let name = inner
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let start = html.len() - inner.len();
        let end = end_of_tag(inner);
        Some(Self { name, opens: !closes, length: start + end })
    }
}

/// Where a tag ends, past its `>`; a `>` inside a quoted attribute is none.
fn end_of_tag(inner: &str) -> usize {
    let mut quote = None;
    let mut value = false;
    for (at, byte) in inner.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') if value => (quote, value) = (Some(byte), false),
            (None, b'=') => value = true,
            (None, byte) if byte.is_ascii_whitespace() => {}
            (None, _) => value = false,
        }
    }
    inner.len()
}

/// Text that collapses space as it grows.
#[derive(Default)]
struct Text {
    out: String,
    space: bool,
    lines: usize,
}

impl Text {
    fn push(&mut self, text: &str) {
        for character in text.chars() {
            // A no-break space is one to a reader too; other control characters are nothing.
            if character.is_whitespace() {
                self.space = true;
            } else if !character.is_control() {
                self.separate();
                self.out.push(character);
            }
        }
    }

    fn gap(&mut self, lines: usize) {
        self.lines = self.lines.max(lines);
    }

    fn separate(&mut self) {
        let (space, lines) = (std::mem::take(&mut self.space), std::mem::take(&mut self.lines));
        if self.out.is_empty() {
            return;
        }
        match lines {
            0 if space => self.out.push(' '),
            0 => {}
            lines => self.out.extend(std::iter::repeat_n('\n', lines)),
        }
    }

    fn done(self) -> String {
        self.out
    }
}

/// Replaces character references (HTML, section 13.5, of which the common ones by name).
fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match reference(rest) {
            Some((character, length)) => {
                out.push(character);
                rest = &rest[length..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The character of a reference at the beginning of `text`, and how long it is.
fn reference(text: &str) -> Option<(char, usize)> {
    // No name that is known here is longer.
    let end = text.bytes().take(12).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let character = match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|c| *c != '\0').unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        None => named(name)?,
    };
    Some((character, end + 1))
}

fn named(name: &str) -> Option<char> {
    const NAMED: &[(&str, char)] = &[
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", '\u{a0}'),
        ("copy", '©'),
        ("reg", '®'),
        ("trade", '™'),
        ("hellip", '…'),
        ("mdash", '—'),
        ("ndash", '–'),
        ("lsquo", '‘'),
        ("rsquo", '’'),
        ("ldquo", '“'),
        ("rdquo", '”'),
        ("laquo", '«'),
        ("raquo", '»'),
        ("bull", '•'),
        ("middot", '·'),
        ("deg", '°'),
        ("plusmn", '±'),
        ("times", '×'),
        ("divide", '÷'),
        ("micro", 'µ'),
        ("para", '¶'),
        ("sect", '§'),
        ("euro", '€'),
        ("pound", '£'),
        ("yen", '¥'),
        ("cent", '¢'),
        ("rarr", '→'),
        ("larr", '←'),
        ("auml", 'ä'),
        ("ouml", 'ö'),
        ("uuml", 'ü'),
        ("Auml", 'Ä'),
        ("Ouml", 'Ö'),
        ("Uuml", 'Ü'),
        ("szlig", 'ß'),
        ("eacute", 'é'),
        ("egrave", 'è'),
        ("agrave", 'à'),
        ("ccedil", 'ç'),
        ("ntilde", 'ñ'),
        ("oslash", 'ø'),
        ("aring", 'å'),
        ("aelig", 'æ'),
        ("iacute", 'í'),
        ("oacute", 'ó'),
        ("aacute", 'á'),
        ("uacute", 'ú'),
        ("ecirc", 'ê'),
        ("shy", '\u{ad}'),
    ];
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, character)| *character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reader_sees_text_and_no_machinery() {
        let page = "<!DOCTYPE html><html><head><title> A\n page </title><style>p>a{}</style>\
            <script>if (a</script ) x</script></head><body><!-- <p>no</p> --><h1>Head</h1>\
            <p title='a>b'>One &lt;two&gt;&nbsp;  three</p><ul><li>x</li><li>y</li></ul>a<b>b</b>c 1 < 2</body>";
        let (title, text) = readable(page);
        assert_eq!(title.as_deref(), Some("A page"));
        assert_eq!(text, "Head\n\nOne <two> three\n\nx\ny\n\nabc 1 < 2");
    }

    #[test]
    fn references_are_decoded_and_unknown_ones_kept() {
        assert_eq!(
            decode("&#65;&#x42;&uuml;&nope;&amp;lt; & &#0;&#xD800;"),
            "ABü&nope;&lt; & \u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn pages_that_break_off_are_read_to_the_end() {
        assert_eq!(readable("a<p").1, "a");
        assert_eq!(readable("a<script>never closed").1, "a");
        assert_eq!(readable("a<!-- never closed").1, "a");
        assert_eq!(readable("<title></title>x"), (None, "x".into()));
    }

    proptest! {
        #[test]
        fn any_page_is_read_without_a_panic_and_with_collapsed_space(page in "(\\PC|[<>/&;#!'\"= \n-]|<p>|<script>|é){0,200}") {
            let (_, text) = readable(&page);
            prop_assert!(!text.contains("  ") && !text.contains("\n\n\n"), "{:?}", text);
            prop_assert_eq!(text.trim(), text.as_str());
        }
    }
}
