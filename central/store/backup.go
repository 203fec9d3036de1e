package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gatehouse/internal/sqlite"
)

// idGap is how far ids jump at a restore. Gateways remember ids that the centre gave after the copy was made; none of them may
// come to mean somebody else.
const idGap = 1_000_000

// Backup writes the database, as it is at one moment, to a new file, while it is in use. A PostgreSQL database is written by
// pg_dump in its custom format.
func Backup(ctx context.Context, url, to string) error {
	if isPostgres(url) {
		return dumpPostgres(ctx, url, to)
	}
	path, err := sqlitePath(url)
	if err != nil {
		return err
	}
	return sqlite.Copy(ctx, path, to)
}

// Restore makes a database out of a file that Backup wrote. It overwrites nothing: a SQLite file must not exist, a PostgreSQL
// database must have no tables. What was made by a newer program is refused. The new database is told apart from the old
// one: every gateway begins the change feed anew, and no id is given a second time.
func Restore(ctx context.Context, url, from string) error {
	if isPostgres(url) {
		return restorePostgres(ctx, url, from)
	}
	path, err := sqlitePath(url)
	if err != nil {
		return err
	}
	if err := restoreSQLite(ctx, path, from); err != nil {
		return fmt.Errorf("restoring %s: %w", path, err)
	}
	return nil
}

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

func sqlitePath(url string) (string, error) {
	path, ok := strings.CutPrefix(url, "sqlite://")
	if !ok || !filepath.IsAbs(path) {
		return "", fmt.Errorf("%w: %s is neither sqlite:///absolute/path.db nor postgres://user@host/database", ErrURL, url)
	}
	return path, nil
}

func restoreSQLite(ctx context.Context, path, from string) error {
	for _, suffix := range []string{"", "-wal"} {
		if _, err := os.Stat(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, fmt.Errorf("%s is there: stop the centre and move it away, or name another file", path+suffix))
		}
	}
	next := path + ".restoring"
	if err := copyFile(from, next); err != nil {
		return err
	}
	err := renewSQLite(ctx, next)
	if err == nil {
		err = handOver(next)
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return errors.Join(err, sqlite.Remove(next))
	}
	_ = os.Remove(next + ".lock") // an empty file at most
	return syncFolder(path)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := sqlite.Remove(to); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// renewSQLite checks the copy, brings its schema up to date, and makes it another database than the one it was copied from.
func renewSQLite(ctx context.Context, path string) error {
	version, err := sqlite.SchemaVersion(ctx, path)
	if err != nil {
		return err
	}
	steps, err := migrations("sqlite")
	switch {
	case err != nil:
		return err
	case version == 0:
		return errors.New("the file is a database, and none of gatehouse-central")
	case version > len(steps):
		return newerSchema(version, len(steps))
	}
	db, err := openSQLite(ctx, path, false)
	if err != nil {
		return err
	}
	err = db.write(ctx, func(tx *dbTx) error {
		for _, q := range []string{
			"INSERT INTO sqlite_sequence (name, seq) SELECT name, 0 FROM sqlite_schema WHERE sql LIKE '%AUTOINCREMENT%' " +
				"AND name NOT IN (SELECT name FROM sqlite_sequence)",
			fmt.Sprintf("UPDATE sqlite_sequence SET seq = seq + %d", idGap),
		} {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		_, err := tx.Exec("UPDATE meta SET value = ? WHERE key = ?", rand.Text(), feedEpoch)
		return err
	})
	return errors.Join(err, db.db.Checkpoint(ctx), db.close())
}

func newerSchema(version, known int) error {
	return fmt.Errorf("the schema is of version %d, made by a newer gatehouse-central; this one knows %d: install that version or a later one",
		version, known)
}

func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
