//! What only the operator says of a scope: what stands behind it. Pure text and its reading; nothing is opened here.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longshore_model::{CapabilityKind, Scope, Timestamp};
use serde_json::Value;

use crate::SecretBinding;

/// What stands behind a scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Parameter {
    /// Nothing: the scope says it all.
    #[default]
    None,
    /// The host's folder behind a directory.
    Folder(PathBuf),
    /// How clocks go.
    Clock(ClockMode),
    /// The seed that entropy is computed from.
    Seed(String),
    /// The host's file behind a program, an absolute path.
    Program(PathBuf),
    /// Where a secret is kept, and where it may be put.
    Secret(Arc<SecretBinding>),
}

/// How clocks go that do not show the host's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockMode {
    /// They stand still at this time.
    Frozen(Timestamp),
    /// They begin at this time and move only while the guest sleeps, at once.
    Virtual(Timestamp),
}

/// The most bytes of a seed.
const MAX_SEED: usize = 256;

const CLOCK: &str = "`frozen:` or `virtual:` and a time such as `2026-01-01T00:00:00Z`";
const SEED: &str = "`seed:` and 1 to 256 bytes of text";

impl Parameter {
    /// Reads the value of a `clock` or `random` that is more than allowed: its mode.
    pub(crate) fn read_mode(kind: CapabilityKind, value: &str) -> Result<Self, String> {
        let fail = |expected: &str| {
            let value: String = value.chars().take(64).flat_map(char::escape_debug).collect();
            format!("`{value}` is not {expected}")
        };
        match kind {
            CapabilityKind::Clock => {
                ClockMode::read(value).map(Self::Clock).ok_or_else(|| fail(CLOCK))
            }
            CapabilityKind::Random => match value.strip_prefix("seed:") {
                Some(seed) if (1..=MAX_SEED).contains(&seed.len()) => {
                    Ok(Self::Seed(seed.to_owned()))
                }
                _ => Err(fail(SEED)),
            },
            _ => Err(format!("`{kind}` has no mode")),
        }
    }

    /// What it means, for the digest of a policy.
    pub(crate) fn meaning(&self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::Folder(path) => Value::from(path.to_string_lossy()),
            Self::Program(path) => Value::from(format!("program:{}", path.to_string_lossy())),
            Self::Secret(binding) => binding.meaning(),
            Self::Clock(_) | Self::Seed(_) => self.mode().map_or(Value::Null, Value::from),
        }
    }

    /// The mode as grants record it: `frozen:…`, `virtual:…`, `seed:…`.
    #[must_use]
    pub fn mode(&self) -> Option<String> {
        match self {
            Self::Clock(mode) => Some(mode.to_string()),
            Self::Seed(seed) => Some(format!("seed:{seed}")),
            Self::None | Self::Folder(_) | Self::Program(_) | Self::Secret(_) => None,
        }
    }
}

/// Reads the value of an `exec` rule: the program may be named by an absolute path, whose last part is its name.
pub(crate) fn read_exec(value: &str) -> Result<(Scope, Parameter), String> {
    let (first, rest) = value.split_once(' ').map_or((value, None), |(f, r)| (f, Some(r)));
    let path = Path::new(first);
    let (name, parameter) = if path.is_absolute() {
        let plain = path.components().skip(1).all(|c| matches!(c, std::path::Component::Normal(_)));
        let name = path.file_name().and_then(|name| name.to_str()).filter(|_| plain);
        let name =
            name.ok_or_else(|| format!("`{first}` is not the absolute path of a program"))?;
        (name, Parameter::Program(path.to_owned()))
    } else {
        (first, Parameter::None)
    };
    let text = rest.map_or_else(|| name.to_owned(), |rest| format!("{name} {rest}"));
    let scope = Scope::of(CapabilityKind::Exec, Some(&text)).map_err(|why| why.to_string())?;
    Ok((scope, parameter))
}

impl fmt::Display for ClockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frozen(at) => write!(f, "frozen:{}", at.rfc3339()),
            Self::Virtual(at) => write!(f, "virtual:{}", at.rfc3339()),
        }
    }
}

impl ClockMode {
    fn read(text: &str) -> Option<Self> {
        let (word, time) = text.split_once(':')?;
        let at = time_of(time)?;
        match word {
            "frozen" => Some(Self::Frozen(at)),
            "virtual" => Some(Self::Virtual(at)),
            _ => None,
        }
    }
}

/// The time that RFC 3339 text in UTC spells, from 1970 to 9999, to the microsecond.
fn time_of(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z')?;
    let (text, us) = match text.split_once('.') {
        Some((text, digits)) => {
            let plain =
                (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            (text, format!("{digits:0<6}").parse::<u64>().ok().filter(|_| plain)?)
        }
        None => (text, 0),
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 19
        && bytes.iter().enumerate().all(|(at, byte)| match marks.iter().find(|m| m.0 == at) {
            Some((_, mark)) => byte == mark,
            None => byte.is_ascii_digit(),
        });
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    if !shaped {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let months = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *months.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if year < 1970 || day == 0 || day > length || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let before = |year: u64| year * 365 + year / 4 - year / 100 + year / 400;
    let whole = before(year - 1) - before(1969);
    let in_year: u64 = months.iter().take(usize::try_from(month).ok()? - 1).sum();
    let seconds = (((whole + in_year + day - 1) * 24 + hour) * 60 + minute) * 60 + second;
    Some(Timestamp::from_unix_us(seconds * 1_000_000 + us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back_as_they_are_written() {
        for text in [
            "1970-01-01T00:00:00.000000Z",
            "2000-02-29T23:59:59.999999Z",
            "2026-01-01T00:00:00.000000Z",
            "2100-03-01T12:34:56.000001Z",
            "9999-12-31T23:59:59.000000Z",
        ] {
            assert_eq!(time_of(text).unwrap().rfc3339(), text);
        }
        assert_eq!(time_of("2026-01-01T00:00:00.5Z").unwrap().unix_us() % 1_000_000, 500_000);
        for wrong in [
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "1969-12-31T23:59:59Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.1234567Z",
            "2026-01-01T00:00:00+01:00",
            "+026-01-01T00:00:00Z",
        ] {
            assert_eq!(time_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_program_is_named_alone_or_by_its_path() {
        let (scope, parameter) = read_exec("/usr/bin/git log *").unwrap();
        assert_eq!(scope.to_string(), "exec=git log *");
        assert_eq!(parameter, Parameter::Program("/usr/bin/git".into()));
        assert_eq!(read_exec("git log *").unwrap().1, Parameter::None);
        for wrong in ["bin/git", "/usr/../bin/git", "/", "./git", ""] {
            assert!(read_exec(wrong).is_err(), "{wrong}");
        }
    }
}
