-- Vouchers of a gateway that has no centre. What they have used is in spent.
CREATE TABLE voucher_batches (
    id      INTEGER PRIMARY KEY,
    plan    TEXT NOT NULL,                        -- sessions.Plan, JSON
    note    TEXT NOT NULL,
    made_at TEXT NOT NULL                         -- RFC 3339
) STRICT;

CREATE TABLE vouchers (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,    -- never given twice: the ledger and the accounting name it
    batch   INTEGER NOT NULL,
    hash    TEXT NOT NULL UNIQUE,                 -- keyed hash of the code, hexadecimal
    revoked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX vouchers_batch ON vouchers (batch);
-- Above those of a centre that the gateway may join one day.
INSERT INTO sqlite_sequence (name, seq) VALUES ('vouchers', 1000000000);

-- Keys that this gateway has made.
CREATE TABLE keys (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;
