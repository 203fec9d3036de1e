package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/internal/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// What can go wrong besides the unforeseen.
var (
	ErrNotFound    = errors.New("not found")
	ErrUnavailable = errors.New("the database cannot be used at the moment")
)

// DuplicateError says that a value which must be unique is taken.
type DuplicateError struct{ Field string }

// Error implements error.
func (e *DuplicateError) Error() string { return "this " + e.Field + " is taken" }

// checkedSize is up to what size, in bytes, a database is looked through for damage before it serves: a few seconds.
const checkedSize = 512 << 20

// Store is the open database. It is safe for concurrent use.
type Store struct {
	db  *sqlite.DB
	now func() time.Time

	mu    sync.Mutex
	woken chan struct{} // closed at the next change
	head  int64         // of the feed, as last told to whoever waits
}

// Migrate makes the database at path when there is none and brings its schema up to date.
func Migrate(ctx context.Context, path string) error {
	s, err := open(ctx, path, sqlite.Options{}, time.Now)
	if err != nil {
		return err
	}
	return s.Close()
}

// Open opens a database that exists. Its schema is brought up to date first. now is the wall clock.
func Open(ctx context.Context, path string, now func() time.Time) (*Store, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no database at %s: make it with gatehouse-central migrate", path)
	}
	if err != nil {
		return nil, fmt.Errorf("looking at database: %w", err)
	}
	return open(ctx, path, sqlite.Options{Check: info.Size() <= checkedSize}, now)
}

func open(ctx context.Context, path string, o sqlite.Options, now func() time.Time) (*Store, error) {
	unlock, err := lock(path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if o.Schema, err = schema(); err != nil {
		return nil, err
	}
	o.CacheKiB, o.Readers = 32<<10, 4
	o.Loss = "all organisations, tokens, users, profiles, accounting and transactions since the last copy"
	db, err := sqlite.Open(ctx, path, o)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, now: now, woken: make(chan struct{})}
	if err := s.makeSecrets(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if s.head, err = s.feedHead(ctx, db.Read()); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
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
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", f.Name(), err), f.Close())
	}
	return func() { _ = f.Close() }, nil // closing is unlocking
}

func schema() ([]sqlite.Step, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql") // sorted
	if err != nil {
		return nil, fmt.Errorf("listing migrations: %w", err)
	}
	var steps []sqlite.Step
	for _, name := range files {
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading migration: %w", err)
		}
		steps = append(steps, sqlite.Step{SQL: string(text)})
	}
	return steps, nil
}

// Close waits for the write that is running and closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Ping tells whether the database can be read and written.
func (s *Store) Ping(ctx context.Context) error {
	if _, err := s.FeedEpoch(ctx); err != nil {
		return err
	}
	return s.write(ctx, "asking database", func(tx *sql.Tx) error {
		_, err := tx.Exec("UPDATE meta SET value = value WHERE key = ?", "nothing")
		return err
	})
}

// Checkpoint keeps the write-ahead log short. Call it every few seconds.
func (s *Store) Checkpoint(ctx context.Context) error { return s.db.Checkpoint(ctx) }

// err gives an error its meaning and its context; nil stays nil.
func (s *Store) err(doing string, err error) error {
	if err == nil {
		return nil
	}
	var dup *DuplicateError
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, ErrNotFound) {
		return ErrNotFound
	}
	if errors.As(err, &dup) {
		return err
	}
	err = s.db.Err(err)
	for _, away := range []error{sqlite.ErrBusy, sqlite.ErrFull, sqlite.ErrReadOnly} {
		if errors.Is(err, away) {
			return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func (s *Store) write(ctx context.Context, doing string, fn func(tx *sql.Tx) error) error {
	return s.err(doing, s.db.Write(ctx, fn))
}

// querier is what sql.DB, sql.Tx and sql.Conn have in common for reading.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// collect reads all rows with scan.
func collect[T any](rows *sql.Rows, err error, scan func(row scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

type scanner interface{ Scan(dest ...any) error }

// Scope is the organisations that a reading may see: one and all below it. The first is the one.
type Scope []int64

// Own is the organisation at the top of the scope.
func (c Scope) Own() int64 { return c[0] }

// in is the condition that column is one of the scope. The ids are numbers, so they may stand in the text.
func (c Scope) in(column string) string {
	if len(c) == 1 {
		return column + " = " + strconv.FormatInt(c[0], 10)
	}
	ids := make([]string, len(c))
	for i, id := range c {
		ids[i] = strconv.FormatInt(id, 10)
	}
	return column + " IN (" + strings.Join(ids, ",") + ")"
}

func micros(t time.Time) int64 { return t.UnixMicro() }

// text and number turn what is absent into NULL.
func text(v string) *string {
	if v == "" {
		return nil
	}
	return &v
}

func number(v int64) *int64 {
	if v == 0 {
		return nil
	}
	return &v
}

func moment(t *time.Time) *int64 {
	if t == nil || t.IsZero() {
		return nil
	}
	return new(t.UnixMicro())
}
