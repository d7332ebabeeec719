//! Which programs of the host, with which arguments. Pure text; nothing is started here.

use std::fmt;
use std::str::FromStr;

use super::ScopeError;

pub(super) const EXPECTED: &str = "a program and its arguments such as `git log --oneline *`, where `*` is one argument that \
     does not begin with `-` and a last `**` is any number of any";

/// The most arguments of a pattern.
const MAX_ARGUMENTS: usize = 64;

/// A program by name and the patterns of its arguments, one for each: a word that must be that very argument, `*` for one that
/// does not begin with `-`, or a last `**` for any number of any arguments. Written with single spaces between.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecScope {
    program: String,
    arguments: Vec<String>,
}

impl ExecScope {
    /// The name of the program, without folders.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The patterns of its arguments.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Whether `program` may be started with `arguments`.
    #[must_use]
    pub fn covers(&self, program: &str, arguments: &[String]) -> bool {
        let (patterns, open) = self.split();
        let known = patterns.len();
        self.program == program
            && (arguments.len() == known || (open && arguments.len() > known))
            && patterns.iter().zip(arguments).all(|(pattern, argument)| match pattern.as_str() {
                "*" => !argument.starts_with('-'),
                word => word == argument,
            })
    }

    /// The patterns before a last `**`, and whether there is one.
    fn split(&self) -> (&[String], bool) {
        match self.arguments.split_last() {
            Some((last, rest)) if last == "**" => (rest, true),
            _ => (&self.arguments, false),
        }
    }

    /// What both scopes allow; `None` where they share nothing.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        if self.program != other.program {
            return None;
        }
        let ((mine, my_rest), (theirs, their_rest)) = (self.split(), other.split());
        if (mine.len() > theirs.len() && !their_rest) || (theirs.len() > mine.len() && !my_rest) {
            return None;
        }
        let mut arguments = Vec::new();
        for n in 0..mine.len().max(theirs.len()) {
            arguments.push(match (mine.get(n), theirs.get(n)) {
                (Some(a), Some(b)) if a == b || b == "*" && !a.starts_with('-') => a.clone(),
                (Some(a), Some(b)) if a == "*" && !b.starts_with('-') => b.clone(),
                (Some(a), None) | (None, Some(a)) => a.clone(),
                _ => return None,
            });
        }
        if my_rest && their_rest {
            arguments.push("**".to_owned());
        }
        Some(Self { program: self.program.clone(), arguments })
    }
}

impl FromStr for ExecScope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let fail = || ScopeError::new(text, EXPECTED);
        let mut words = text.split(' ').map(str::to_owned);
        let program = words.next().unwrap_or_default();
        let arguments: Vec<_> = words.collect();
        let name = |b: u8| b.is_ascii_alphanumeric() || b"-_.+".contains(&b);
        let named = (1..=128).contains(&program.len())
            && program.bytes().all(name)
            && program.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let rest = arguments.iter().rev().skip(1).any(|a| a == "**");
        let plain = |a: &String| {
            (1..=1024).contains(&a.len())
                && !a.contains(|c: char| c.is_control() || c.is_whitespace())
        };
        if !named || rest || arguments.len() > MAX_ARGUMENTS || !arguments.iter().all(plain) {
            return Err(fail());
        }
        Ok(Self { program, arguments })
    }
}

impl fmt::Display for ExecScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {argument}"))
    }
}

super::as_text!(ExecScope);
