-- Which process does a job that one of several does. A holder that died is followed when its time is over.
CREATE TABLE turns (
    name   TEXT    PRIMARY KEY,
    holder TEXT    NOT NULL,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Days of an organisation whose sessions have changed since their figures were made. Every batch of records adds rows of its
-- own, so that writers never wait for one another here, and none is lost that commits while the figures are made.
CREATE TABLE rollup_dirty (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL,
    day             INTEGER NOT NULL -- since 1970, UTC
) STRICT;

-- Figures of sessions by when they began. They are made anew from the sessions, never added to, and outlive them.
CREATE TABLE rollup_hours (
    organization_id INTEGER NOT NULL,
    hour            INTEGER NOT NULL, -- since 1970, UTC
    sessions        INTEGER NOT NULL,
    PRIMARY KEY (organization_id, hour)
) STRICT, WITHOUT ROWID;
CREATE TABLE rollup_days (
    organization_id INTEGER NOT NULL,
    day             INTEGER NOT NULL,
    location_id     INTEGER NOT NULL, -- 0: none
    sessions        INTEGER NOT NULL,
    input_octets    INTEGER NOT NULL,
    output_octets   INTEGER NOT NULL,
    PRIMARY KEY (organization_id, day, location_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE rollup_users (
    organization_id INTEGER NOT NULL,
    day             INTEGER NOT NULL,
    users           INTEGER NOT NULL,
    PRIMARY KEY (organization_id, day)
) STRICT, WITHOUT ROWID;

-- For how long rows of a class are kept, where that is not the default; 0: for ever.
CREATE TABLE retention (
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    class           TEXT    NOT NULL,
    days            INTEGER NOT NULL,
    PRIMARY KEY (organization_id, class)
) STRICT, WITHOUT ROWID;

-- Up to when an organisation's sessions have been deleted: what was counted of them stays as it is.
CREATE TABLE retention_done (
    organization_id INTEGER PRIMARY KEY,
    before          INTEGER NOT NULL -- microseconds
) STRICT;

-- Persons who are being forgotten, and those who have been: what comes late about them is recognised by it.
CREATE TABLE erasures (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL,
    user_id         INTEGER NOT NULL UNIQUE,
    pseudonym       TEXT    NOT NULL, -- random
    requested       INTEGER NOT NULL,
    step            INTEGER NOT NULL, -- of the job
    position        INTEGER NOT NULL, -- within the step
    changed_rows    INTEGER NOT NULL,
    finished        INTEGER           -- null: not yet
) STRICT;
CREATE INDEX erasures_open ON erasures (id) WHERE finished IS NULL;

-- The names that they had, as keyed hashes; the name itself only until the job is done.
CREATE TABLE erased_names (
    name_hash       BLOB    NOT NULL,
    erasure_id      INTEGER NOT NULL REFERENCES erasures (id),
    organization_id INTEGER NOT NULL,
    name            TEXT,
    PRIMARY KEY (name_hash, erasure_id)
) STRICT, WITHOUT ROWID;
