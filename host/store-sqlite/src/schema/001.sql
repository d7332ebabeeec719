-- Ids and digests are raw bytes, times are microseconds since the Unix epoch.

CREATE TABLE runs (
    id        BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    component BLOB    NOT NULL,
    reference TEXT    NOT NULL,
    function  TEXT    NOT NULL,
    started   INTEGER NOT NULL,
    ended     INTEGER,
    state     TEXT    NOT NULL,
    entries   INTEGER NOT NULL,
    head      BLOB    NOT NULL CHECK (length(head) = 32)
) STRICT, WITHOUT ROWID;

-- For lists of one state, newest first.
CREATE INDEX runs_by_state ON runs (state, id);

-- Ids sort by time, so entries land at the end of the tree, a run's side by side.
CREATE TABLE entries (
    run   BLOB    NOT NULL,
    seq   INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    hash  BLOB    NOT NULL CHECK (length(hash) = 32),
    bytes BLOB    NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE receipts (
    position INTEGER NOT NULL PRIMARY KEY,
    run      BLOB    NOT NULL UNIQUE,
    previous BLOB,
    digest   BLOB    NOT NULL CHECK (length(digest) = 32),
    bytes    BLOB    NOT NULL
) STRICT;
