// Package isolate keeps the stations of a zone from one another where the zone's interface is a bridge of this router,
// around another sessions.Enforcer that decides who gets through to elsewhere.
//
// It owns the table bridge gatehouse, and the flag "isolated" of those bridge ports to which it has given it: their alias
// says so, because nothing else lasts exactly as long as the flag and is there when the daemon, its state and its
// configuration are not. A flag that an operator has set stays. It must not know who a guest is: a grant names the account
// whose stations belong together.
//
// How it works: where isolation is total, every port of the bridge is isolated, and the kernel compares two bits. Where a
// zone has exceptions (devices that all share, the devices of one account among themselves), rules on forwarding
// between its ports let pass the pairs of MAC addresses that may meet, what discovery needs between them, and nothing
// else: no DHCP, no router advertisement, nobody who speaks with the router's address. The router itself is never
// isolated. What stations of one port exchange behind it, on an access point or a switch, never comes here. A bridge that
// has become part of the zone, or a port of it, is isolated when the kernel tells of it.
//
// How it fails: isolation is never given up for an exception: without rules for bridges in the kernel, ports are
// isolated and exceptions do not work. What cannot be isolated is told by Mechanisms and in the log. Without the daemon all
// stays as it is, but for new ports, which are not isolated, and for rules that others delete.
//
// Entry points: Around, Isolator.Run, Isolator.Mechanisms.
package isolate
