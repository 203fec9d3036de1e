// Command gatehouse-lab shows and measures gatehouse in a lab of kernel namespaces: the demo, the benches and the soak.
// It is never shipped. It runs the programs that `make build` left in bin/.
//
// How it fails: exit code 1 when one observation or budget does not hold, 2 for wrong use.
package main
