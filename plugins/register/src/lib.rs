//! Registers chunks in a granted folder, a JSON file for each, named by the hash. Touches `/store` and nothing else.

/// Registers chunks in the granted folder `/store`, idempotently by hash.
#[longshore_guest::action(package = "longshore-plugins:register@1.0.0", interface = "register")]
pub mod register {
    use longshore_guest::Failure;

    use crate::store;

    /// A chunk to register.
    #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    pub struct Entry {
        /// The SHA-256 of `text`, 64 lower-case hexadecimal digits.
        pub hash: String,
        /// The text itself.
        pub text: String,
        /// The estimated number of tokens.
        pub tokens: u32,
        /// The vector of the text.
        pub embedding: Vec<f32>,
        /// Where the text comes from; the first source is kept.
        pub source: String,
    }

    /// What became of the entries: their hashes, in the order given.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct Registered {
        /// Written by this call.
        pub new: Vec<String>,
        /// There before, and left as they were.
        pub existing: Vec<String>,
    }

    /// Writes every entry that is not there yet; calling again with the same entries changes nothing.
    ///
    /// Fails, fatally, with `bad-hash` when a hash is not that of its text (nothing is written then), and with `io` when the
    /// folder cannot be written to.
    pub fn put(entries: Vec<Entry>) -> Result<Registered, Failure> {
        store::put(
            std::path::Path::new("/store"),
            &entries,
            &longshore_guest::attempt::idempotency_key(),
        )
    }
}

mod store;

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_wit_is_the_code() {
        longshore_guest::testing::check_wit(
            super::register::WIT,
            concat!(env!("CARGO_MANIFEST_DIR"), "/wit/register.wit"),
        );
    }
}
