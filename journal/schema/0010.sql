-- Proofs of user tokens stand beside those of passwords: whose account it is, where the name is not the account's.
ALTER TABLE verifiers ADD COLUMN account TEXT NOT NULL DEFAULT '';
CREATE INDEX verifiers_account ON verifiers (account) WHERE account <> '';
