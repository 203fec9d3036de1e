package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// dumpPostgres has pg_dump write one moment of the database.
func dumpPostgres(ctx context.Context, address, to string) error {
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("there is a file %s already: name another one", to))
	}
	next := to + ".new"
	out, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = runPostgres(ctx, address, nil, out, "pg_dump", "--format=custom", "--no-owner", "--no-privileges")
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return errors.Join(fmt.Errorf("copying database: %w", err), os.Remove(next))
	}
	if err := os.Rename(next, to); err != nil {
		return err
	}
	return syncFolder(to)
}

// runPostgres runs one of PostgreSQL's programs on a database. The password goes by the environment, where only we can read
// it; arguments can be read by everybody on the machine.
func runPostgres(ctx context.Context, address string, in io.Reader, out io.Writer, name string, args ...string) error {
	var complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &complaint
	cmd.Env = append(os.Environ(), "PGAPPNAME=gatehouse-central", "PGCONNECT_TIMEOUT=10")
	if address != "" {
		u, err := url.Parse(address)
		if err != nil {
			return hideSecret(address, err)
		}
		if password, ok := u.User.Password(); ok {
			cmd.Env = append(cmd.Env, "PGPASSWORD="+password)
			u.User = url.User(u.User.Username())
		}
		cmd.Args = append(cmd.Args, "--dbname="+u.String())
	}
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: install PostgreSQL's client programs (Debian: postgresql-client), of the server's version or newer", err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(complaint.String()))
	}
	return nil
}

func restorePostgres(ctx context.Context, address, from string) error {
	if err := emptyPostgres(ctx, address); err != nil {
		return err
	}
	version, err := dumpVersion(ctx, from)
	if err != nil {
		return fmt.Errorf("reading %s: %w", from, err)
	}
	steps, err := migrations("postgres")
	switch {
	case err != nil:
		return err
	case version > len(steps):
		return newerSchema(version, len(steps))
	}
	script, err := os.CreateTemp("", "gatehouse-restore-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(script.Name())
	defer script.Close()
	if err := runPostgres(ctx, "", nil, script, "pg_restore", "--no-owner", "--no-privileges", "--file=-", from); err != nil {
		return err
	}
	if _, err := script.WriteString(renewPostgres()); err != nil {
		return err
	}
	if _, err := script.Seek(0, io.SeekStart); err != nil {
		return err
	}
	err = runPostgres(ctx, address, script, io.Discard, "psql", "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--file=-")
	if err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	return Migrate(ctx, address)
}

// renewPostgres makes the database another one than that it was copied from, in the transaction that makes it.
func renewPostgres() string {
	return fmt.Sprintf(`
UPDATE public.meta SET value = '%s' WHERE key = '%s';
SELECT setval(format('%%I.%%I', schemaname, sequencename)::regclass, coalesce(last_value, 0) + %d) FROM pg_sequences
	WHERE schemaname = 'public';
`, rand.Text(), feedEpoch, idGap)
}

func emptyPostgres(ctx context.Context, address string) error {
	db, err := postgresPool(address, nil)
	if err != nil {
		return err
	}
	e := &postgresEngine{db: db, lists: db, reports: db}
	defer e.close()
	var tables int
	const q = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')"
	if err := db.QueryRowContext(ctx, q).Scan(&tables); err != nil {
		return fmt.Errorf("looking at database: %w", e.meaning(err))
	}
	if tables > 0 {
		return fmt.Errorf("the database has %d tables and sequences already: make an empty one (createdb) and name that", tables)
	}
	return nil
}

// dumpVersion is the schema's version in a file of pg_dump.
func dumpVersion(ctx context.Context, from string) (int, error) {
	var out bytes.Buffer
	if err := runPostgres(ctx, "", nil, &out, "pg_restore", "--data-only", "--table=schema_version", "--file=-", from); err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(out.String(), "COPY public.schema_version (version) FROM stdin;\n")
	line, _, _ := strings.Cut(rest, "\n")
	version, err := strconv.Atoi(line)
	if !ok || err != nil {
		return 0, errors.New("it is no copy of a database of gatehouse-central")
	}
	return version, nil
}
