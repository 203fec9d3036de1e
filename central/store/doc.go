// Package store is the centre's database: organisations, tokens, users, AAA profiles, gateways, accounting, the
// transaction log, the change feed and the audit log, in SQLite or PostgreSQL.
//
// It owns the SQL, the schema and the rule by which accounting is merged (DESIGN D12, D13); rows come out in the shapes of
// api/gate and go in as api/edge sends them. Every reading takes the organisations it may see; it must not know who asks
// or how, and never sees a request.
//
// Every write that somebody asks for is in the audit log: its function says what it changed by one line,
//
//	return tx.audit("plan", id, organization, before, after)
//
// where before and after are what JSON shows of the thing (before is nil when it is made, after when it is deleted), or by
// tx.auditPerson("user_extra", userID, organization, before, after) for what belongs to a user: then the log has pseudonyms. Values
// of fields that are called password, secret, token, key, code and the like are masked; further arguments are names of secrets that
// were set and are in neither value. Who did it comes with the context (WithActor), and the entry commits with the change. What
// gateways and devices report (accounting, transactions, logs of connections) is a log itself and is not audited.
//
// It fails with ErrNotFound, a *DuplicateError, or ErrUnavailable when the database cannot be used at the moment (locked,
// full, closed, unreadable); a write that returned nil is on disk.
//
// Entry points: Migrate, Open, Store.Ingest, Store.Changes, Store.Accounting, Store.Authentication.
package store
