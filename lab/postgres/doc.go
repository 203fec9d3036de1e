// Package postgres runs a real PostgreSQL for tests and benches: a server of its own in a temporary folder, reached through a
// socket in that folder and by nobody else, that ends with the process that started it.
//
// It knows nothing of what is stored there. It fails with an error that has the server's log, or the program that is missing.
//
// Entry points: Start, Main and Database for the tests of a package that run on either database.
package postgres
