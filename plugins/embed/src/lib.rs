//! Embeds text by deterministic feature hashing into 256 dimensions.
