package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// engine is the database under a Store: SQLite or PostgreSQL. All SQL of this package but the merging of records is
// written once, in what both understand; a dialect has what they do not share.
type engine interface {
	dialect
	// reader reads what was written last. The others may be a little behind: lister is for pages of lists in the order of an
	// index, counter for figures over very many rows.
	reader() *sql.DB
	lister() *sql.DB
	counter() *sql.DB
	// write runs fn in a transaction and returns once that is on disk. fn may run more than once.
	write(ctx context.Context, fn func(tx *dbTx) error) error
	// meaning makes a database's error one of ours where it is one: ErrUnavailable, above all.
	meaning(err error) error
	// prepare makes room for records of these times before they are written.
	prepare(ctx context.Context, times []time.Time) error
	// unprepared tells whether a write failed because that room is gone again, so that preparing anew helps.
	unprepared(err error) bool
	// insertTransactions and mergeSessions put a batch into the tables and note in it what was news.
	insertTransactions(tx *dbTx, b *batch) error
	mergeSessions(tx *dbTx, b *batch) error
	// watch calls woken whenever the change feed may have grown, until ctx ends.
	watch(ctx context.Context, woken func()) error
	maintain(ctx context.Context) error
	// schemaVersion is how many migrations the database has seen.
	schemaVersion(ctx context.Context) (int, error)
	close() error
}

// dialect is how a database wants to be spoken to.
type dialect interface {
	postgres() bool
	bind(query string) string              // placeholders ? and ?1 as the database has them
	index(name string) string              // after a table's name: read it by this index
	greatest(list ...string) string        // the greatest of expressions that are not NULL
	least(list ...string) string           // the least
	jsonArray(expr, orderBy string) string // aggregate: the text of a JSON array
	sum(expr string) string                // aggregate: the sum, the greatest number where it is beyond that, 0 of nothing
	feedLock() string                      // makes writers of the change feed wait for one another; may be empty
}

// queries is what sql.DB and sql.Conn have in common with sql.Tx.
type queries interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// querier reads, with placeholders as this package writes them.
type querier interface {
	queries
	speaks() dialect
}

// bound is a querier that speaks the database's dialect.
type bound struct {
	q queries
	d dialect
}

// QueryContext is as in database/sql.
func (b bound) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return b.q.QueryContext(ctx, b.d.bind(query), args...)
}

// QueryRowContext is as in database/sql.
func (b bound) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return b.q.QueryRowContext(ctx, b.d.bind(query), args...)
}

func (b bound) speaks() dialect { return b.d }

// dbTx is a transaction that is being written.
type dbTx struct {
	bound
	ctx context.Context // of the write; SQLite's is not bounded, because several writes share a transaction
	tx  *sql.Tx

	actor  Actor     // who writes
	audits []audited // what the audit log is to hold of it
}

func newTx(ctx context.Context, tx *sql.Tx, d dialect) *dbTx {
	return &dbTx{bound: bound{q: tx, d: d}, ctx: ctx, tx: tx}
}

// Exec is as in database/sql.
func (t *dbTx) Exec(query string, args ...any) (sql.Result, error) {
	return t.tx.ExecContext(t.ctx, t.d.bind(query), args...)
}

// Query is as in database/sql.
func (t *dbTx) Query(query string, args ...any) (*sql.Rows, error) {
	return t.QueryContext(t.ctx, query, args...)
}

// QueryRow is as in database/sql.
func (t *dbTx) QueryRow(query string, args ...any) *sql.Row {
	return t.QueryRowContext(t.ctx, query, args...)
}

// affected runs a statement and tells how many rows it changed.
func (t *dbTx) affected(query string, args ...any) (int64, error) {
	done, err := t.Exec(query, args...)
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}

// lock makes others who want to change rows of a table wait until the transaction ends: what is read of them from then on is what
// is changed. SQLite has one writer.
func (t *dbTx) lock(table, condition string, args ...any) error {
	if !t.d.postgres() {
		return nil
	}
	_, err := t.Exec("SELECT 1 FROM "+table+" WHERE "+condition+" FOR UPDATE", args...)
	return err
}

// read is for readings that must see what was written last.
func (s *Store) read() bound { return bound{s.db.reader(), s.db} }

// lists is for pages of lists in the order of an index. They may come from a replica that is a little behind.
func (s *Store) lists() bound { return bound{s.db.lister(), s.db} }

// figures is for sums over very many rows and for lists that say how many rows there are, from where lists come.
func (s *Store) figures() bound { return bound{s.db.counter(), s.db} }

// snapshot runs fn on one state of the database.
func (s *Store) snapshot(ctx context.Context, fn func(q querier) error) error {
	tx, err := s.db.reader().BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: s.snapshotLevel()})
	if err != nil {
		return err
	}
	defer tx.Rollback() // it only reads
	return fn(bound{tx, s.db})
}

func (s *Store) snapshotLevel() sql.IsolationLevel {
	if s.db.postgres() {
		return sql.LevelRepeatableRead
	}
	return sql.LevelDefault // SQLite has no other than this, and says no to the word
}

// write runs fn in a transaction; it is durable when write returns nil. fn may run more than once, and must have no effect
// but through tx. What fn notes for the audit log is written last, in the same transaction.
func (s *Store) write(ctx context.Context, doing string, fn func(tx *dbTx) error) error {
	return s.err(doing, s.db.write(ctx, func(tx *dbTx) error {
		tx.actor = actorOf(ctx)
		if err := tx.claimAttempt(ctx); err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		return tx.keepAudits(s.now())
	}))
}

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
	return fmt.Errorf("%s: %w", doing, s.db.meaning(err))
}

// among is the condition that column is one of values.
func among[T any](d dialect, column string, values []T) (condition string, args []any) {
	switch {
	case len(values) == 0:
		return "1 = 0", nil
	case d.postgres():
		return column + " = ANY(?)", []any{values}
	}
	args = make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return column + " IN (?" + strings.Repeat(", ?", len(values)-1) + ")", args
}

// like is the pattern of a LIKE … ESCAPE '\' for texts that contain part.
func like(part string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(part) + "%"
}
