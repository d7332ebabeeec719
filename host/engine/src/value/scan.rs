//! The words of JSON (RFC 8259) on a byte cursor: space, strings, numbers. It knows nothing of types.

use std::borrow::Cow;

use super::error::Problem;

/// A problem on its way up: each level that it passes adds its step to the path.
#[derive(Debug)]
pub(super) struct Snag {
    pub(super) at: usize,
    /// Innermost first.
    pub(super) path: Vec<Step>,
    pub(super) problem: Problem,
}

impl Snag {
    #[cold]
    pub(super) fn new(at: usize, problem: Problem) -> Box<Self> {
        Box::new(Self { at, path: Vec::new(), problem })
    }

    #[cold]
    pub(super) fn under(mut self: Box<Self>, step: Step) -> Box<Self> {
        self.path.push(step);
        self
    }
}

/// One step of a path.
#[derive(Debug)]
pub(super) enum Step {
    Field(String),
    Key(String),
    Index(usize),
}

pub(super) type Read<T> = Result<T, Box<Snag>>;

/// A place in a JSON text.
pub(super) struct Cursor<'a> {
    text: &'a str,
    pub(super) at: usize,
    /// Fields that were left out and filled in so far.
    pub(super) absent: usize,
}

/// A number as it stands in the text.
pub(super) struct Number<'a> {
    pub(super) text: &'a str,
    /// Without fraction and exponent.
    pub(super) is_whole: bool,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0, absent: 0 }
    }

    pub(super) const fn text(&self) -> &'a str {
        self.text
    }

    pub(super) fn syntax<T>(&self, what: &'static str) -> Read<T> {
        Err(Snag::new(self.at, Problem::Syntax(what)))
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is not space; 0 at the end, which is not otherwise the start of anything.
    #[inline]
    pub(super) fn peek(&mut self) -> u8 {
        while let Some(byte) = self.byte() {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return byte;
            }
            self.at += 1;
        }
        0
    }

    /// Takes `byte` if it comes next, after space.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == byte;
        self.at += usize::from(is_next);
        is_next
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8, what: &'static str) -> Read<()> {
        if self.take(byte) { Ok(()) } else { self.syntax(what) }
    }

    /// Takes `text` if it is what stands here, to the byte.
    #[inline]
    pub(super) fn literal(&mut self, text: &str) -> bool {
        let is_next = self.text.as_bytes()[self.at..].starts_with(text.as_bytes());
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    /// After an element: whether another follows, or `close` ended the run.
    #[inline]
    pub(super) fn goes_on(&mut self, close: u8, what: &'static str) -> Read<bool> {
        if self.take(b',') {
            return Ok(true);
        }
        self.expect(close, what).map(|()| false)
    }

    /// What kind of value stands here, in words.
    pub(super) fn kind(&mut self) -> Option<&'static str> {
        Some(match self.peek() {
            b'{' => "an object",
            b'[' => "an array",
            b'"' => "a string",
            b'-' | b'0'..=b'9' => "a number",
            b't' if self.text[self.at..].starts_with("true") => "a boolean",
            b'f' if self.text[self.at..].starts_with("false") => "a boolean",
            b'n' if self.text[self.at..].starts_with("null") => "null",
            _ => return None,
        })
    }

    /// Reads a string; `at` is on its opening quote.
    #[inline]
    pub(super) fn string(&mut self) -> Read<Cow<'a, str>> {
        self.at += 1;
        let start = self.at;
        self.at = plain_until(self.text.as_bytes(), start);
        match self.byte() {
            Some(b'"') => {
                // Both ends are beside ASCII bytes, so they are boundaries of characters.
                let plain = &self.text[start..self.at];
                self.at += 1;
                Ok(Cow::Borrowed(plain))
            }
            Some(b'\\') => self.escaped(start).map(Cow::Owned),
            Some(_) => self.syntax("a control character in a string must be written as an escape"),
            None => self.syntax("the text ends inside a string"),
        }
    }

    fn escaped(&mut self, start: usize) -> Read<String> {
        let mut out = String::from(&self.text[start..self.at]);
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => {
                    return self
                        .syntax("a control character in a string must be written as an escape");
                }
                None => return self.syntax("the text ends inside a string"),
            }
            let from = self.at;
            self.at = plain_until(self.text.as_bytes(), from);
            out.push_str(&self.text[from..self.at]);
        }
    }

    fn escape(&mut self) -> Read<char> {
        let Some(letter) = self.text.as_bytes().get(self.at + 1) else {
            return self.syntax("the text ends inside a string");
        };
        let plain = match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return self.syntax("unknown escape in a string"),
        };
        self.at += 2;
        Ok(plain)
    }

    /// `\uXXXX`, or two of them that make a surrogate pair.
    fn unicode(&mut self) -> Read<char> {
        let Some(high) = self.unit(self.at) else {
            return self.syntax("`\\u` needs four hexadecimal digits");
        };
        let low = if (0xD800..0xDC00).contains(&high) { self.unit(self.at + 6) } else { None };
        let units = [high, low.unwrap_or(0)];
        let units = &units[..1 + usize::from(low.is_some())];
        match char::decode_utf16(units.iter().copied()).next() {
            Some(Ok(char)) => {
                self.at += 6 * char.len_utf16();
                Ok(char)
            }
            _ => self.syntax("a lone surrogate is not a character"),
        }
    }

    /// The 16 bits of a `\uXXXX` at `at`.
    fn unit(&self, at: usize) -> Option<u16> {
        let digits = self.text.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit: u16, digit| {
            Some(unit << 4 | u16::try_from(char::from(*digit).to_digit(16)?).ok()?)
        })
    }

    /// Reads a number; `at` is on its first byte.
    pub(super) fn number(&mut self) -> Read<Number<'a>> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        let first = self.at;
        self.digits()?;
        if self.at - first > 1 && self.text.as_bytes()[first] == b'0' {
            self.at = first;
            return self.syntax("a number does not start with 0 and further digits");
        }
        let mut is_whole = true;
        if self.byte() == Some(b'.') {
            is_whole = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            is_whole = false;
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(Number { text: &self.text[start..self.at], is_whole })
    }

    fn digits(&mut self) -> Read<()> {
        let start = self.at;
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.syntax("expected a digit") } else { Ok(()) }
    }
}

/// The first place from `from` that is a quote, a backslash or a control character, or the end. Eight bytes a step:
/// a byte's high bit is set in `hit` where it is one of them (and, harmlessly, sometimes above such a byte; the
/// lowest set bit is always true).
#[inline]
pub(super) fn plain_until(bytes: &[u8], from: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let zero = |x: u64| x.wrapping_sub(ONES) & !x & HIGHS;
    let mut at = from;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let hit = zero(word ^ (ONES * b'"' as u64))
            | zero(word ^ (ONES * b'\\' as u64))
            | (word.wrapping_sub(ONES * 0x20) & !word & HIGHS);
        if hit != 0 {
            return at + hit.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while at < bytes.len() && !matches!(bytes[at], b'"' | b'\\' | 0..0x20) {
        at += 1;
    }
    at
}
