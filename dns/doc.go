// Package dns forwards the queries of captive stations to the router's own resolver, and learns on the way which
// addresses the names of a zone's walled garden have (DESIGN D4).
//
// It owns the sockets that it is given and what it remembers of stations' rates, all of it bounded. It must not know the
// firewall, the configuration or who is captive: the firewall leads captive stations here, Config.Learn carries addresses
// to it, Config.Identify tells who asks. Answers pass unchanged; of its own it says only where the portal is, by the
// portal's own name, and SERVFAIL, REFUSED, FORMERR and NOTIMP.
//
// What a station may ask is limited in queries and in octets, far above what a phone needs and far below what a tunnel
// does. A station above it is told REFUSED, and nothing any more when it does not listen.
//
// How it fails: when the resolver does not answer, SERVFAIL; when addresses cannot be learned, the answer leaves all the
// same, the garden stays closed for them, and the log says so. Without the daemon captive stations have no DNS, as they
// have no portal.
//
// Entry points: New, Forwarder.Serve.
package dns
