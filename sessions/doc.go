// Package sessions is the domain of gatehouse: stations, accounts, limits, sessions and what is recorded of them.
//
// It owns the rules (who may log in, for how long, what is accounted, which transaction is logged) and the state
// machine of a session, and it declares the small interfaces through which it reaches the world: Enforcer (the kernel),
// Store (the journal), Accounts and Authority (who knows users). It does no I/O of its own and never sees a wire type.
//
// How it fails: an error before the journal holds the Start leaves the station captive; an error after it leaves a
// session that is accounted. A station is never admitted without a durable Start, and never kept on after its Stop.
//
// Entry points: New, Manager.Start, Manager.Run, Manager.Login, Manager.Logout, Manager.Extend.
package sessions
