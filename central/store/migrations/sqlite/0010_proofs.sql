-- Proofs of who a guest is, while they are being given, and for two days after it: they are counted against limits.
CREATE TABLE proofs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    ticket_hash     BLOB    NOT NULL UNIQUE, -- of what the gateway asks with
    link_hash       BLOB    UNIQUE,          -- of what decides from elsewhere: a sponsor's link, a provider's way back
    code_hash       BLOB,                    -- keyed; of what the guest was sent
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    gateway_id      INTEGER NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    zone            TEXT    NOT NULL,
    station         TEXT    NOT NULL, -- Calling-Station-Id
    method          TEXT    NOT NULL,
    channel         TEXT    NOT NULL, -- what a message goes by: email, sms; empty: none is sent
    contact         TEXT    NOT NULL, -- to whom
    locale          TEXT    NOT NULL,
    state           TEXT    NOT NULL, -- pending, ready, given, denied
    tries           INTEGER NOT NULL, -- left
    body            TEXT    NOT NULL, -- the method's own; empty once it is over
    user_id         INTEGER,
    created         INTEGER NOT NULL,
    expires         INTEGER NOT NULL
) STRICT;
CREATE INDEX proofs_created ON proofs (created);
CREATE INDEX proofs_contact ON proofs (organization_id, contact, created);
CREATE INDEX proofs_station ON proofs (organization_id, station, created);
CREATE INDEX proofs_channel ON proofs (organization_id, channel, created);
CREATE INDEX proofs_user ON proofs (user_id);
CREATE INDEX proofs_over ON proofs (expires) WHERE body <> '';
