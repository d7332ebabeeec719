//! Ages and points in time as people write them.

use std::time::Duration;

use longshore::model::Timestamp;

use crate::error::Error;

const HINT: &str = "write an age such as `90s`, `30m`, `12h`, `7d` or `4w`";
const POINT: &str = "write an age such as `12h` or `7d`, or a time such as `2026-11-21T12:00:00Z`";

/// An age: a number and a unit.
pub(super) fn age(text: &str) -> Result<Duration, Error> {
    parse(text).ok_or_else(|| Error::bad(format!("`{text}` is no age"), HINT))
}

fn parse(text: &str) -> Option<Duration> {
    let (place, unit) = text.char_indices().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    // A sign is not part of a number here.
    let number = &text[..place];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
}

/// So long before `now`; the beginning of time, where that is longer ago than it reaches.
pub(super) fn ago(age: Duration, now: Timestamp) -> Timestamp {
    let age = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
    Timestamp::from_unix_us(now.unix_us().saturating_sub(age))
}

/// A point in time: an age before `now`, or RFC 3339 in UTC, to the second or the day.
pub(super) fn point(text: &str, now: Timestamp) -> Result<Timestamp, Error> {
    if let Some(age) = parse(text) {
        return Ok(ago(age, now));
    }
    utc(text).ok_or_else(|| Error::bad(format!("`{text}` is no point in time"), POINT))
}

fn utc(text: &str) -> Option<Timestamp> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let numbers = |text: &str, separator: char, widths: [usize; 3]| -> Option<[u64; 3]> {
        let mut parts = text.split(separator);
        let mut found = [0; 3];
        for (number, width) in found.iter_mut().zip(widths) {
            let part = parts.next()?;
            if part.len() != width || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            *number = part.parse().ok()?;
        }
        parts.next().is_none().then_some(found)
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let valid = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let days = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum::<u64>()
        + (1..month).map(|month| days_in(year, month)).sum::<u64>()
        + day.saturating_sub(1);
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    valid.then(|| Timestamp::from_unix_us(seconds * 1_000_000))
}

const fn leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_a_number_and_a_unit() {
        let read = |text: &str| age(text).ok().map(|age| age.as_secs());
        assert_eq!(read("90s"), Some(90));
        assert_eq!(read("7d"), Some(604_800));
        assert_eq!(read("0w"), Some(0));
        for wrong in ["", "d", "7", "-7d", "+7d", "7 d", "7x", "7µ", "99999999999999999999d"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn points_in_time_read_back_what_is_shown() {
        let now = Timestamp::from_unix_us(1_795_262_400_000_000);
        let shown = |text: &str| point(text, now).ok().map(Timestamp::rfc3339);
        for (text, full) in [
            ("2026-11-21T12:00:00Z", "2026-11-21T12:00:00.000000Z"),
            ("2024-02-29", "2024-02-29T00:00:00.000000Z"),
            ("1970-01-01", "1970-01-01T00:00:00.000000Z"),
            ("12h", "2026-11-21T00:00:00.000000Z"),
            ("9999w", "1970-01-01T00:00:00.000000Z"),
        ] {
            let full = if text == "9999w" { shown("9999w") } else { Some(full.to_owned()) };
            assert_eq!(shown(text), full);
        }
        for wrong in [
            "2025-02-29",
            "2026-13-01",
            "2026-1-1",
            "1969-12-31",
            "2026-11-21T12:00:00",
            "2026-11-21T24:00:00Z",
            "yesterday",
            "",
        ] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }
}
