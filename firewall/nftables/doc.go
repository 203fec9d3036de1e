// Package nftables is the sessions.Enforcer of routers with nftables: the table inet gatehouse, and nothing else.
//
// It owns that table, the bits Mask of the packet and conntrack marks, and the conntrack entries that carry them. It
// must not know why a station is admitted, and never touches another owner's table, rule or interface: every verdict
// stands in a chain that only a zone's packets reach.
//
// How it works (DESIGN D1): a station is looked up by zone and MAC and its id written into the packet mark; what follows
// asks sets by that id: sess and idle (who is still admitted; elements that the kernel lets expire by itself),
// up and down (counters, without a timeout, because an expiring element takes its counter along). The way down finds
// the id in the conntrack mark. Both ways ask first for a lease, which spares most packets these questions (decision
// 0011). A grant is told apart after a restart by the comment of its element in up.
//
// A captive station that proves who its guest is has a reach, a short way out: an id that is never admitted (decision 0032).
//
// Rules are text, loaded by one nft transaction in Reconcile and Open; sets and their elements outlive that.
// Everything else is netlink over one lasting socket. (The socket is our own few lines, not a library's: a batch needs
// one acknowledgement at its end and the number of the message that failed, dumps of 5,000 counters must not cost
// 10 MB, and single elements must be readable.)
//
// How it fails: an error of Admit leaves the stations captive. Without the daemon the kernel goes on enforcing: sessions
// end on time, captive stations stay captive. When another program removes the table, zones follow the router's own
// firewall until the next Reconcile; Watch tells at once, Usage (sessions.ErrEnforcerLost) when it is asked. Connections
// outlast that: a session that was there gets the id back that its connections carry.
//
// Entry points: New, Firewall.Reconcile, Firewall.Admit, Firewall.Watch, Firewall.Open, Firewall.CleanUp.
package nftables
