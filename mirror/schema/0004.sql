CREATE TABLE plans (
    id    INTEGER PRIMARY KEY,
    body  TEXT    NOT NULL,                       -- sessions.Plan, JSON
    stale INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE vouchers (
    id      INTEGER PRIMARY KEY,
    hash    BLOB    NOT NULL UNIQUE,              -- of the code, with voucher_key
    plan_id INTEGER NOT NULL,                     -- may come later
    body    TEXT    NOT NULL,                     -- sessions.KnownVoucher without plan and hash, JSON
    stale   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE voucher_key (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    key BLOB NOT NULL
) STRICT;
ALTER TABLE accounts ADD COLUMN plan_id INTEGER NOT NULL DEFAULT 0;
-- A program that knew no vouchers left them out: the next reading tells all anew.
DELETE FROM feed;
