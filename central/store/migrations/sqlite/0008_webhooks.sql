-- Who wants to be told of events.
CREATE TABLE webhooks (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    name            TEXT    NOT NULL,
    url             TEXT    NOT NULL,
    events          TEXT    NOT NULL, -- JSON array of kinds
    secret          BLOB    NOT NULL, -- encrypted (central/seal)
    is_active       INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    created         INTEGER NOT NULL,
    updated         INTEGER NOT NULL
) STRICT;
CREATE INDEX webhooks_organization ON webhooks (organization_id, created DESC, id DESC);

-- The outbox: what happened that somebody wants to be told of, written in the transaction in which it happened.
CREATE TABLE webhook_events (
    id              TEXT    PRIMARY KEY,
    organization_id INTEGER NOT NULL,
    kind            TEXT    NOT NULL,
    at              INTEGER NOT NULL,
    user_id         INTEGER, -- whom it is about
    body            TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_events_at ON webhook_events (at);
CREATE INDEX webhook_events_user ON webhook_events (user_id) WHERE user_id IS NOT NULL;

CREATE TABLE webhook_deliveries (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id  INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id    TEXT    NOT NULL REFERENCES webhook_events (id) ON DELETE CASCADE,
    state       TEXT    NOT NULL, -- waiting, delivered, dead
    attempts    INTEGER NOT NULL,
    next_at     INTEGER NOT NULL, -- while it is being tried: when the one who does so is given up
    deadline    INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    last_at     INTEGER,
    last_status INTEGER, -- of HTTP
    last_error  TEXT,
    UNIQUE (webhook_id, event_id)
) STRICT;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_at, id) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_list ON webhook_deliveries (webhook_id, created DESC, id DESC);
CREATE INDEX webhook_deliveries_event ON webhook_deliveries (event_id);
