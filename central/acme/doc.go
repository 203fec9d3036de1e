// Package acme gets certificates for gateways' portals from an ACME server (RFC 8555): it proves by a record in the DNS (DNS-01)
// that a name is ours, and hands over a signing request whose key it never sees.
//
// It keeps nothing: accounts, orders and what came of them are the caller's. It fails with an error in the words of the server
// that refused, and leaves no record behind in the DNS unless the DNS server refuses that too.
//
// Entry points: Issuer, NewProvider.
package acme
