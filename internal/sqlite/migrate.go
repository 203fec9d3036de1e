package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Step is one step of a schema. Steps are only ever appended and only ever expand: they add tables, columns and indexes,
// so that a program that knows fewer steps still works on the file.
type Step struct {
	SQL string // one or more statements
	// Reader is how many steps a program must know at least to use the file after this one; 0: as many as before. Set it
	// only where older programs would do harm.
	Reader int
}

// migrate runs the steps that the file has not seen, each in a transaction. PRAGMA user_version counts them.
func migrate(ctx context.Context, db *sql.DB, path string, steps []Step) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(steps) {
		return readable(ctx, db, path, version, len(steps))
	}
	for i, s := range steps[version:] {
		if err := step(ctx, db, version+i+1, s); err != nil {
			return fmt.Errorf("bringing schema to version %d: %w", version+i+1, err)
		}
	}
	return nil
}

func readable(ctx context.Context, db *sql.DB, path string, version, known int) error {
	var least int
	if err := db.QueryRowContext(ctx, "SELECT least FROM schema_reader").Scan(&least); err != nil {
		return err
	}
	if known < least {
		return fmt.Errorf("%w: %s has schema %d, which a program that knows %d or more can use, and this one knows %d: install a newer version, or move the file to another folder",
			ErrNewer, path, version, least, known)
	}
	return nil
}

func step(ctx context.Context, db *sql.DB, version int, s Step) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	var now int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&now); err != nil || now >= version {
		return err // another process took this step meanwhile
	}
	if version == 1 {
		const reader = "CREATE TABLE schema_reader (least INTEGER NOT NULL) STRICT; INSERT INTO schema_reader VALUES (1)"
		if _, err := tx.ExecContext(ctx, reader); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, s.SQL); err != nil {
		return err
	}
	if s.Reader > 0 {
		if _, err := tx.ExecContext(ctx, "UPDATE schema_reader SET least = ?", s.Reader); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version)); err != nil {
		return err
	}
	return tx.Commit()
}

// SchemaVersion is how many steps the schema of a file that exists has; 0: it is nobody's, or not ours.
func SchemaVersion(ctx context.Context, path string) (version int, err error) {
	db, err := pool(path, inspects, Options{}.withDefaults(), 1)
	if err != nil {
		return 0, err
	}
	var steps int
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_reader'").Scan(&steps)
	if err == nil && steps > 0 {
		err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	}
	return version, mapError(path, "", errors.Join(err, db.Close()))
}
