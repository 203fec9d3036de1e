-- Who may send RADIUS accounting.
CREATE TABLE radius_clients (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    name            TEXT    NOT NULL,
    network         TEXT    NOT NULL, -- 192.0.2.0/24; empty: not over UDP
    secret          BLOB, -- encrypted (central/seal)
    certificate     TEXT    NOT NULL, -- a DNS name; empty: not over TLS
    nas_identifier  TEXT    NOT NULL, -- empty: any
    quirks          TEXT    NOT NULL, -- JSON array of words
    version         INTEGER NOT NULL,
    created         INTEGER NOT NULL,
    updated         INTEGER NOT NULL,
    UNIQUE (organization_id, name)
) STRICT;
CREATE UNIQUE INDEX radius_clients_network ON radius_clients (organization_id, network, nas_identifier) WHERE network <> '';
CREATE UNIQUE INDEX radius_clients_certificate ON radius_clients (certificate, nas_identifier) WHERE certificate <> '';
CREATE INDEX radius_clients_organization ON radius_clients (organization_id, created DESC, id DESC);

-- When a NAS said that it begins or ends (Accounting-On, Accounting-Off).
CREATE TABLE radius_boots (
    organization_id INTEGER NOT NULL,
    nas             TEXT    NOT NULL, -- NAS-Identifier and NAS-IP-Address
    at              INTEGER NOT NULL,
    PRIMARY KEY (organization_id, nas, at)
) STRICT, WITHOUT ROWID;

CREATE INDEX aaa_accounting_open_nas ON aaa_accounting (organization_id, nasipaddress, nasidentifier) WHERE acctstoptime IS NULL;
