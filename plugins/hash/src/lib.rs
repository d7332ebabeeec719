//! Gives the SHA-256 of every chunk of a text.
