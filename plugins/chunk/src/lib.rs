//! Cuts text into chunks on sentence boundaries. Pure: no clock, no network, no files.
//!
//! A token is estimated as four bytes of UTF-8, rounded up, which is what English prose averages under the common
//! byte-pair vocabularies. Chunks put together again are the text, byte for byte.

/// Cuts text into chunks of about `max-tokens` tokens, on sentence boundaries.
///
/// A token is estimated as four bytes of UTF-8. The chunks, put together, are the text again.
#[longshore_guest::action(package = "longshore-plugins:chunk@1.0.0", interface = "chunk")]
pub mod chunk {
    use longshore_guest::{Failure, settings};

    use crate::cut;

    /// What the setting `max-tokens` may be.
    const RANGE: std::ops::RangeInclusive<i64> = 50..=4000;

    /// A stretch of the text.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Chunk {
        /// Its place, from 0.
        pub index: u32,
        /// The text, with the space that follows it.
        pub text: String,
        /// How many tokens it is estimated to have.
        pub tokens: u32,
    }

    /// Cuts `text`; without `max-tokens` the setting of that name decides (500 by default).
    ///
    /// Fails, fatally, with `bad-max-tokens` when the number is not between 50 and 4000.
    pub fn split(text: String, max_tokens: Option<u32>) -> Result<Vec<Chunk>, Failure> {
        let max = match max_tokens {
            Some(max) => i64::from(max),
            None => settings::integer("max-tokens")?.unwrap_or(crate::DEFAULT_MAX_TOKENS),
        };
        if !RANGE.contains(&max) {
            return Err(Failure::fatal(
                "bad-max-tokens",
                format!("`max-tokens` is `{max}`, and must be between 50 and 4000"),
            ));
        }
        let chunks = cut::chunks(&text, max as usize * cut::BYTES_PER_TOKEN);
        Ok(chunks
            .into_iter()
            .zip(0..)
            .map(|(text, index)| Chunk { index, tokens: cut::tokens(text), text: text.to_owned() })
            .collect())
    }
}

mod cut;

/// What the setting `max-tokens` is without a host that knows the schema.
const DEFAULT_MAX_TOKENS: i64 = 500;

#[cfg(test)]
mod tests {
    use super::chunk::{self, split};
    use longshore_guest::{FailureClass, testing};

    #[test]
    fn the_setting_decides_when_the_call_does_not_say() {
        let text = "One sentence of nine words stands here in line. ".repeat(40);
        let by_setting = testing::with_settings(&serde_json::json!({ "max-tokens": 60 }), || {
            split(text.clone(), None)
        });
        assert_eq!(by_setting, split(text.clone(), Some(60)));
        assert_ne!(by_setting, split(text, None), "the default is 500");
    }

    #[test]
    fn a_number_out_of_range_is_refused_for_good() {
        let failure = split("text".into(), Some(3)).unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Fatal, "bad-max-tokens"));
    }

    #[test]
    fn indices_count_up_and_no_chunk_exceeds_the_estimate() {
        let chunks = split("Short one. ".repeat(500), Some(50)).unwrap();
        assert!(chunks.len() > 10);
        for (place, chunk) in chunks.iter().enumerate() {
            assert_eq!(chunk.index as usize, place);
            assert!(chunk.tokens <= 50);
            assert!(chunk.text.ends_with(". "), "cut inside a sentence: {:?}", chunk.text);
        }
    }

    #[test]
    fn the_committed_wit_is_the_code() {
        testing::check_wit(chunk::WIT, concat!(env!("CARGO_MANIFEST_DIR"), "/wit/chunk.wit"));
    }
}
