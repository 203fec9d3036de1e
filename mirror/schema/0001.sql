CREATE TABLE accounts (
    user_id            INTEGER PRIMARY KEY,       -- the centre's; survives a change of the name
    username           TEXT    NOT NULL UNIQUE,   -- compared octet by octet
    credential_version INTEGER NOT NULL,
    active             INTEGER NOT NULL,
    expiration         TEXT,                      -- RFC 3339; NULL: never
    class              TEXT    NOT NULL,
    limits             TEXT    NOT NULL,          -- sessions.Limits, JSON
    stale              INTEGER NOT NULL DEFAULT 0 -- 1: not told again since the last Reset
) STRICT;

CREATE TABLE account_profiles (
    user_id    INTEGER NOT NULL REFERENCES accounts (user_id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    short_name TEXT    NOT NULL,                  -- its profile may come later, or never
    PRIMARY KEY (user_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_profiles_name ON account_profiles (short_name);

CREATE TABLE profiles (
    id         INTEGER PRIMARY KEY,
    short_name TEXT    NOT NULL UNIQUE,
    limits     TEXT    NOT NULL,                  -- sessions.Limits, JSON
    stale      INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE feed (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    cursor TEXT NOT NULL
) STRICT;
