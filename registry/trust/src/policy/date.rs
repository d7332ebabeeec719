//! Calendar days as a policy writes them.

/// The first second after the day `YYYY-MM-DD`, UTC, since the Unix epoch; `None` for what is not a
/// day from 1970 on.
pub(super) fn end_of_day(text: &str) -> Option<u64> {
    let digits = |range: std::ops::Range<usize>| {
        let part = text.get(range)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u64>().ok()).flatten()
    };
    let dashes = text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if !dashes || year < 1970 || day == 0 || day > length {
        return None;
    }
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let months: u64 = lengths.iter().take(usize::try_from(month).ok()? - 1).sum();
    Some(((year - 1970) * 365 + leaps + months + day) * 86_400)
}

#[cfg(test)]
mod tests {
    use super::end_of_day;

    #[test]
    fn a_day_ends_when_the_next_begins() {
        assert_eq!(end_of_day("1970-01-01"), Some(86_400));
        assert_eq!(end_of_day("2000-02-28"), Some(951_782_400));
        assert_eq!(end_of_day("2026-11-20"), Some(1_795_219_200));
        for wrong in
            ["2026-02-29", "2026-13-01", "2026-00-01", "2026-1-01", "2026/01/01", "+026-01-01", ""]
        {
            assert_eq!(end_of_day(wrong), None, "{wrong}");
        }
    }
}
