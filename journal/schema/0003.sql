-- What accounts with data caps have used per calendar period: sessions.Spent. What running sessions use is in sessions and usage.
CREATE TABLE spent (
    id      INTEGER PRIMARY KEY,                  -- order, for trimming
    account TEXT    NOT NULL,
    period  INTEGER NOT NULL,                     -- 0 day, 1 week, 2 month
    start   TEXT    NOT NULL,                     -- date; empty: the clock was not believable
    up      INTEGER NOT NULL,                     -- octets
    down    INTEGER NOT NULL,
    extra   INTEGER NOT NULL,
    "full"  INTEGER NOT NULL,                     -- which bounds were found used up; 0: none
    UNIQUE (account, period, start)
) STRICT;
