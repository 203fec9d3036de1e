-- Tokens: what they are for, how long and from where they may be used. Rotating one keeps its old secret for a while.
ALTER TABLE tokens ADD COLUMN name           TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN description    TEXT;
ALTER TABLE tokens ADD COLUMN networks       TEXT; -- CIDRs with commas; null: from anywhere
ALTER TABLE tokens ADD COLUMN expires        INTEGER;
ALTER TABLE tokens ADD COLUMN revoked        INTEGER;
ALTER TABLE tokens ADD COLUMN last_used      INTEGER;
ALTER TABLE tokens ADD COLUMN previous_hash  BLOB;
ALTER TABLE tokens ADD COLUMN previous_until INTEGER;
CREATE UNIQUE INDEX tokens_previous ON tokens (previous_hash) WHERE previous_hash IS NOT NULL;

-- What a user may do at the API by its own name; null: nothing but its own user token.
ALTER TABLE users ADD COLUMN api_role TEXT;

-- One user token (a pair of codes) a user at most. The row outlives its user until it is used or purged.
CREATE TABLE pass_codes (
    user_id         INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL, -- of the user when it was made
    user_code       TEXT    NOT NULL UNIQUE,
    hash            BLOB    NOT NULL, -- SHA-256; the pass code itself is nowhere
    created         INTEGER NOT NULL
) STRICT;

-- The audit log: a chain of entries for each organisation. Rows are only ever added; persons are in it by pseudonyms.
CREATE TABLE audit_log (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    at              INTEGER NOT NULL,
    actor           TEXT    NOT NULL,
    role            TEXT    NOT NULL,
    address         TEXT    NOT NULL,
    request         TEXT    NOT NULL,
    action          TEXT    NOT NULL, -- create, update, delete
    object          TEXT    NOT NULL,
    object_id       TEXT    NOT NULL,
    changes         TEXT    NOT NULL, -- JSON: {"field": [before, after]}
    hash            BLOB    NOT NULL, -- SHA-256 of the one before and of this row
    UNIQUE (organization_id, seq)
) STRICT;
CREATE INDEX audit_log_time ON audit_log (at DESC, id DESC);
CREATE INDEX audit_log_object ON audit_log (object_id, at DESC, id DESC);
CREATE TRIGGER audit_log_stays BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER audit_log_is_kept BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;

-- Where each chain ends.
CREATE TABLE audit_heads (
    organization_id INTEGER PRIMARY KEY,
    seq             INTEGER NOT NULL,
    hash            BLOB    NOT NULL
) STRICT;

-- The keys of persons' pseudonyms. Deleting one makes the pseudonyms of that person meaningless, for ever.
CREATE TABLE audit_persons (
    user_id INTEGER PRIMARY KEY,
    key     BLOB NOT NULL
) STRICT;

-- Answers to requests with an Idempotency-Key, kept for a day.
CREATE TABLE idempotency_keys (
    caller      TEXT    NOT NULL, -- token 7, user 5
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL, -- SHA-256 of method, path and body
    attempt     INTEGER NOT NULL, -- who may commit; a later one takes over from a process that died
    begun       INTEGER NOT NULL,
    committed   INTEGER NOT NULL DEFAULT 0, -- the change is in the database
    status      INTEGER,          -- null: not answered
    answer      BLOB,             -- sealed with a key that only the caller has
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_begun ON idempotency_keys (begun);
