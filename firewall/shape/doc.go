// Package shape gives stations their bandwidth, up and down, and zones theirs, around another sessions.Enforcer that
// decides who gets through.
//
// It owns the table netdev gatehouse, the interfaces gh-ifb… and, on a zone's interface, the root queue with the handle
// of ours. It must not know why a station has a rate, and never replaces a queue that somebody else put there, on any
// interface.
//
// How it works: a map from a station's MAC to its class (one hash lookup, no tc filter) sets the packet's priority, by
// which HTB finds the class. The way down is marked and queued where packets leave towards the zone. The way up is
// marked where they arrive and led through an IFB, an interface that is only a queue: they come back where they were
// and go their way through all other rules. Where the queue is somebody else's, or there is no IFB, a set with a limit
// per station drops what is too much. Zones without any rate have neither hook nor queue; stations without a rate pay
// one lookup in zones with some.
//
// How it fails: an error of Admit leaves the stations captive, for a rate that does not hold would be free bandwidth.
// Without the daemon the kernel goes on shaping. When another program takes the table or the queues away stations are
// unshaped until the next Reconcile; Usage tells (sessions.ErrEnforcerLost).
//
// Entry points: Around, Shaper.Mechanisms.
package shape
