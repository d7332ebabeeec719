-- Ids and digests are raw bytes, times are microseconds since the Unix epoch.

CREATE TABLE longshore.runs (
    id         bytea   NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    component  bytea   NOT NULL,
    reference  text    NOT NULL,
    function   text    NOT NULL,
    started    bigint  NOT NULL,
    ended      bigint,
    state      text    NOT NULL,
    entries    bigint  NOT NULL,
    head       bytea   NOT NULL CHECK (octet_length(head) = 32),
    fence      bigint  NOT NULL,
    host       bytea   CHECK (octet_length(host) = 16),
    held_until bigint  CHECK ((held_until IS NULL) = (host IS NULL)),
    waits_on   text,
    wake_at    bigint,
    posted     bigint  NOT NULL DEFAULT 0,
    taken      bigint  NOT NULL DEFAULT 0,
    -- From when on a host may take the run. The rule is the journal's (`RunSummary::due`); it stands
    -- here so that it can be searched for.
    due        bigint  GENERATED ALWAYS AS (
        CASE
            WHEN state <> 'open' THEN NULL
            WHEN held_until IS NOT NULL THEN held_until
            WHEN waits_on = 'divergence' THEN NULL
            WHEN waits_on IS NOT NULL AND posted = taken THEN wake_at
            ELSE 0
        END
    ) STORED
) WITH (fillfactor = 70);

CREATE INDEX runs_by_state ON longshore.runs (state, id);
CREATE INDEX runs_by_component ON longshore.runs (component, id);
CREATE INDEX runs_by_due ON longshore.runs (due, id) WHERE due IS NOT NULL;

CREATE TABLE longshore.entries (
    run   bytea  NOT NULL,
    seq   bigint NOT NULL,
    at    bigint NOT NULL,
    hash  bytea  NOT NULL CHECK (octet_length(hash) = 32),
    bytes bytea  NOT NULL,
    PRIMARY KEY (run, seq)
);

-- A letter that was taken keeps its row, so that it is known when it comes again, and loses its bytes.
CREATE TABLE longshore.letters (
    run   bytea  NOT NULL,
    seq   bigint NOT NULL,
    id    bytea  NOT NULL CHECK (octet_length(id) = 16),
    at    bigint NOT NULL,
    bytes bytea,
    PRIMARY KEY (run, seq),
    UNIQUE (run, id)
);

CREATE INDEX letters_waiting ON longshore.letters (run, seq) WHERE bytes IS NOT NULL;

CREATE TABLE longshore.receipts (
    position bigint NOT NULL PRIMARY KEY,
    run      bytea  NOT NULL UNIQUE,
    previous bytea,
    digest   bytea  NOT NULL CHECK (octet_length(digest) = 32),
    bytes    bytea  NOT NULL
);
