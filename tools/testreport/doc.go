// Command testreport reads the output of `go test -json` and prints of it what a person wants to see: a line per package as it
// ends, all output of what failed, the time each package took beside its budget, and the number of tests that passed,
// failed and were skipped.
//
// It also compares the tests that ran in the lab with the list of those that must have run. It ends with 1 when a test
// failed, when -strict is given and one was skipped, and when the lists differ.
package main
