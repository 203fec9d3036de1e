// Package seal encrypts what the centre must be able to read again but a copy of its database must not tell: codes of vouchers
// for a reprint, passwords of mail servers and of other services.
//
// The key is the operator's, in a file or in the environment, never in the database. It must not know what is sealed. It fails
// with an error when the key is another one or the text was changed.
//
// Entry points: Load, Key.Seal, Key.Open.
package seal
