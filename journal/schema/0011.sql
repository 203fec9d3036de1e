-- Guests and their rooms, from an operator's list: no names, only keyed hashes of room and name. Gone after the check-out.
CREATE TABLE stays (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given twice: the ledger and the accounting name it
    guest    TEXT    NOT NULL,                    -- hexadecimal
    room     TEXT    NOT NULL,
    from_at  INTEGER NOT NULL,                    -- Unix seconds
    until_at INTEGER NOT NULL,
    limits   TEXT    NOT NULL,                    -- sessions.Limits, JSON
    UNIQUE (guest, from_at)
) STRICT;
