// Package config turns a TOML file into a typed Config, strictly: an unknown key, a bare number where a time is meant, or
// two zones on one interface are errors, and all of them are told at once, each with its key, what is wrong and the mend.
//
// It owns the words of the configuration file; reference.toml beside it documents every one. It reads the file named, the
// terms and token files named in it, and nothing else: no clock, no network, no kernel. Whether an interface exists is
// not its business.
//
// How it fails: Load and Parse return Problems and no Config, so that nobody can start with half a configuration.
//
// Entry points: Load, Parse, and LoadWith and ParseWith for what the centre sets on top.
package config
