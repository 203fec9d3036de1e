-- Profiles are kept as the centre has them, because their checks are for each login to answer; and accounts may have a lease of
-- time. The next reading of the feed tells all anew.
DROP TABLE profiles;
CREATE TABLE profiles (
    id         INTEGER PRIMARY KEY,
    short_name TEXT    NOT NULL UNIQUE,
    body       TEXT    NOT NULL,                  -- sessions.Profile, JSON
    stale      INTEGER NOT NULL DEFAULT 0
) STRICT;
ALTER TABLE accounts ADD COLUMN lease TEXT;       -- sessions.Lease, JSON; NULL: none
DELETE FROM feed;
