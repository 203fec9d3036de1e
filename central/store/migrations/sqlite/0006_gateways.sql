-- What is known of gateways, what is wanted of them, and how they get their tokens.
ALTER TABLE gateways ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE gateways ADD COLUMN location_id INTEGER;
ALTER TABLE gateways ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;  -- of name, location and settings, for ETags
ALTER TABLE gateways ADD COLUMN claimed INTEGER;                      -- since when it has a token of its own
ALTER TABLE gateways ADD COLUMN revoked INTEGER;
-- What it said last.
ALTER TABLE gateways ADD COLUMN last_seen INTEGER;
ALTER TABLE gateways ADD COLUMN address TEXT;
ALTER TABLE gateways ADD COLUMN version TEXT;
ALTER TABLE gateways ADD COLUMN started INTEGER;
ALTER TABLE gateways ADD COLUMN sessions INTEGER;
ALTER TABLE gateways ADD COLUMN backlog INTEGER;
ALTER TABLE gateways ADD COLUMN clock_offset INTEGER;                 -- microseconds; null: it does not know the time
ALTER TABLE gateways ADD COLUMN boot_id TEXT;
ALTER TABLE gateways ADD COLUMN previous_boot_id TEXT;
ALTER TABLE gateways ADD COLUMN conflict INTEGER;                     -- when two machines were last seen under its name
ALTER TABLE gateways ADD COLUMN synced INTEGER NOT NULL DEFAULT 0;    -- how far it has read the change feed
ALTER TABLE gateways ADD COLUMN merged_through INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gateways ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE gateways ADD COLUMN settings_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gateways ADD COLUMN settings_looked INTEGER NOT NULL DEFAULT 0; -- the version that it has looked at
ALTER TABLE gateways ADD COLUMN settings_error TEXT;                  -- why it does not use that one
CREATE INDEX gateways_seen ON gateways (last_seen);

ALTER TABLE tokens ADD COLUMN gateway_id INTEGER REFERENCES gateways (id); -- who may use it; null: any gateway that has none of its own

-- What one gateway shall do once.
CREATE TABLE events (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    key             TEXT    NOT NULL UNIQUE, -- what the gateway knows it by; random, so that no copy of the database uses one twice
    organization_id INTEGER NOT NULL,
    gateway_id      INTEGER NOT NULL REFERENCES gateways (id),
    radacctid       INTEGER,                 -- the session that it is about
    action          TEXT    NOT NULL,
    body            TEXT    NOT NULL,        -- edge.Event, JSON
    state           TEXT    NOT NULL,        -- pending, delivered, done, failed
    reason          TEXT,
    created         INTEGER NOT NULL,
    expires         INTEGER NOT NULL,
    delivered       INTEGER,
    ended           INTEGER
) STRICT;
CREATE INDEX events_open ON events (gateway_id, id) WHERE ended IS NULL;
CREATE INDEX events_organization ON events (organization_id, created DESC, id DESC);

-- Gateways on their way to a token.
CREATE TABLE claims (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    secret_hash     BLOB    NOT NULL UNIQUE, -- SHA-256 of what the gateway asks with
    code            TEXT    UNIQUE,          -- what an operator types; null: made beforehand, or claimed
    gateway_id      INTEGER REFERENCES gateways (id), -- null: not claimed yet
    nas_identifier  TEXT    NOT NULL,
    version         TEXT    NOT NULL,
    address         TEXT    NOT NULL,
    created         INTEGER NOT NULL,
    expires         INTEGER NOT NULL
) STRICT;
CREATE INDEX claims_expires ON claims (expires);
CREATE INDEX claims_gateway ON claims (gateway_id);

-- Whether acctstoptime was not said by anybody, but is the bound of a session whose gateway fell silent.
ALTER TABLE aaa_accounting ADD COLUMN stop_inferred INTEGER NOT NULL DEFAULT 0;
CREATE INDEX aaa_accounting_open_gateway ON aaa_accounting (organization_id, nasidentifier, acctstarttime DESC, radacctid DESC)
    WHERE acctstoptime IS NULL;
CREATE INDEX gateways_created ON gateways (created DESC, id DESC);
