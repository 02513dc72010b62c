-- Events that led to a run which another had opened; those that opened one stand in its row.
CREATE TABLE event (
    id TEXT PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run (num)
) STRICT, WITHOUT ROWID;

CREATE TABLE subject (
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE inbox (
    run INTEGER NOT NULL REFERENCES run (num),
    seq INTEGER NOT NULL,
    -- By which a message that is sent again is recognised.
    id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    -- Null once it is taken.
    bytes BLOB,
    PRIMARY KEY (run, seq),
    UNIQUE (run, id)
) STRICT, WITHOUT ROWID;

-- Which runs of a subject another has to stand up to, without those of its past.
CREATE INDEX run_standing ON run (subject) WHERE verdict IS NULL;
