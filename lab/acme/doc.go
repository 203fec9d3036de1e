// Package acme runs what a certificate comes from, for tests: Pebble, the ACME server that Let's Encrypt tests its clients with, and
// a DNS server with a zone that takes dynamic updates (RFC 2136) with a key. Pebble believes what the DNS server says, and nothing else.
//
// It is reached on loopback, or in the namespace in which it was started, and ends with the test. It fails the test.
//
// Entry points: Start, StartAt, Zone.
package acme
