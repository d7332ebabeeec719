//! Byte ranges: of a blob that is pulled (RFC 9110, 14.2) and of a chunk that is pushed
//! (distribution spec 1.1).

/// What a `Range` header asks of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: no range, or one that may be ignored (another unit, several ranges, not a range).
    Whole,
    /// The bytes `first..=last`.
    Part { first: u64, last: u64 },
    /// Nothing that the blob has.
    Unsatisfiable,
}

fn number(text: &str) -> Option<u64> {
    // `u64::from_str` would take a sign.
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Reads a `Range` header against a blob of `size` bytes.
pub(crate) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some((first, last)) =
        header.and_then(|text| text.strip_prefix("bytes=")).and_then(|range| range.split_once('-'))
    else {
        return Wanted::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        return match number(last) {
            None => Wanted::Whole,
            Some(0) => Wanted::Unsatisfiable,
            Some(_) if size == 0 => Wanted::Unsatisfiable,
            Some(count) => Wanted::Part { first: size.saturating_sub(count), last: size - 1 },
        };
    }
    let Some(first) = number(first) else { return Wanted::Whole };
    let last = if last.is_empty() { Some(u64::MAX) } else { number(last) };
    match last {
        None => Wanted::Whole,
        Some(last) if last < first => Wanted::Whole,
        Some(_) if first >= size => Wanted::Unsatisfiable,
        Some(last) => Wanted::Part { first, last: last.min(size - 1) },
    }
}

/// Reads the `Content-Range` of a chunk, `<first>-<last>` (with or without `bytes `): the bounds
/// are inclusive.
pub(crate) fn chunk(header: &str) -> Option<(u64, u64)> {
    let text =
        header.strip_prefix("bytes").map_or(header, |rest| rest.trim_start_matches([' ', '=']));
    let text = text.split_once('/').map_or(text, |(range, _)| range);
    let (first, last) = text.split_once('-')?;
    let (first, last) = (number(first.trim())?, number(last.trim())?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_the_blob_or_refused() {
        let part = |first, last| Wanted::Part { first, last };
        for (header, want) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-", part(2, 9)),
            ("bytes=2-99", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-99", part(0, 9)),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=99999999999999999999-", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("bytes=", Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(header), 10), want, "{header}");
        }
        assert_eq!(wanted(None, 10), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=-1"), 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn a_chunk_says_where_it_starts_and_ends() {
        assert_eq!(chunk("0-9"), Some((0, 9)));
        assert_eq!(chunk("bytes 5-9/*"), Some((5, 9)));
        for wrong in ["", "9-0", "a-b", "-5", "5-", "+1-2"] {
            assert_eq!(chunk(wrong), None, "{wrong}");
        }
    }
}
