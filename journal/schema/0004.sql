-- Orders of the centre that were dealt with, so that none is carried out twice.
CREATE TABLE settled (
    id       INTEGER PRIMARY KEY,                 -- order, for trimming
    order_id TEXT NOT NULL UNIQUE                 -- the centre's
) STRICT;
