// Package edge is the contract between a gateway and the centre, /edge/v1/: what the gateway sends up, what it asks, and
// what it is told. Only types and constants, standard library only. See CHANGELOG.md beside it for each change.
package edge
