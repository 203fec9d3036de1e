// Package sqlite opens SQLite for both programs: the driver, the pragmas of every connection, schema migrations, group
// commit, checkpoints, and errors that say what to do. It is the only importer of a SQLite driver.
//
// It knows nothing of what is stored: the schema and the statements are the caller's.
//
// How it fails: a file that is damaged, too new, not writable or without room is never changed; the error wraps one of the
// sentinels of this package and carries the path and the mend. A database file exists under its name only once it is
// complete, so an empty one is damage and not a new database.
//
// Entry points: Open, DB.Write, DB.Read, DB.Checkpoint.
package sqlite
