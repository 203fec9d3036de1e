// Package iptables is the sessions.Enforcer of routers that have iptables-legacy and no nftables (OpenWrt 21.02 and before):
// captive, admit, session timeout, idle timeout, revoke, usage, blocked stations, and nothing more. What it cannot hold
// (caps, rates without a shaper) it refuses; the walled garden and isolation are not in it.
//
// It owns the chains gatehouse…, a jump to each of them in the kernel's own chains, the ipsets gatehouse…, the bits Mask of the
// packet and conntrack marks, and the conntrack entries that carry them. It must not know why a station is admitted, and
// touches no other chain, rule or set.
//
// How it works: in mangle's PREROUTING a station is told apart by zone and MAC, and its id written into the packet mark; nat
// redirects and filter refuses what has no id. The conntrack mark brings the id to the way back. Who is admitted, and what is
// counted, is kept by one of two keepers (decision 0019): ipsets (keeper sets: constant cost, sessions end in the kernel),
// or, where the kernel has no hash:mac or hash:ip,mark, plain rules per station (keeper plain: cost grows with the stations,
// and sessions end by time only while Watch or Usage is called).
//
// Chains are text, loaded by one iptables-restore per family and atomic per table; go-iptables places the jumps. Sets and
// conntrack are netlink.
//
// How it fails: an error of Admit leaves the stations captive. Without the daemon the kernel goes on enforcing, see the
// keepers. When another program removes the rules, zones follow the router's own firewall until the next Reconcile; iptables
// has no events, so Watch looks three times a second.
//
// Entry points: New, Firewall.Reconcile, Firewall.Admit, Firewall.Watch, Firewall.Open, Firewall.CleanUp.
package iptables
