// Package store is the centre's database: organisations, tokens, users, AAA profiles, gateways, accounting, the
// transaction log and the change feed, in SQLite.
//
// It owns the SQL, the schema and the rule by which accounting is merged (DESIGN D12, D13); rows come out in the shapes of
// api/gate and go in as api/edge sends them. Every reading takes the organisations it may see; it must not know who asks
// or how, and never sees a request.
//
// It fails with ErrNotFound, a *DuplicateError, or ErrUnavailable when the database cannot be used at the moment (locked,
// full, closed, unreadable); a write that returned nil is on disk.
//
// Entry points: Migrate, Open, Store.Ingest, Store.Changes, Store.Accounting, Store.Authentication.
package store
