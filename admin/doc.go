// Package admin is what an operator uses on the router itself: the control socket, its server and its client.
//
// It owns the socket file, the lock beside it that keeps a second daemon out, who may talk on it (root, the daemon's own
// user, members of the control group, by the kernel's word), and the wire types. It decides nothing: sessions and
// accounts are reached through the small interfaces that it declares, and it must not know journal, firewall or sync.
//
// How it fails: stations are not touched by any failure here. Without the socket the gateway works on and only the verbs
// say that they cannot reach it (ErrUnreachable). A request ends in an *Error with a code, never in a guess.
//
// Entry points: Listen, Server, Client.
package admin
