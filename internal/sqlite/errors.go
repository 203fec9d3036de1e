package sqlite

import (
	"errors"
	"fmt"
	"slices"
)

// What can be wrong with a database. The errors of this package wrap them; their text names the file and the mend.
var (
	ErrDamaged    = errors.New("database is damaged")
	ErrFull       = errors.New("no room left for the database")
	ErrReadOnly   = errors.New("database cannot be written")
	ErrNewer      = errors.New("database was written by a newer version")
	ErrBusy       = errors.New("database is in use by another process")
	ErrUnique     = errors.New("a row with this key exists")
	ErrForeignKey = errors.New("a row that this one refers to does not exist, or one refers to it")
)

func sentinels() []error {
	return []error{ErrDamaged, ErrFull, ErrReadOnly, ErrNewer, ErrBusy, ErrUnique, ErrForeignKey}
}

// The result codes that mean something to an operator or a caller (sqlite.org/rescode.html).
const (
	codePerm          = 3
	codeBusy          = 5
	codeReadOnly      = 8
	codeCorrupt       = 11
	codeFull          = 13
	codeCantOpen      = 14
	codeNotADB        = 26
	codeForeignKey    = 787
	codePrimaryKey    = 1555
	codeUnique        = 2067
	codeRowID         = 2579
	codeIOErrShmSize  = 4874 // the shared-memory file could not be made larger: the disk is full
	primaryCodeOfMask = 0xff
)

// Err gives an error that came out of a query its meaning by SQLite's result code: it wraps the sentinel, names the
// file and the mend, and keeps err in the chain. Other errors, and nil, are returned as they are.
func (db *DB) Err(err error) error { return mapError(db.path, db.options.Loss, err) }

func mapError(path, loss string, err error) error {
	code, ok := resultCode(err)
	if !ok || slices.ContainsFunc(sentinels(), func(s error) bool { return errors.Is(err, s) }) {
		return err
	}
	switch code {
	case codeUnique, codePrimaryKey, codeRowID:
		return fmt.Errorf("%w: %w", ErrUnique, err)
	case codeForeignKey:
		return fmt.Errorf("%w: %w", ErrForeignKey, err)
	case codeIOErrShmSize:
		return full(path, err)
	}
	switch code & primaryCodeOfMask {
	case codeCorrupt, codeNotADB:
		return damaged(path, loss, err)
	case codeFull:
		return full(path, err)
	case codePerm, codeReadOnly, codeCantOpen:
		return unwritable(path, err)
	case codeBusy:
		return fmt.Errorf("%w: %s: stop the other one first: %w", ErrBusy, path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

func full(path string, err error) error {
	return fmt.Errorf("%w: %s: make room on the file system that holds it: %w", ErrFull, path, err)
}

func unwritable(path string, err error) error {
	return fmt.Errorf("%w: %s: give the user that this program runs as the right to write the file and its folder: %w", ErrReadOnly, path, err)
}

func damaged(path, loss string, detail error) error {
	if loss != "" {
		loss = " (lost with them: " + loss + ")"
	}
	return fmt.Errorf("%w: %s: %w; the file was left as it is. Put a copy in its place, or move it, %[2]s-wal and %[2]s-shm to another folder and start again%[4]s",
		ErrDamaged, path, detail, loss)
}
