CREATE TABLE plans (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    name            TEXT    NOT NULL,
    description     TEXT,
    time_seconds    INTEGER,          -- null in this and the following: no bound, or the zone's
    elapsed         INTEGER NOT NULL, -- time runs from the first use on, not only while online
    data_octets     INTEGER,
    rate_up         INTEGER,          -- bit/s
    rate_down       INTEGER,
    devices         INTEGER,
    idle_seconds    INTEGER,
    valid_seconds   INTEGER,          -- from the first use on
    valid_until     INTEGER,
    price           TEXT,
    zones           TEXT    NOT NULL, -- JSON array of names; empty: everywhere
    extendable      INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    created         INTEGER NOT NULL,
    updated         INTEGER NOT NULL,
    UNIQUE (organization_id, name)
) STRICT;
CREATE INDEX plans_organization ON plans (organization_id, created DESC, id DESC);

CREATE TABLE voucher_batches (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    plan_id         INTEGER NOT NULL REFERENCES plans (id),
    note            TEXT,
    quantity        INTEGER NOT NULL,
    created         INTEGER NOT NULL
) STRICT;
CREATE INDEX voucher_batches_organization ON voucher_batches (organization_id, created DESC, id DESC);
CREATE INDEX voucher_batches_plan ON voucher_batches (plan_id);

CREATE TABLE vouchers (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL,
    batch_id        INTEGER NOT NULL REFERENCES voucher_batches (id),
    plan_id         INTEGER NOT NULL REFERENCES plans (id),
    hash            BLOB    NOT NULL UNIQUE, -- keyed, of the code
    sealed          BLOB,                    -- the code, encrypted; null: made without a key
    created         INTEGER NOT NULL,
    revoked         INTEGER,
    valid_until     INTEGER,                 -- instead of the plan's bounds
    extra_seconds   INTEGER NOT NULL DEFAULT 0,
    extra_octets    INTEGER NOT NULL DEFAULT 0,
    first_used      INTEGER,
    last_used       INTEGER,
    used_seconds    INTEGER NOT NULL DEFAULT 0,
    used_octets     INTEGER NOT NULL DEFAULT 0,
    doubled         INTEGER NOT NULL DEFAULT 0 -- two gateways took it for unused
) STRICT;
CREATE INDEX vouchers_time ON vouchers (created DESC, id DESC);
CREATE INDEX vouchers_organization ON vouchers (organization_id, created DESC, id DESC);
CREATE INDEX vouchers_batch ON vouchers (batch_id, created DESC, id DESC);
CREATE INDEX vouchers_plan ON vouchers (plan_id, created DESC, id DESC);

-- What each session of a voucher has used, as its gateway says: cumulative, so that a repetition changes nothing.
CREATE TABLE voucher_sessions (
    voucher_id    INTEGER NOT NULL REFERENCES vouchers (id) ON DELETE CASCADE,
    acctuniqueid  TEXT    NOT NULL,
    acctstarttime INTEGER NOT NULL,
    gateway_id    INTEGER NOT NULL,
    station       TEXT    NOT NULL,
    claimed       INTEGER NOT NULL, -- the gateway took this for the first use
    seconds       INTEGER NOT NULL,
    octets        INTEGER NOT NULL,
    stopped       INTEGER,
    PRIMARY KEY (voucher_id, acctuniqueid, acctstarttime)
) STRICT, WITHOUT ROWID;

ALTER TABLE users ADD COLUMN plan_id INTEGER REFERENCES plans (id);
CREATE INDEX users_joined ON users (organization_id, date_joined DESC, id DESC);
CREATE INDEX users_plan ON users (plan_id) WHERE plan_id IS NOT NULL;

-- Mail, SMS and OpenID Connect of an organisation. What is secret in it is encrypted apart.
CREATE TABLE settings (
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    kind            TEXT    NOT NULL, -- mail, sms, or oidc/NAME
    body            TEXT    NOT NULL, -- JSON, without secrets
    sealed          BLOB,
    version         INTEGER NOT NULL,
    created         INTEGER NOT NULL,
    updated         INTEGER NOT NULL,
    PRIMARY KEY (organization_id, kind)
) STRICT, WITHOUT ROWID;
