//! Registers chunks in a granted folder, idempotently by hash.
