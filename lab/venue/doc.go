// Package venue is a lab in which the real programs run: gatehouse on the gateway, gatehouse-central in the internet, and
// guests who use the portal as a phone does. The demo, the benches and the end-to-end tests stand on it.
//
// It owns the configuration files and the processes, and knows the programs only from outside: their command lines, their
// HTTP and the GATE API. It must not reach into their packages.
//
// How it fails: every error carries what the program said.
//
// Entry points: New, Venue.StartGateway, Venue.StartCentre, Venue.AddGuest.
package venue
