// Package radius is RADIUS accounting: packets and what they say (RFC 2865, 2866, 2869), and a listener for them over UDP
// and over TLS (RFC 6614). It is the only user of the RADIUS library, which has no Message-Authenticator and no TLS.
//
// It owns authenticators, duplicates and answers, and knows who may send from a table that it is given. What a record means
// for a session is the business of the Accountant that it hands each one to: a request is answered once that says the
// record is kept, and never otherwise. It keeps nothing itself but the answers of the last half minute.
//
// It fails towards silence: what is malformed, of an unknown client or signed with another secret is dropped and counted,
// and a NAS that hears nothing sends again.
//
// Entry points: New, Server.SetClients, Server.ServeUDP, Server.ServeTLS; Accounting, Decode and Encode for either end.
package radius
