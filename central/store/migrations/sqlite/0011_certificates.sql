-- The certificates that gateways asked for, one row for each key.
CREATE TABLE certificates (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    gateway_id INTEGER NOT NULL REFERENCES gateways (id),
    name       TEXT    NOT NULL,
    key_hash   BLOB    NOT NULL, -- SHA-256 of the public key
    csr        BLOB    NOT NULL,
    created    INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER,          -- of the next attempt; null: issued
    problem    TEXT,             -- of the last one
    chain      TEXT,             -- PEM
    not_after  INTEGER
) STRICT;
CREATE INDEX certificates_gateway ON certificates (gateway_id, id);
CREATE INDEX certificates_due ON certificates (next_at) WHERE next_at IS NOT NULL;

-- Keys of accounts at ACME servers.
CREATE TABLE acme_accounts (
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    directory       TEXT    NOT NULL,
    sealed          BLOB    NOT NULL, -- encrypted (central/seal)
    created         INTEGER NOT NULL,
    PRIMARY KEY (organization_id, directory)
) STRICT, WITHOUT ROWID;
