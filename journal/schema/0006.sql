-- What vouchers have used at this gateway is a period (3) that never ends; start is 'life'.
ALTER TABLE spent ADD COLUMN seconds INTEGER NOT NULL DEFAULT 0; -- online
ALTER TABLE spent ADD COLUMN first TEXT;                         -- sessions.Stamp of the first use, JSON
