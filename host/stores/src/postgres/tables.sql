-- What a bucket holds is kept beside it, so that a quota is judged without counting; its row is what writers wait for.
CREATE TABLE "{table}_buckets" (
    name text COLLATE "C" PRIMARY KEY,
    bytes bigint NOT NULL,
    keys bigint NOT NULL
);

-- Keys are bytes: they are ordered as such, and may hold NULs.
CREATE TABLE "{table}" (
    bucket text COLLATE "C" NOT NULL REFERENCES "{table}_buckets" (name),
    key bytea NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (bucket, key)
);
