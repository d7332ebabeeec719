-- What a bucket holds is kept beside it, so that a quota is judged without counting.
CREATE TABLE buckets (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    bytes INTEGER NOT NULL,
    keys INTEGER NOT NULL
) STRICT;

-- Keys are bytes: they are ordered as such, and may hold NULs.
CREATE TABLE pairs (
    bucket INTEGER NOT NULL REFERENCES buckets (id),
    key BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (bucket, key)
) STRICT;
