package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const schemaT = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL UNIQUE) STRICT"

func optionsT() Options {
	return Options{Schema: []Step{{SQL: schemaT}}, Check: true, Loss: "all of it"}
}

func mustOpen(tb testing.TB, path string, o Options) *DB {
	tb.Helper()
	db, err := Open(tb.Context(), path, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

func insert(db *DB, v string) error {
	return db.Write(context.Background(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO t (v) VALUES (?)", v)
		return err
	})
}

func count(t *testing.T, db *DB) int {
	t.Helper()
	var n int
	if err := db.Read().QueryRow("SELECT count(*) FROM t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPragmasOfEveryConnection(t *testing.T) {
	db := mustOpen(t, filepath.Join(t.TempDir(), "a b%?#.db"), Options{Schema: []Step{{SQL: schemaT}}, Readers: 3})
	want := map[string]string{
		"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000", "foreign_keys": "1", "cache_size": "-512",
		"mmap_size": "0", "wal_autocheckpoint": "2000", "query_only": "0", "locking_mode": "exclusive",
	}
	pools := map[*sql.DB]int{db.writer: 1}
	if readersApart {
		want["locking_mode"] = "normal"
		pools[db.Read()] = 3
	}
	for pool, n := range pools {
		var conns []*sql.Conn
		for range n { // all at once, so that they are so many
			c, err := pool.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			conns = append(conns, c)
		}
		if pool != db.writer {
			want["query_only"] = "1"
		}
		for _, c := range conns {
			if diff := cmp.Diff(want, pragmas(t, c, want)); diff != "" {
				t.Errorf("%d connections (-want +got):\n%s", n, diff)
			}
		}
		want["query_only"] = "0"
	}
}

func pragmas(t *testing.T, c *sql.Conn, names map[string]string) map[string]string {
	t.Helper()
	got := make(map[string]string)
	for name := range names {
		var v string
		if err := c.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&v); err != nil {
			t.Fatal(err)
		}
		got[name] = v
	}
	return got
}

func TestOnlyTheOwnerReadsTheFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b+&%?#.db")
	db := mustOpen(t, path, optionsT())
	if err := insert(db, "a"); err != nil {
		t.Fatal(err)
	}
	suffixes := []string{"", "-wal"}
	if readersApart {
		suffixes = append(suffixes, "-shm")
	}
	for _, suffix := range suffixes {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("%s: mode %o, want 600", path+suffix, got)
		}
	}
}

func TestMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	old := mustOpen(t, path, optionsT())
	if err := insert(old, "kept"); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}

	broken := optionsT()
	broken.Schema = append(broken.Schema, Step{SQL: "ALTER TABLE t ADD COLUMN w TEXT; CREATE TABLE t (id INTEGER)"})
	if _, err := Open(t.Context(), path, broken); err == nil || !strings.Contains(err.Error(), "schema to version 2") {
		t.Fatalf("a step that fails: got %v", err)
	}

	grown := optionsT()
	grown.Schema = append(grown.Schema, Step{SQL: "ALTER TABLE t ADD COLUMN w TEXT"}, Step{SQL: "CREATE TABLE u (id INTEGER)"})
	db := mustOpen(t, path, grown)
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows after the migration, want 1", n)
	}
	if _, err := db.Read().Exec("SELECT w FROM t, u"); err != nil {
		t.Errorf("new schema: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, path, optionsT()) // an older program still opens it: the steps only expanded
}

func TestNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	grown := optionsT()
	grown.Schema = append(grown.Schema, Step{SQL: "CREATE TABLE u (id INTEGER)"}, Step{SQL: "CREATE TABLE v (id INTEGER)", Reader: 2})
	if err := mustOpen(t, path, grown).Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), path, optionsT())
	if !errors.Is(err, ErrNewer) {
		t.Fatalf("got %v, want ErrNewer", err)
	}
	for _, part := range []string{path, "schema 3", "knows 2 or more", "knows 1", "install a newer version"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	knowsTwo := optionsT()
	knowsTwo.Schema = grown.Schema[:2]
	mustOpen(t, path, knowsTwo)
}

// crashed makes a database as a crash leaves it: with rows in the file and in its log.
func crashed(t *testing.T) string {
	t.Helper()
	live := filepath.Join(t.TempDir(), "live.db")
	path := filepath.Join(t.TempDir(), "x.db")
	o := optionsT()
	o.Synchronous = Off // nobody pulls the plug here
	db := mustOpen(t, live, o)
	for i := range 2000 {
		if i == 1900 {
			if err := db.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := insert(db, fmt.Sprintf("row number %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, suffix := range []string{"", "-wal"} { // in another process: closing the file here would drop SQLite's locks
		if out, err := exec.Command("cp", live+suffix, path+suffix).CombinedOutput(); err != nil {
			t.Fatalf("cp: %v: %s", err, out)
		}
	}
	return path
}

func TestCrashedIsWhole(t *testing.T) {
	if n := count(t, mustOpen(t, crashed(t), optionsT())); n != 2000 {
		t.Errorf("%d rows, want 2000", n)
	}
}

func TestDamage(t *testing.T) {
	overwrite := func(offset int64, text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteAt([]byte(text), offset)
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	truncate := func(size int64) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, spoil := range map[string]func(*testing.T, string){
		"not a database": func(t *testing.T, path string) {
			overwrite(0, "This is a shopping list")(t, path)
			if err := os.Remove(path + "-wal"); err != nil { // the log has a good copy of the first page
				t.Fatal(err)
			}
		},
		"page lost":   overwrite(5*4096, strings.Repeat("\xff", 4096)),
		"page zeroed": overwrite(7*4096, strings.Repeat("\x00", 4096)),
		"cut short":   truncate(6 * 4096),
		"empty":       truncate(0),
		"gone, log left": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := crashed(t)
			spoil(t, path)
			before := contents(t, path)
			_, err := Open(t.Context(), path, optionsT())
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("got %v, want ErrDamaged", err)
			}
			for _, part := range []string{path, "move it", "lost with them: all of it"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q lacks %q", err, part)
				}
			}
			if diff := cmp.Diff(before, contents(t, path)); diff != "" {
				t.Error("the files were changed")
			}
		})
	}
}

func contents(t *testing.T, path string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		all[suffix] = string(b)
	}
	return all
}

func TestInterruptedCreation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	for _, left := range []string{path + ".new", path + ".new-wal", path + ".new-journal"} {
		if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db := mustOpen(t, path, optionsT())
	if err := insert(db, "a"); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(path + ".new*"); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func TestPlaceIsWrong(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(t.Context(), filepath.Join(dir, "no", "x.db"), optionsT())
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "make its folder") {
		t.Errorf("folder missing: %v", err)
	}
	if _, err := Open(t.Context(), dir, optionsT()); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a folder: %v", err)
	}
}

// TestNoRights opens databases as a user who may not write them; as root there is no such user, so another process does.
func TestNoRights(t *testing.T) {
	const env = "GATEHOUSE_TEST_DIR"
	if dir := os.Getenv(env); dir != "" {
		for _, path := range []string{filepath.Join(dir, "closed", "new.db"), filepath.Join(dir, "closed", "old.db"), filepath.Join(dir, "open", "x.db")} {
			_, err := Open(t.Context(), path, optionsT())
			if !errors.Is(err, ErrReadOnly) || !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "the right to write") {
				t.Errorf("%s: got %v, want ErrReadOnly", path, err)
			}
		}
		return
	}
	dir := t.TempDir()
	for path, mode := range map[string]fs.FileMode{"closed/old.db": 0o555, "open/x.db": 0o777} {
		path = filepath.Join(dir, path)
		if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := mustOpen(t, path, optionsT()).Close(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Chmod(path, 0o444), os.Chmod(filepath.Dir(path), mode)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestNoRights$", "-test.v")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), env+"="+dir)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestNoRights") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCheckpointKeepsTheLogShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := mustOpen(t, path, optionsT())
	var largest int64
	for round := range 5 {
		for i := range 100 {
			if err := insert(db, fmt.Sprint(round, " ", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			largest = info.Size()
		}
		if info.Size() > largest*3/2 {
			t.Errorf("round %d: log of %d octets, after the first round it was %d", round, info.Size(), largest)
		}
	}
}
