-- The rows of one organisation in the order of its lists: a small one does not pay for how large others are.
CREATE INDEX gateways_organization ON gateways (organization_id, created DESC, id DESC);
CREATE INDEX devices_organization ON devices (organization_id, created DESC, id DESC) WHERE implied IS NULL;
CREATE INDEX places_organization ON places (organization_id, kind, created DESC, id DESC);
CREATE INDEX audit_log_organization ON audit_log (organization_id, at DESC, id DESC);
DROP INDEX users_organization;
CREATE INDEX users_organization ON users (organization_id, id);

-- What retention and the erasure of a person look for.
CREATE INDEX portal_logins_created ON portal_logins (organization_id, created);
CREATE INDEX portal_logins_user ON portal_logins (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX gateway_users_user ON gateway_users (user_id);
