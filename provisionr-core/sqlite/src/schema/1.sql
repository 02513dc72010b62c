CREATE TABLE plan (
    num INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE run (
    num INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    version INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    event TEXT NOT NULL UNIQUE,
    actor TEXT NOT NULL,
    plan BLOB NOT NULL REFERENCES plan (digest),
    opened_at INTEGER NOT NULL,
    length INTEGER NOT NULL,
    head BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    owner TEXT,
    verdict INTEGER,
    -- Kept during a lease: should the worker end, the run is due again.
    due INTEGER,
    -- The earliest wake during a lease.
    woken INTEGER
) STRICT;
CREATE INDEX run_of_subject ON run (subject, id);
CREATE INDEX run_unsettled ON run (id) WHERE verdict IS NULL;
-- None of its columns changes when rows are appended.
CREATE INDEX run_due ON run (rank, due, id) WHERE owner IS NULL AND due IS NOT NULL;

CREATE TABLE journal (
    -- run.num << 32 | seq: one tree, in the order it is read, where (run, seq) as a key would need two.
    place INTEGER PRIMARY KEY,
    format INTEGER NOT NULL,
    -- On the first row of an append.
    append INTEGER,
    hash BLOB NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE link (
    subject TEXT NOT NULL,
    system TEXT NOT NULL,
    account TEXT NOT NULL,
    PRIMARY KEY (subject, system),
    UNIQUE (system, account)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (
    system TEXT NOT NULL,
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    subject TEXT NOT NULL,
    entitlement TEXT NOT NULL,
    run TEXT NOT NULL,
    operation TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (system, account, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE wait (
    run INTEGER NOT NULL REFERENCES run (num),
    operation TEXT NOT NULL,
    since INTEGER NOT NULL,
    looks INTEGER NOT NULL,
    absences INTEGER NOT NULL,
    next_look INTEGER NOT NULL,
    event TEXT,
    PRIMARY KEY (run, operation)
) STRICT, WITHOUT ROWID;
