-- Sessions, what they used, and what the centre must hear of them.
CREATE TABLE sessions (
    id              INTEGER PRIMARY KEY,          -- order of their starts, for trimming
    acct_session_id TEXT    NOT NULL UNIQUE,
    open            INTEGER NOT NULL,             -- 1: running or resumable, what Load returns
    body            TEXT    NOT NULL              -- sessions.Session, JSON
) STRICT;
CREATE INDEX sessions_open ON sessions (id) WHERE open = 1;

CREATE TABLE usage (
    id   INTEGER PRIMARY KEY CHECK (id = 1),      -- the last flush only
    body BLOB NOT NULL                            -- all running sessions, packed: usage.go
) STRICT;

CREATE TABLE transactions (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL                            -- sessions.Transaction, JSON
) STRICT;

-- Numbers are never used again (AUTOINCREMENT), so a late answer of the centre can only mean the row it was given for.
CREATE TABLE outbox (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT NOT NULL,                        -- Start, Interim-Update, Stop, transaction
    session TEXT NOT NULL,                        -- Acct-Session-Id; empty for a transaction
    tx      INTEGER,                              -- transactions.id, for a transaction
    body    TEXT                                  -- sessions.AccountingRecord, JSON, for the others
) STRICT;
CREATE INDEX outbox_session ON outbox (session, kind);
CREATE INDEX outbox_tx ON outbox (tx) WHERE tx IS NOT NULL;

CREATE TABLE rejected (
    seq     INTEGER PRIMARY KEY,                  -- as it was in the outbox
    kind    TEXT NOT NULL,
    session TEXT NOT NULL,
    body    TEXT NOT NULL,
    code    TEXT NOT NULL,                        -- the centre's
    message TEXT NOT NULL
) STRICT;

-- Who may log in: the gateway's own accounts, and proofs of passwords of the centre's.
CREATE TABLE accounts (
    username      TEXT    PRIMARY KEY,            -- compared octet by octet
    password_hash TEXT    NOT NULL,               -- argon2id, PHC form
    active        INTEGER NOT NULL,
    expiration    TEXT,                           -- RFC 3339; NULL: never
    class         TEXT    NOT NULL,
    limits        TEXT    NOT NULL                -- sessions.Limits, JSON
) STRICT;

CREATE TABLE verifiers (
    username           TEXT    PRIMARY KEY,
    hash               TEXT    NOT NULL,
    credential_version INTEGER NOT NULL,
    made_at            TEXT    NOT NULL           -- sessions.Stamp, JSON
) STRICT;

-- The wall time at which each boot began, where it is known.
CREATE TABLE boots (
    id      INTEGER PRIMARY KEY,                  -- order, for trimming
    boot_id TEXT    NOT NULL UNIQUE,
    zero    TEXT    NOT NULL                      -- RFC 3339
) STRICT;
