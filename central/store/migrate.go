package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
)

//go:embed migrations/*/*.sql
var migrationFiles embed.FS

// migration is one step of the schema. A step that was released is never changed; the next one mends it.
type migration struct{ name, text string }

func migrations(folder string) ([]migration, error) {
	files, err := fs.Glob(migrationFiles, "migrations/"+folder+"/*.sql") // sorted
	if err != nil {
		return nil, fmt.Errorf("listing migrations: %w", err)
	}
	var steps []migration
	for _, name := range files {
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading migration: %w", err)
		}
		steps = append(steps, migration{name, string(text)})
	}
	return steps, nil
}

// migrate brings the schema up to date, all of it in one transaction and one process at a time. A database without a schema
// is an error unless create.
func (e *postgresEngine) migrate(ctx context.Context, create bool) error {
	steps, err := migrations("postgres")
	if err != nil {
		return err
	}
	return e.writeOnce(ctx, func(tx *dbTx) error {
		if _, err := tx.Exec("SELECT pg_advisory_xact_lock(" + strconv.Itoa(migrateKey) + ")"); err != nil {
			return err
		}
		version, err := postgresVersion(tx)
		switch {
		case err != nil:
			return err
		case version == 0 && !create:
			return fmt.Errorf("there are no tables in this database: make them with gatehouse-central migrate")
		case version > len(steps):
			return newerSchema(version, len(steps))
		case version == len(steps):
			return nil
		}
		for i := version; i < len(steps); i++ {
			if _, err := tx.tx.ExecContext(ctx, steps[i].text); err != nil {
				return fmt.Errorf("migration %s: %w", steps[i].name, err)
			}
		}
		_, err = tx.Exec("UPDATE schema_version SET version = ?", len(steps))
		return err
	})
}

// postgresVersion is how many steps the schema has, 0 for an empty database.
func postgresVersion(tx *dbTx) (version int, err error) {
	var there bool
	if err := tx.QueryRow("SELECT to_regclass('schema_version') IS NOT NULL").Scan(&there); err != nil {
		return 0, err
	}
	if !there {
		_, err := tx.Exec("CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (0)")
		return 0, err
	}
	err = tx.QueryRow("SELECT version FROM schema_version").Scan(&version)
	if err == sql.ErrNoRows {
		return 0, fmt.Errorf("the table schema_version is empty: this is not a database of gatehouse-central")
	}
	return version, err
}
