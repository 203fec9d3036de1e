-- Receipts of accepted terms of use, and the texts that were accepted.
CREATE TABLE consents (
    id       INTEGER PRIMARY KEY,                 -- order, for trimming
    username TEXT NOT NULL,                       -- as accounted; a MAC address where the session is nobody's
    body     TEXT NOT NULL                        -- sessions.Consent, JSON
) STRICT;
CREATE INDEX consents_username ON consents (username);

CREATE TABLE terms (
    hash TEXT PRIMARY KEY,                        -- SHA-256 of the text, hexadecimal
    body TEXT NOT NULL                            -- the text
) STRICT;

-- What devices have used of a free trial on the last day on which they had one: sessions.TrialUse.
CREATE TABLE trials (
    id     INTEGER PRIMARY KEY,                   -- order, for trimming
    zone   TEXT    NOT NULL,
    mac    TEXT    NOT NULL,
    day    TEXT    NOT NULL,                      -- date; empty: the clock was not believable
    time   INTEGER NOT NULL,                      -- nanoseconds
    octets INTEGER NOT NULL,
    UNIQUE (zone, mac)
) STRICT;
