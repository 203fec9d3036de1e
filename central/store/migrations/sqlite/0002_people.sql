-- What an organisation is, besides its name and its place in the tree. lease_time and lease_grace are seconds: how much of a
-- user's time balance one gateway is lent, and how much it may let him overdraw while the centre is away.
ALTER TABLE organizations ADD COLUMN is_active INTEGER NOT NULL DEFAULT 1;
ALTER TABLE organizations ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE organizations ADD COLUMN name_folded TEXT NOT NULL DEFAULT '';
ALTER TABLE organizations ADD COLUMN country_code TEXT;
ALTER TABLE organizations ADD COLUMN platform INTEGER NOT NULL DEFAULT 1;
ALTER TABLE organizations ADD COLUMN display_name TEXT;
ALTER TABLE organizations ADD COLUMN website TEXT;
ALTER TABLE organizations ADD COLUMN industry TEXT;
ALTER TABLE organizations ADD COLUMN size TEXT;
ALTER TABLE organizations ADD COLUMN timezone TEXT NOT NULL DEFAULT 'UTC';
ALTER TABLE organizations ADD COLUMN date_format TEXT NOT NULL DEFAULT 'YYYY-MM-DD';
ALTER TABLE organizations ADD COLUMN currency TEXT NOT NULL DEFAULT 'USD';
ALTER TABLE organizations ADD COLUMN language TEXT NOT NULL DEFAULT 'en-US';
ALTER TABLE organizations ADD COLUMN plan TEXT;
ALTER TABLE organizations ADD COLUMN subscription_status TEXT NOT NULL DEFAULT 'active';
ALTER TABLE organizations ADD COLUMN subscription_expires INTEGER;
ALTER TABLE organizations ADD COLUMN features TEXT NOT NULL DEFAULT '["api_access"]';
ALTER TABLE organizations ADD COLUMN max_users INTEGER;
ALTER TABLE organizations ADD COLUMN max_api_calls INTEGER;
ALTER TABLE organizations ADD COLUMN logo_url TEXT;
ALTER TABLE organizations ADD COLUMN primary_color TEXT;
ALTER TABLE organizations ADD COLUMN secondary_color TEXT;
ALTER TABLE organizations ADD COLUMN lease_time INTEGER NOT NULL DEFAULT 3600;
ALTER TABLE organizations ADD COLUMN lease_grace INTEGER NOT NULL DEFAULT 900;
UPDATE organizations SET name_folded = lower(name);

-- Of the older form of user_token: its token's SHA-256 and its last characters; profile_data is {max_sessions, access_level, ...}.
ALTER TABLE users ADD COLUMN source_id INTEGER;
ALTER TABLE users ADD COLUMN updated INTEGER;
ALTER TABLE users ADD COLUMN token_hash BLOB;
ALTER TABLE users ADD COLUMN token_hint TEXT;
ALTER TABLE users ADD COLUMN profile_data TEXT NOT NULL DEFAULT '{}';

-- The ledger of time: seconds, negative where they are taken. Nothing in it is ever changed or deleted, and it outlives the
-- user; the balance is the sum. A spend tells of which session (counted: how much of it is in the ledger by now) and lease.
CREATE TABLE user_time (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    INTEGER NOT NULL,
    kind       TEXT   NOT NULL, -- grant, spend, expire, refund
    seconds    INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    expires    INTEGER,          -- of a grant
    grant_id   INTEGER,          -- of an expire: which grant
    reason     TEXT,
    reference  TEXT,
    actor      TEXT   NOT NULL, -- who: token 7, gateway 3, centre
    session_id INTEGER,          -- aaa_accounting.radacctid, of a spend; the next two are its key, which outlives the row
    session    TEXT,            -- acctuniqueid
    began      INTEGER,          -- acctstarttime
    counted    INTEGER,
    lease_id   INTEGER
) STRICT;
CREATE INDEX user_time_user ON user_time (user_id, id, seconds);
CREATE INDEX user_time_session ON user_time (session, began, user_id, counted) WHERE session IS NOT NULL;
CREATE INDEX user_time_lease ON user_time (lease_id, seconds) WHERE lease_id IS NOT NULL;

CREATE TRIGGER user_time_unchanged BEFORE UPDATE ON user_time BEGIN
    SELECT RAISE(ABORT, 'user_time is only ever added to');
END;
CREATE TRIGGER user_time_kept BEFORE DELETE ON user_time BEGIN
    SELECT RAISE(ABORT, 'user_time is only ever added to');
END;

-- Who pays with time, and since when. Whoever writes to a user's ledger locks the row by counting up changes; due is when
-- something in the ledger expires next.
CREATE TABLE wallets (
    user_id INTEGER PRIMARY KEY,
    since   INTEGER NOT NULL,
    changes INTEGER NOT NULL,
    due     INTEGER
) STRICT;
CREATE INDEX wallets_due ON wallets (due) WHERE due IS NOT NULL;

-- The slices of balances that gateways may spend. seconds: in all, since the lease began.
CREATE TABLE time_leases (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    INTEGER NOT NULL,
    gateway_id INTEGER NOT NULL REFERENCES gateways (id),
    seconds    INTEGER NOT NULL,
    grace      INTEGER NOT NULL,
    began      INTEGER NOT NULL,
    ends       INTEGER NOT NULL,
    is_open    INTEGER NOT NULL
) STRICT;
CREATE INDEX time_leases_user ON time_leases (user_id, gateway_id, id);
CREATE UNIQUE INDEX time_leases_open ON time_leases (user_id, gateway_id) WHERE is_open;
CREATE INDEX time_leases_ends ON time_leases (ends) WHERE is_open;

CREATE TABLE user_extra (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    parent          INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    age             INTEGER,
    accept_terms    INTEGER,
    title           TEXT,
    gender          TEXT,
    birthday        TEXT,
    age_range       TEXT,
    telephone       TEXT,
    address         TEXT,
    city            TEXT,
    state           TEXT,
    postal_code     TEXT,
    country         TEXT,
    country_id      TEXT,
    company         TEXT,
    tax_id          TEXT,
    passport_number TEXT,
    hometown        TEXT,
    location        TEXT,
    locale          TEXT,
    event           TEXT,
    custom_field_1  TEXT,
    custom_field_2  TEXT,
    custom_field_3  TEXT,
    custom_field_4  TEXT,
    custom_field_5  TEXT,
    custom_field_6  TEXT,
    custom_field_7  TEXT,
    custom_field_8  TEXT
) STRICT;
CREATE INDEX user_extra_parent ON user_extra (parent);
CREATE INDEX user_extra_event ON user_extra (event) WHERE event IS NOT NULL;
