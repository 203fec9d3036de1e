// Command pack builds the programs of gatehouse for each architecture and puts them into Debian packages as the files
// packaging/deb/*.yaml say. It runs at the root of the repository, needs Go and nothing else, and makes the same bytes from
// the same commit.
package main
