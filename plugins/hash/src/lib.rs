//! The SHA-256 of texts. Pure: no clock, no network, no files.

/// Gives the SHA-256 of every text.
#[longshore_guest::action(package = "longshore-plugins:hash@1.0.0", interface = "hash")]
pub mod hash {
    use sha2::{Digest, Sha256};

    /// The SHA-256 (FIPS 180-4) of each text's UTF-8 bytes, as 64 lower-case hexadecimal digits, in the order of `texts`.
    pub fn sha256(texts: Vec<String>) -> Vec<String> {
        texts
            .iter()
            .map(|text| Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn the_digests_are_those_of_the_standard_in_order() {
        assert_eq!(
            hash::sha256(vec![String::new(), "abc".into()]),
            [
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ]
        );
    }

    #[test]
    fn the_committed_wit_is_the_code() {
        longshore_guest::testing::check_wit(
            hash::WIT,
            concat!(env!("CARGO_MANIFEST_DIR"), "/wit/hash.wit"),
        );
    }
}
