package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What can go wrong besides the unforeseen.
var (
	ErrNotFound    = errors.New("not found")
	ErrUnavailable = errors.New("the database cannot be used at the moment")
	ErrURL         = errors.New("not the URL of a database")
)

// DuplicateError says that a value which must be unique is taken.
type DuplicateError struct{ Field string }

// Error implements error.
func (e *DuplicateError) Error() string { return "this " + e.Field + " is taken" }

// Config says which database to open.
type Config struct {
	// URL is sqlite:///absolute/path.db or postgres://user:password@host:port/database?parameters.
	URL string
	// ReadURL is a replica of a PostgreSQL database; lists come from there, and may be a little behind. May be empty.
	ReadURL string
	// Now is the wall clock; time.Now when nil.
	Now func() time.Time
}

// Store is the open database. It is safe for concurrent use.
type Store struct {
	db  engine
	d   dialect // of db
	now func() time.Time

	mu    sync.Mutex
	woken chan struct{} // closed at the next change
}

// Migrate makes the database's tables when there are none and brings its schema up to date. Two processes may do so at once.
func Migrate(ctx context.Context, url string) error {
	s, err := open(ctx, Config{URL: url}, true)
	if err != nil {
		return err
	}
	return s.Close()
}

// Open opens a database that exists. Its schema is brought up to date first. The error wraps ErrURL when the URL is of no
// form that is known, ErrUnavailable when the database cannot be reached.
func Open(ctx context.Context, c Config) (*Store, error) { return open(ctx, c, false) }

func open(ctx context.Context, c Config, create bool) (*Store, error) {
	db, err := openEngine(ctx, c, create)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, d: db, now: c.Now, woken: make(chan struct{})}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.makeSecrets(ctx); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return s, nil
}

func openEngine(ctx context.Context, c Config, create bool) (engine, error) {
	if strings.HasPrefix(c.URL, "postgres://") || strings.HasPrefix(c.URL, "postgresql://") {
		return openPostgres(ctx, c.URL, c.ReadURL, create)
	}
	path, ok := strings.CutPrefix(c.URL, "sqlite://")
	switch {
	case !ok || !filepath.IsAbs(path):
		return nil, fmt.Errorf("%w: %s is neither sqlite:///absolute/path.db nor postgres://user@host/database", ErrURL, withoutPassword(c.URL))
	case c.ReadURL != "":
		return nil, fmt.Errorf("%w: SQLite has no replica to read from", ErrURL)
	}
	return openSQLite(ctx, path, create)
}

// withoutPassword is a URL that may be shown.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "it"
	}
	return u.Redacted()
}

// Close waits for the write that is running and closes the database.
func (s *Store) Close() error { return s.db.close() }

// Ping tells whether the database can be read and written.
func (s *Store) Ping(ctx context.Context) error {
	if _, err := s.FeedEpoch(ctx); err != nil {
		return err
	}
	return s.write(ctx, "asking database", func(tx *dbTx) error {
		_, err := tx.Exec("UPDATE meta SET value = value WHERE key = 'nothing'")
		return err
	})
}

// Schema is how many migrations the database has seen, and how many this program knows.
func (s *Store) Schema(ctx context.Context) (version, known int, err error) {
	folder := "sqlite"
	if s.d.postgres() {
		folder = "postgres"
	}
	steps, err := migrations(folder)
	if err == nil {
		version, err = s.db.schemaVersion(ctx)
	}
	return version, len(steps), s.err("reading the schema's version", err)
}

// Maintain does what the database needs now and then, until ctx ends: it keeps a log short, makes partitions for the months
// to come. An error is worth a line in a log; call it again.
func (s *Store) Maintain(ctx context.Context) error { return s.db.maintain(ctx) }

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

// only is the part of the scope that is one organisation: that, or none; 0 is the whole scope.
func (c Scope) only(organization int64) Scope {
	switch {
	case organization == 0:
		return c
	case slices.Contains(c, organization):
		return Scope{organization}
	}
	return Scope{0}
}

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
