package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Copy writes the database at path, as it is at one moment, to a new file. Others may read and write it meanwhile. The
// copy is whole or absent, and looked through for damage before it gets its name.
func Copy(ctx context.Context, path, to string) error {
	if err := copyTo(ctx, path, to); err != nil {
		return fmt.Errorf("copying %s to %s: %w", path, to, mapError(path, "", err))
	}
	return nil
}

func copyTo(ctx context.Context, path, to string) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("there is a file %s already: name another one", to))
	}
	next := to + ".new"
	if err := Remove(next); err != nil {
		return err
	}
	f, err := os.OpenFile(next, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // empty, which is what VACUUM INTO takes
	if err != nil {
		return err
	}
	defer f.Close()
	db, err := pool(path, writes, Options{}.withDefaults(), 1) // copying is not reading only, as SQLite sees it
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", next)
	if err = errors.Join(err, db.Close()); err == nil {
		err = check(ctx, next, Options{}.withDefaults())
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, Remove(next))
	}
	if err := os.Rename(next, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}
