//! Ingests pages: fetch, chunk, embed, hash, register.
