// Package neigh tells which station stands behind an IP address, by the kernel's neighbour table, and behind which bridge
// port a station is; and it hears what stations say of themselves in DHCP, ARP and neighbour discovery. It owns an image
// of the table, kept by netlink events, and writes nothing into the kernel. It must not know zones or sessions: interfaces
// and plain MAC addresses go in and out, and the importer maps them.
//
// The kernel's table is the authority for who is behind a connection: the kernel sends its answers to the MAC address that
// the table has, so who is in there is the one that talks. A sniffed frame proves nothing: anybody can forge it, and it
// needs no answer. So a Sniffer gives names, sightings and evidence of spoofing, and Table.Lookup never asks it. What to make of
// the evidence is the importer's.
//
// How it fails: an address that nobody answers for, that the kernel knows only as incomplete or failed, or that two of
// the interfaces claim has no station; so a guest is never taken for another. Lost events lead to a new listing, an
// interface that went away comes back with its next event. Lookup works without Run too, by asking the kernel. Under a
// flood the kernel drops frames and new stations go unheard: names and evidence are missing, nothing else.
//
// Entry points: New, Table.Run, Table.Lookup, Table.BridgePort; NewSniffer, Sniffer.Run, Sniffer.Facts.
package neigh
