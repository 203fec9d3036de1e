-- What the sessions of an account at other gateways have lasted: sessions.Marks, JSON; NULL: nothing that counts.
ALTER TABLE accounts ADD COLUMN elsewhere TEXT;
-- The next reading of the feed tells it.
DELETE FROM feed;
