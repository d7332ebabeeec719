//! The hash chain: hash n = SHA-256(domain ‖ hash n-1 ‖ bytes n).
//!
//! Every hash stands for the whole history up to its entry, so that a receipt needs to name only
//! the last one. The domain's text is of fixed length, as the previous hash is, so no two inputs
//! can be cut up differently into the same bytes.

use longshore_reference::{Digest, Hasher};

/// What every hash begins with: it belongs to this chain and to nothing else that is hashed.
const DOMAIN: &[u8] = b"longshore/journal-entry/v1\n";

/// The hash before entry 0.
pub const GENESIS: Digest = Digest::from_bytes([0; 32]);

/// A chain that is being written or checked.
#[derive(Clone, Debug)]
pub struct Chain {
    head: Digest,
}

impl Chain {
    /// The chain before entry 0.
    #[must_use]
    pub const fn new() -> Self {
        Self { head: GENESIS }
    }

    /// The chain after an entry with the hash `head`.
    #[must_use]
    pub const fn after(head: Digest) -> Self {
        Self { head }
    }

    /// The hash of the last entry.
    #[must_use]
    pub const fn head(&self) -> Digest {
        self.head
    }

    /// Adds an entry's bytes and returns its hash.
    pub fn push(&mut self, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(DOMAIN);
        hasher.update(self.head.as_bytes());
        hasher.update(bytes);
        self.head = hasher.finish();
        self.head
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_what_its_definition_says() {
        let mut chain = Chain::new();
        let first = chain.push(b"one");
        let second = chain.push(b"two");
        let by_hand = |previous: &[u8], bytes: &[u8]| {
            Digest::of(&[b"longshore/journal-entry/v1\n", previous, bytes].concat())
        };
        assert_eq!(first, by_hand(&[0; 32], b"one"));
        assert_eq!(second, by_hand(first.as_bytes(), b"two"));
        assert_eq!(chain.head(), second);
    }
}
