-- Times are microseconds since 1970, UTC. Ids are never used again (AUTOINCREMENT), because gateways remember them.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE organizations (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    parent_id   INTEGER REFERENCES organizations (id),
    short_name  TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    description TEXT,
    created     INTEGER NOT NULL,
    updated     INTEGER NOT NULL
) STRICT;
CREATE INDEX organizations_parent ON organizations (parent_id);

CREATE TABLE tokens (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    role            TEXT    NOT NULL,
    hash            BLOB    NOT NULL UNIQUE, -- SHA-256; the token itself is nowhere
    created         INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id    INTEGER NOT NULL REFERENCES organizations (id),
    username           TEXT    NOT NULL,
    username_folded    TEXT    NOT NULL, -- lower case, for the partial match
    password_hash      TEXT,             -- null: nobody can log in
    credential_version INTEGER NOT NULL,
    external_id        TEXT,
    klass              TEXT,
    email              TEXT,
    first_name         TEXT,
    last_name          TEXT,
    is_active          INTEGER NOT NULL,
    description        TEXT,
    date_joined        INTEGER NOT NULL,
    first_login        INTEGER,
    last_login         INTEGER,
    expiration         INTEGER,
    avatar_url         TEXT,
    UNIQUE (username, organization_id)
) STRICT;
CREATE INDEX users_organization ON users (organization_id);

CREATE TABLE profiles (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    short_name      TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    description     TEXT,
    reply_attribute TEXT    NOT NULL, -- JSON array of {attribute, op, value}
    check_attribute TEXT    NOT NULL,
    UNIQUE (organization_id, short_name)
) STRICT;

CREATE TABLE user_profiles (
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    profile_id INTEGER NOT NULL REFERENCES profiles (id),
    PRIMARY KEY (user_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_profiles_profile ON user_profiles (profile_id);

CREATE TABLE gateways (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    nas_identifier  TEXT    NOT NULL,
    created         INTEGER NOT NULL,
    UNIQUE (organization_id, nas_identifier)
) STRICT;

-- Which accounts a gateway has seen. A row outlives its user, so that the gateway hears of the deletion.
CREATE TABLE gateway_users (
    gateway_id INTEGER NOT NULL REFERENCES gateways (id),
    user_id    INTEGER NOT NULL,
    PRIMARY KEY (gateway_id, user_id)
) STRICT, WITHOUT ROWID;

-- The change feed: one row per object, at its last change. A row whose object is gone is a tombstone.
CREATE TABLE changes (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    kind            TEXT    NOT NULL, -- user, profile
    object_id       INTEGER NOT NULL,
    organization_id INTEGER NOT NULL,
    UNIQUE (kind, object_id)
) STRICT;

CREATE TABLE aaa_accounting (
    radacctid             INTEGER PRIMARY KEY, -- (seconds since 2020 of acctstarttime) << 22 | sequence
    organization_id       INTEGER NOT NULL,
    acctuniqueid          TEXT    NOT NULL,
    acctstarttime         INTEGER NOT NULL,
    acctsessionid         TEXT    NOT NULL,
    acctmultisessionid    TEXT,
    username              TEXT    NOT NULL,
    user_id               INTEGER,
    nasipaddress          TEXT    NOT NULL,
    nasidentifier         TEXT,
    nasportid             TEXT,
    nasporttype           TEXT,
    acctupdatetime        INTEGER NOT NULL,
    acctstoptime          INTEGER,
    acctinterval          INTEGER,
    acctsessiontime       INTEGER NOT NULL,
    acctauthentic         TEXT,
    acctinputoctets       INTEGER NOT NULL,
    acctoutputoctets      INTEGER NOT NULL,
    acctinputpackets      INTEGER NOT NULL,
    acctoutputpackets     INTEGER NOT NULL,
    calledstationid       TEXT,
    callingstationid      TEXT,
    acctterminatecause    TEXT,
    servicetype           TEXT,
    framedipaddress       TEXT,
    klass                 TEXT,
    location_id           INTEGER,
    location_name         TEXT,
    access_point_id       INTEGER,
    access_point_name     TEXT,
    access_point_mac_addr TEXT,
    ssid                  TEXT,
    user_transaction      TEXT -- edge id of the transaction that began the session
) STRICT;
CREATE UNIQUE INDEX aaa_accounting_key ON aaa_accounting (organization_id, acctuniqueid, acctstarttime);
CREATE INDEX aaa_accounting_time ON aaa_accounting (acctstarttime DESC, radacctid DESC);
CREATE INDEX aaa_accounting_organization ON aaa_accounting (organization_id, acctstarttime DESC, radacctid DESC);
CREATE INDEX aaa_accounting_user ON aaa_accounting (user_id, acctstarttime DESC, radacctid DESC)
    WHERE user_id IS NOT NULL;
CREATE INDEX aaa_accounting_location ON aaa_accounting (location_id, acctstarttime DESC, radacctid DESC)
    WHERE location_id IS NOT NULL;
CREATE INDEX aaa_accounting_access_point ON aaa_accounting (access_point_id, acctstarttime DESC, radacctid DESC)
    WHERE access_point_id IS NOT NULL;
CREATE INDEX aaa_accounting_open ON aaa_accounting (organization_id, acctstarttime DESC, radacctid DESC)
    WHERE acctstoptime IS NULL;
CREATE INDEX aaa_accounting_open_time ON aaa_accounting (acctstarttime DESC, radacctid DESC)
    WHERE acctstoptime IS NULL;

CREATE TABLE user_agents (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    text TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE txlog_portal (
    id                INTEGER PRIMARY KEY, -- (seconds since 2020 of datetime) << 22 | sequence
    organization_id   INTEGER NOT NULL,
    edge_id           TEXT    NOT NULL,
    datetime          INTEGER NOT NULL,
    type              TEXT    NOT NULL,
    status            TEXT    NOT NULL,
    message           TEXT,
    user_id           INTEGER,
    username          TEXT,
    email             TEXT,
    external_id       TEXT,
    session_id        TEXT,
    site              TEXT,
    page_url          TEXT,
    action            TEXT,
    location_id       INTEGER,
    location_name     TEXT,
    access_point_id   INTEGER,
    access_point_name TEXT,
    ssid              TEXT,
    user_agent_id     INTEGER REFERENCES user_agents (id),
    remote_ip         TEXT,
    mac               TEXT
) STRICT;
CREATE UNIQUE INDEX txlog_portal_key ON txlog_portal (organization_id, edge_id, datetime);
CREATE INDEX txlog_portal_time ON txlog_portal (datetime DESC, id DESC);
CREATE INDEX txlog_portal_organization ON txlog_portal (organization_id, datetime DESC, id DESC);
CREATE INDEX txlog_portal_type ON txlog_portal (organization_id, type, datetime DESC, id DESC);
CREATE INDEX txlog_portal_user ON txlog_portal (user_id, datetime DESC, id DESC) WHERE user_id IS NOT NULL;
CREATE INDEX txlog_portal_location ON txlog_portal (location_id, datetime DESC, id DESC) WHERE location_id IS NOT NULL;
CREATE INDEX txlog_portal_access_point ON txlog_portal (access_point_id, datetime DESC, id DESC)
    WHERE access_point_id IS NOT NULL;
