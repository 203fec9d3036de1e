// Package edge is the contract between a gateway and the centre, /edge/v1/: what the gateway sends up, what it asks, and
// what it is told. Types, constants and a Client over them, standard library only. See CHANGELOG.md beside it for each change.
package edge
