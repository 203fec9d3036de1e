package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/internal/sqlite"
)

// checkedSize is up to what size, in bytes, a database is looked through for damage before it serves: a few seconds.
const checkedSize = 512 << 20

const (
	watchEvery      = 500 * time.Millisecond // how late a change by another process is told
	checkpointEvery = 5 * time.Second
)

// sqliteEngine is one file that one or more processes of one machine use.
type sqliteEngine struct {
	sqliteDialect
	db *sqlite.DB
}

func openSQLite(ctx context.Context, path string, create bool) (*sqliteEngine, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !create:
		return nil, fmt.Errorf("there is no database at %s: make it with gatehouse-central migrate", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("looking at database: %w", err)
	}
	unlock, err := lock(path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	o := sqlite.Options{Check: !create && info.Size() <= checkedSize, CacheKiB: 32 << 10, Readers: 4,
		Loss: "all organisations, tokens, users, profiles, accounting and transactions since the last copy"}
	steps, err := migrations("sqlite")
	if err != nil {
		return nil, err
	}
	for _, m := range steps {
		o.Schema = append(o.Schema, sqlite.Step{SQL: m.text})
	}
	if info != nil {
		version, err := sqlite.SchemaVersion(ctx, path)
		if err == nil && version > len(steps) {
			return nil, newerSchema(version, len(steps))
		} // what cannot be read Open tells in better words
	}
	db, err := sqlite.Open(ctx, path, o)
	if err == nil && info == nil {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			err = errors.Join(err, handOver(path+suffix))
		}
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}
	if err != nil {
		return nil, err
	}
	return &sqliteEngine{db: db}, nil
}

// handOver gives a file that root has made to the owner of its folder: the service has an account of its own.
func handOver(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	owner := folder.Sys().(*syscall.Stat_t)
	if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lock keeps two processes from making or migrating one database at the same time.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return func() {}, nil // opening the database fails too, and says it better
	}
	if err != nil {
		return nil, fmt.Errorf("locking database: %w", err)
	}
	err = handOver(f.Name())
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", f.Name(), err), f.Close())
	}
	return func() { _ = f.Close() }, nil // closing is unlocking
}

func (e *sqliteEngine) reader() *sql.DB  { return e.db.Read() }
func (e *sqliteEngine) lister() *sql.DB  { return e.db.Read() }
func (e *sqliteEngine) counter() *sql.DB { return e.db.Read() }
func (e *sqliteEngine) close() error     { return e.db.Close() }

func (e *sqliteEngine) write(ctx context.Context, fn func(tx *dbTx) error) error {
	return e.db.Write(ctx, func(tx *sql.Tx) error { return fn(newTx(context.Background(), tx, e)) })
}

func (e *sqliteEngine) meaning(err error) error {
	err = e.db.Err(err)
	for _, away := range []error{sqlite.ErrBusy, sqlite.ErrFull, sqlite.ErrReadOnly} {
		if errors.Is(err, away) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return err
}

func (e *sqliteEngine) schemaVersion(ctx context.Context) (version int, err error) {
	err = e.reader().QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	return version, err
}

// watch asks for the end of the feed now and then: a process does not hear of another's commits.
func (e *sqliteEngine) watch(ctx context.Context, woken func()) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var last int64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		head, err := feedHead(ctx, bound{e.reader(), e})
		if err == nil && head != last { // an error the requests themselves tell, to who can act on it
			last = head
			woken()
		}
	}
}

// maintain keeps the write-ahead log short.
func (e *sqliteEngine) maintain(ctx context.Context) error {
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := e.db.Checkpoint(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("checkpoint: %w", err)
			}
		}
	}
}

// sqliteDialect is the dialect that this package's SQL is written in.
type sqliteDialect struct{}

func (sqliteDialect) postgres() bool           { return false }
func (sqliteDialect) bind(query string) string { return query }
func (sqliteDialect) index(name string) string { return " INDEXED BY " + name }
func (sqliteDialect) feedLock() string         { return "" } // there is one writer
func (sqliteDialect) greatest(list ...string) string {
	return "max(" + strings.Join(list, ", ") + ")"
}
func (sqliteDialect) least(list ...string) string { return "min(" + strings.Join(list, ", ") + ")" }
func (sqliteDialect) sum(expr string) string      { return "CAST(total(" + expr + ") AS INTEGER)" }

func (sqliteDialect) jsonArray(expr, orderBy string) string {
	return "json_group_array(" + expr + " ORDER BY " + orderBy + ")"
}
