// Command gatehouse-central is the centre: it makes the database, organisations and tokens, and serves the GATE API and
// the gateways' API.
//
// It owns flags, exit codes and the life of the process, nothing else. Exit codes: 0 done, 1 the thing asked for is not
// so, 2 wrong use, 3 the database cannot be reached now. A command that fails says why in one line on standard error.
package main
