// Package journal keeps, in one SQLite file, all that is made on this gateway and cannot be had again from elsewhere:
// sessions and what they used, accounting records and transactions until the centre has them, the gateway's own accounts,
// password verifiers, rules for stations, what accounts with data caps have used, and when each boot began. It implements
// sessions.Store, sessions.Accounts and sessions.Verifiers,
// and is the outbox that sync empties.
//
// It must not know rules, the wire, or the centre. Bodies are the JSON of sessions types; what is searched has a column.
//
// How it fails: Commit returns an error and nothing of the batch is kept, so the station stays captive. A damaged file is
// left alone, and Open says how to go on. Undelivered records are never dropped to make room; a full disk refuses logins.
//
// Entry points: Open, Journal.Commit, Journal.Load, Journal.Pending, Journal.Run.
package journal
