// Package leak proves by packets who may pass: testdata/who-may-pass.txt is the table, by a station's state and by kind of
// traffic, for operators to read; its tests send every cell's packets through a gateway, and change the states of 200 stations
// at random while these send.
//
// It owns the table and the tests, and no code that ships. It must not know how a backend does its work: packets go in at
// one end and are seen, or not, at the others.
//
// How it fails: a packet that arrives against the table, and one that does not arrive against it, are both failures that name
// the cell. A packet that reaches the internet while its station is not admitted is told with its time and its station's history.
//
// Entry points: TestWhoMayPass, TestRandomChanges; `go test ./firewall/leak`, for long with GATEHOUSE_SOAK=1.
package leak
