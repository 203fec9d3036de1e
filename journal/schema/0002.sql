-- What was decided about MAC addresses while the gateway ran: by the operator, by a zone's answer to a suspicion, by a limit.
CREATE TABLE access (
    kind TEXT NOT NULL,
    zone TEXT NOT NULL,                           -- empty: every zone
    mac  TEXT NOT NULL,
    body TEXT NOT NULL,                           -- sessions.AccessRule, JSON
    PRIMARY KEY (kind, zone, mac)
) STRICT;
