//! Embeds text by feature hashing. Pure: no model, no clock, no network, no files; the same text always gives the same numbers.
//!
//! This is the hashing trick (Weinberger and others, 2009), not a learned model: it finds texts that share words, not
//! texts that share meaning. It needs no download and gives the same bits on every machine, which is what a pipeline
//! that is to be replayed wants.

/// Embeds text by deterministic feature hashing into 256 dimensions; it knows words, not meanings.
#[longshore_guest::action(package = "longshore-plugins:embed@1.0.0", interface = "embed")]
pub mod embed {
    /// A vector of length one with 256 numbers for each text, in the order of `texts`; zeros for a text without words.
    ///
    /// Features are lower-case words and pairs of neighbours.
    pub fn embed(texts: Vec<String>) -> Vec<Vec<f32>> {
        texts.iter().map(|text| crate::vector(text)).collect()
    }
}

/// How many numbers a vector has; a power of two.
const DIMENSIONS: usize = 256;

/// A pair says more than its words alone and is rarer, so it weighs less.
const PAIR_WEIGHT: f64 = 0.5;

fn vector(text: &str) -> Vec<f32> {
    let mut sums = [0f64; DIMENSIONS];
    let mut before: Option<String> = None;
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        add(&mut sums, &[word.as_bytes()], 1.0);
        if let Some(before) = before.replace(word.clone()) {
            add(&mut sums, &[before.as_bytes(), b" ", word.as_bytes()], PAIR_WEIGHT);
        }
    }
    // In doubles and in one order, so that every machine rounds alike.
    let length = sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    sums.iter().map(|sum| (sum * scale) as f32).collect()
}

/// Low bits choose the dimension, the top bit the sign, so that collisions cancel instead of adding up.
fn add(sums: &mut [f64; DIMENSIONS], parts: &[&[u8]], weight: f64) {
    let hash = mixed(parts);
    let place = usize::try_from(hash % DIMENSIONS as u64).unwrap_or_default();
    sums[place] += if hash >> 63 == 0 { weight } else { -weight };
}

/// FNV-1a of 64 bits, then the finaliser of MurmurHash3: FNV alone leaves the top bit nearly constant for short words.
fn mixed(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().copied().flatten() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::embed;

    fn one(text: &str) -> Vec<f32> {
        embed::embed(vec![text.to_owned()]).remove(0)
    }

    fn likeness(left: &str, right: &str) -> f32 {
        one(left).iter().zip(one(right)).map(|(l, r)| l * r).sum()
    }

    #[test]
    fn vectors_have_length_one_and_256_numbers() {
        let vector = one("A harbour at night, seen from the longshore.");
        assert_eq!(vector.len(), 256);
        let length = vector.iter().map(|x| x * x).sum::<f32>();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
        assert_eq!(one(" .,"), vec![0.0; 256]);
    }

    #[test]
    fn texts_that_share_words_are_nearer() {
        let near = likeness("the ship left the harbour", "a ship enters the harbour");
        let far = likeness("the ship left the harbour", "numbers grow without bound");
        assert!(near > 0.3 && near > far + 0.2, "{near} {far}");
        assert!(
            (likeness("Ship, SHIP!", "ship ship") - 1.0).abs() < 1e-5,
            "case and punctuation are no words"
        );
    }

    #[test]
    fn the_numbers_never_change() {
        let vector = one("cargo");
        let at = vector.iter().position(|x| *x != 0.0);
        assert_eq!(vector.iter().filter(|x| **x != 0.0).count(), 1);
        assert_eq!((at, at.map(|at| vector[at])), PINNED);
    }

    /// The only number of `cargo`'s vector that is not zero: stored vectors depend on it.
    const PINNED: (Option<usize>, Option<f32>) = (Some(34), Some(-1.0));

    #[test]
    fn the_committed_wit_is_the_code() {
        longshore_guest::testing::check_wit(
            embed::WIT,
            concat!(env!("CARGO_MANIFEST_DIR"), "/wit/embed.wit"),
        );
    }
}
