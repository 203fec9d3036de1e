package mirror

import (
	"context"
	"database/sql"
	_ "embed" // for the schema
	"errors"
	"fmt"
	"log/slog"

	"gatehouse/internal/sqlite"
	"gatehouse/sessions"
)

//go:embed schema/0001.sql
var schema0001 string

//go:embed schema/0002.sql
var schema0002 string

//go:embed schema/0003.sql
var schema0003 string

//go:embed schema/0004.sql
var schema0004 string

//go:embed schema/0005.sql
var schema0005 string

// Mirror is an open mirror. Safe for concurrent use.
type Mirror struct {
	db *sqlite.DB
}

var _ sessions.Accounts = (*Mirror)(nil)

// Open opens the mirror in the file path, or makes it. One that is damaged or too new is thrown away first; an error is left
// only where the disk itself fails.
func Open(ctx context.Context, path string, logger *slog.Logger) (*Mirror, error) {
	o := sqlite.Options{
		Schema:      []sqlite.Step{{SQL: schema0001}, {SQL: schema0002}, {SQL: schema0003}, {SQL: schema0004}, {SQL: schema0005}},
		Synchronous: sqlite.Normal,
		Check:       true,
	}
	db, err := sqlite.Open(ctx, path, o)
	if errors.Is(err, sqlite.ErrDamaged) || errors.Is(err, sqlite.ErrNewer) {
		logger.Warn("mirror thrown away; it fills again from the centre", "path", path, "error", err)
		if err := sqlite.Remove(path); err != nil {
			return nil, fmt.Errorf("mirror: %w", err)
		}
		db, err = sqlite.Open(ctx, path, o)
	}
	if err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	return &Mirror{db: db}, nil
}

// Close closes the file.
func (m *Mirror) Close() error { return m.db.Close() }

// Cursor is how far the change feed was read; empty: not at all.
func (m *Mirror) Cursor(ctx context.Context) (string, error) {
	var cursor string
	err := m.db.Read().QueryRowContext(ctx, "SELECT cursor FROM feed").Scan(&cursor)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("reading cursor: %w", m.db.Err(err))
	}
	return cursor, nil
}

// SetCursor saves how far the change feed was read. Call it after the changes before it were applied: these may be
// repeated, but not left out.
func (m *Mirror) SetCursor(ctx context.Context, cursor string) error {
	return m.write(ctx, "saving cursor", func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO feed (id, cursor) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET cursor = excluded.cursor", cursor)
		return err
	})
}

// Reset begins a reading of the whole feed: what is not put again before Sweep is gone at the centre. Until then all of
// it stays in use.
func (m *Mirror) Reset(ctx context.Context) error {
	return m.write(ctx, "marking mirror", func(tx *sql.Tx) error {
		_, err := tx.Exec("UPDATE accounts SET stale = 1; UPDATE profiles SET stale = 1; UPDATE plans SET stale = 1; UPDATE vouchers SET stale = 1")
		return err
	})
}

// Sweep removes what was not put again since Reset and returns the user names that went, and sessions.AnyVoucher for vouchers. Call it whenever the feed
// was read to its end; without a Reset before, it removes nothing.
func (m *Mirror) Sweep(ctx context.Context) ([]string, error) {
	var gone []string
	err := m.write(ctx, "sweeping mirror", func(tx *sql.Tx) error {
		var err error
		gone, err = names(tx.Query("DELETE FROM accounts WHERE stale = 1 RETURNING username"))
		if err != nil {
			return err
		}
		res, err := tx.Exec("DELETE FROM vouchers WHERE stale = 1")
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n > 0 {
			gone = append(gone, sessions.AnyVoucher)
		}
		_, err = tx.Exec("DELETE FROM profiles WHERE stale = 1; DELETE FROM plans WHERE stale = 1")
		return err
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// Checkpoint moves the write-ahead log into the file, so that it stays small. Call it now and then.
func (m *Mirror) Checkpoint(ctx context.Context) error { return m.db.Checkpoint(ctx) }

func (m *Mirror) write(ctx context.Context, what string, fn func(tx *sql.Tx) error) error {
	if err := m.db.Write(ctx, fn); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// names reads one column of text.
func names(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		all = append(all, name)
	}
	return all, rows.Err()
}
