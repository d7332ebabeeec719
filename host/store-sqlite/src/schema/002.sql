-- Who advances a run (a lease, and a fence that only grows), what a run waits for, and its letters.

ALTER TABLE runs ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN host BLOB CHECK (length(host) = 16);
ALTER TABLE runs ADD COLUMN held_until INTEGER CHECK ((held_until IS NULL) = (host IS NULL));
ALTER TABLE runs ADD COLUMN waits_on TEXT;
ALTER TABLE runs ADD COLUMN wake_at INTEGER;
ALTER TABLE runs ADD COLUMN posted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN taken INTEGER NOT NULL DEFAULT 0;

-- From when on a host may take the run. The rule is the journal's (`RunSummary::due`); it stands here
-- so that it can be searched for.
ALTER TABLE runs ADD COLUMN due INTEGER AS (
    CASE
        WHEN state <> 'open' THEN NULL
        WHEN held_until IS NOT NULL THEN held_until
        WHEN waits_on = 'divergence' THEN NULL
        WHEN waits_on IS NOT NULL AND posted = taken THEN wake_at
        ELSE 0
    END
);

CREATE INDEX runs_by_due ON runs (due) WHERE due IS NOT NULL;

-- For lists of one component, newest first. (Ids sort by time: a span of time needs no index.)
CREATE INDEX runs_by_component ON runs (component, id);

-- A letter that was taken keeps its row, so that it is known when it comes again, and loses its bytes.
CREATE TABLE letters (
    run   BLOB    NOT NULL,
    seq   INTEGER NOT NULL,
    id    BLOB    NOT NULL CHECK (length(id) = 16),
    at    INTEGER NOT NULL,
    bytes BLOB,
    PRIMARY KEY (run, seq),
    UNIQUE (run, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX letters_waiting ON letters (run, seq) WHERE bytes IS NOT NULL;
