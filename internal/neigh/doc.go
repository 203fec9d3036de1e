// Package neigh tells which station stands behind an IP address, by the kernel's neighbour table, and behind which bridge
// port a station is. It owns an image of the table, kept by netlink events, and writes nothing into the kernel. It must
// not know zones or sessions: interfaces and plain MAC addresses go in and out, and the importer maps them.
//
// How it fails: an address that nobody answers for, that the kernel knows only as incomplete or failed, or that two of
// the interfaces claim has no station; so a guest is never taken for another. Lost events lead to a new listing, an
// interface that went away comes back with its next event. Lookup works without Run too, by asking the kernel.
//
// Entry points: New, Table.Run, Table.Lookup, Table.BridgePort.
package neigh
