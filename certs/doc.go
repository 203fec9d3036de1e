// Package certs keeps the portal's certificate: it takes it from where it comes from, checks it as a guest's device would
// (name, chain, dates), and says whether the portal may be named by it and announced by DHCP (RFC 8910).
//
// It owns nothing but what it has read. It must not know how a certificate is served, announced or got: Source hands it
// over, and Keeper.Certificate and State are asked.
//
// How it fails: a certificate that is not good for the name is never served. The portal is then plain HTTP on the address
// literal, and State says what is wrong. A bad file in the place of a good one ends HTTPS, for what is in memory would be
// gone with the next start.
//
// Entry points: New, Keeper.Run.
package certs
