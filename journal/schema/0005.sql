-- What ended sessions spent of a lease of time (sessions.LeaseMark).
CREATE INDEX sessions_lease ON sessions (json_extract(body, '$.lease.id')) WHERE json_extract(body, '$.lease.id') IS NOT NULL;
