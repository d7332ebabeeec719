//! Where to cut. Knows bytes and sentences, nothing of components.

/// What a token is taken to be.
pub(crate) const BYTES_PER_TOKEN: usize = 4;

/// The estimated number of tokens, rounded up.
pub(crate) fn tokens(text: &str) -> u32 {
    u32::try_from(text.len().div_ceil(BYTES_PER_TOKEN)).unwrap_or(u32::MAX)
}

/// Cuts into stretches of at most `limit` bytes (at least one character each), whole sentences where they fit.
pub(crate) fn chunks(text: &str, limit: usize) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut start = 0;
    // The end of what is certain to go into the chunk that begins at `start`.
    let mut end = 0;
    for sentence in sentences(text) {
        if sentence - start > limit && end > start {
            chunks.push(&text[start..end]);
            start = end;
        }
        while sentence - start > limit {
            let cut = inside(&text[start..sentence], limit);
            chunks.push(&text[start..start + cut]);
            start += cut;
        }
        end = sentence;
    }
    if end > start {
        chunks.push(&text[start..end]);
    }
    chunks
}

/// The ends of the sentences, each with the space behind it; the last is the end of the text.
fn sentences(text: &str) -> impl Iterator<Item = usize> {
    let mut characters = text.char_indices().peekable();
    let mut done = false;
    std::iter::from_fn(move || {
        // Whether the sentence is over as soon as space follows, and whether it did.
        let (mut closed, mut spaced, mut breaks) = (false, false, 0);
        while let Some(&(at, character)) = characters.peek() {
            if spaced && !character.is_whitespace() {
                return Some(at);
            }
            characters.next();
            match character {
                '.' | '!' | '?' | '…' => closed = true,
                '。' | '！' | '？' => (closed, spaced) = (true, true),
                ')' | ']' | '"' | '\'' | '”' | '’' | '»' => {}
                '\n' => {
                    breaks += 1;
                    // An empty line ends a heading or a paragraph, whatever stands before it.
                    spaced |= closed || breaks > 1;
                }
                c if c.is_whitespace() => spaced |= closed,
                _ => (closed, breaks) = (false, 0),
            }
        }
        (!std::mem::replace(&mut done, true) && !text.is_empty()).then_some(text.len())
    })
}

/// The best place to cut a sentence that is too long: behind the last space, else between characters.
fn inside(sentence: &str, limit: usize) -> usize {
    let hard = sentence.floor_char_boundary(limit);
    if let Some((at, space)) =
        sentence[..hard].char_indices().rev().find(|(_, c)| c.is_whitespace())
    {
        return at + space.len_utf8();
    }
    if hard > 0 { hard } else { sentence.chars().next().map_or(sentence.len(), char::len_utf8) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> Vec<&str> {
        let mut start = 0;
        sentences(text).map(|end| &text[std::mem::replace(&mut start, end)..end]).collect()
    }

    #[test]
    fn sentences_end_where_a_reader_says() {
        assert_eq!(
            cut("It is 3.5 m. Really?! \"Yes.\" End"),
            ["It is 3.5 m. ", "Really?! ", "\"Yes.\" ", "End"]
        );
        assert_eq!(cut("Heading\n\nText goes\non. "), ["Heading\n\n", "Text goes\non. "]);
        assert_eq!(cut("一。二。"), ["一。", "二。"]);
        assert_eq!(cut(""), [""; 0]);
    }

    #[test]
    fn a_sentence_that_is_too_long_is_cut_at_a_space() {
        assert_eq!(chunks("aaa bbb ccc ddd", 8), ["aaa bbb ", "ccc ddd"]);
        assert_eq!(chunks("aaaaaaaaaa", 4), ["aaaa", "aaaa", "aa"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_too_long(text in "(\\PC|[ .!?\n]){0,400}", limit in 4usize..64) {
            let chunks = chunks(&text, limit);
            prop_assert_eq!(chunks.concat(), text.as_str());
            for chunk in chunks {
                prop_assert!(!chunk.is_empty() && chunk.len() <= limit);
            }
        }
    }
}
