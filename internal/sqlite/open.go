package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Synchronous is PRAGMA synchronous.
type Synchronous string

// How much a commit waits for the device.
const (
	Full   Synchronous = "FULL"   // a commit that returned survives a power cut
	Normal Synchronous = "NORMAL" // a power cut may take the last commits, never the order or the file
	Off    Synchronous = "OFF"    // for tests that must see what is lost without
)

const (
	busyTimeout = 5 * time.Second
	// walPages is how long the write-ahead log may grow before a commit has to move it into the database itself. Checkpoint,
	// called now and then, keeps it far shorter.
	walPages = 2000
	walLimit = 4 << 20 // bytes that the log's file keeps once it was moved
)

// Options say how to open a database. The zero value of each field is its default.
type Options struct {
	Schema      []Step      // all steps from an empty file to today's schema
	Synchronous Synchronous // default Full
	CacheKiB    int         // page cache of each connection, default 512
	Readers     int         // most connections that read at once, default 2
	Check       bool        // look through the whole file for damage before using it
	Loss        string      // what an operator loses when the file is moved away; part of the message of ErrDamaged
}

func (o Options) withDefaults() Options {
	if o.Synchronous == "" {
		o.Synchronous = Full
	}
	if o.CacheKiB == 0 {
		o.CacheKiB = 512
	}
	if o.Readers == 0 {
		o.Readers = 2
	}
	return o
}

// DB is one open database file: one connection that writes, a few that read; on MIPS one that does both. Safe for concurrent
// use.
type DB struct {
	path    string
	options Options
	writer  *sql.DB
	reader  *sql.DB
	group   group
}

// Open opens the database file, makes it when it does not exist (its folder must), and brings its schema up to date.
// The error wraps ErrDamaged, ErrFull, ErrReadOnly, ErrNewer, ErrBusy or fs.ErrNotExist where it is one of these.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	o = o.withDefaults()
	db, err := open(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("opening database: %w", mapError(path, o.Loss, err))
	}
	return db, nil
}

func open(ctx context.Context, path string, o Options) (*DB, error) {
	isNew, err := lookAt(path, o)
	if err != nil {
		return nil, err
	}
	if isNew {
		if err := create(ctx, path, o); err != nil {
			return nil, err
		}
	} else if o.Check {
		if err := check(ctx, path, o); err != nil {
			return nil, err
		}
	}
	db := &DB{path: path, options: o, group: group{turn: make(chan struct{}, 1)}}
	if db.writer, err = pool(path, writes, o, 1); err != nil {
		return nil, err
	}
	if err := migrate(ctx, db.writer, path, o.Schema); err != nil {
		return nil, errors.Join(err, db.writer.Close())
	}
	if err := syncDir(filepath.Dir(path)); err != nil { // the log is there since the first statement; not every driver makes its name durable
		return nil, errors.Join(err, db.writer.Close())
	}
	db.reader = db.writer
	if readersApart {
		if db.reader, err = pool(path, reads, o, o.Readers); err != nil {
			return nil, errors.Join(err, db.writer.Close())
		}
	}
	return db, nil
}

// lookAt finds what SQLite would report in worse words, or not at all, and tells whether the file is to be made.
func lookAt(path string, o Options) (isNew bool, err error) {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); err != nil {
		return false, fmt.Errorf("%s: make its folder, or name another one: %w", path, err)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return false, unwritable(path, &fs.PathError{Op: "access", Path: dir, Err: err})
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, noOrphans(path, o)
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%s is not a file: name another one", path)
	case info.Size() == 0:
		return false, damaged(path, o.Loss, errors.New("the file is empty"))
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK|unix.W_OK, unix.AT_EACCESS); err != nil {
		return false, unwritable(path, &fs.PathError{Op: "access", Path: path, Err: err})
	}
	return false, nil
}

// noOrphans refuses to make a database beside the log of another: SQLite would play that log into it.
func noOrphans(path string, o Options) error {
	for _, suffix := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(path + suffix); err == nil && info.Size() > 0 {
			return damaged(path, o.Loss, fmt.Errorf("the file is gone and %s is still there", path+suffix))
		}
	}
	return nil
}

// create makes the whole database under another name and renames it, so that a power cut leaves it complete or absent.
func create(ctx context.Context, path string, o Options) error {
	next := path + ".new"
	if err := Remove(next); err != nil {
		return err
	}
	f, err := os.OpenFile(next, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // SQLite gives its other files the same mode
	if err != nil {
		return err
	}
	defer f.Close()
	db, err := pool(next, writes, o, 1)
	if err != nil {
		return err
	}
	if err := errors.Join(migrate(ctx, db, next, o.Schema), db.Close()); err != nil {
		return errors.Join(err, Remove(next))
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// Remove deletes a database that is not open, with the files SQLite keeps beside it. One that is not there is no error.
func Remove(path string) error {
	for _, suffix := range []string{"-wal", "-shm", "-journal", ""} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// check looks for damage through a connection that leaves the files as they are: the last writer to leave would move the
// log into the database, and with it what could still be rescued.
func check(ctx context.Context, path string, o Options) error {
	db, err := pool(path, inspects, o, 1)
	if err != nil {
		return err
	}
	var verdict string
	err = errors.Join(db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict), db.Close())
	if err == nil && verdict != "ok" {
		return damaged(path, o.Loss, errors.New(verdict))
	}
	return err
}

// Path is the file's name.
func (db *DB) Path() string { return db.path }

// Read is the pool for queries. Use up one's rows before the next Read or Write: where readers have no connections of their
// own that one waits for them. Statements that write do not belong here and fail where they have. Errors gain their meaning
// by Err.
func (db *DB) Read() *sql.DB { return db.reader }

// Checkpoint moves the write-ahead log into the database file. It neither waits for anybody nor holds anybody up; what
// a running query still needs is left to the next call.
func (db *DB) Checkpoint(ctx context.Context) error {
	if _, err := db.reader.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		return fmt.Errorf("moving write-ahead log: %w", db.Err(err))
	}
	return nil
}

// Close waits for the write that is running and closes the file. Writes after it fail.
func (db *DB) Close() error {
	db.group.turn <- struct{}{}
	defer func() { <-db.group.turn }()
	return db.Err(errors.Join(db.reader.Close(), db.writer.Close()))
}
