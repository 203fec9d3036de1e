-- What happened to stations that were shown a page, found by the code on it.
CREATE TABLE visits (
    id      INTEGER PRIMARY KEY,
    code    TEXT NOT NULL UNIQUE,
    station TEXT NOT NULL,        -- zone/mac
    body    TEXT NOT NULL         -- sessions.Visit, JSON
) STRICT;
CREATE INDEX visits_station ON visits (station);
