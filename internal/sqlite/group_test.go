package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// queued runs fns as concurrent writes that all wait in the queue before the first of them begins.
func queued(t *testing.T, db *DB, fns ...func(*sql.Tx) error) []error {
	t.Helper()
	db.group.turn <- struct{}{}
	errs := make([]error, len(fns))
	var wg sync.WaitGroup
	for i, fn := range fns {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] = fmt.Errorf("panic: %v", p)
				}
			}()
			errs[i] = db.Write(t.Context(), fn)
		})
		waitQueue(t, db, i+1) // one after the other, so that the order is known
	}
	<-db.group.turn
	wg.Wait()
	return errs
}

func waitQueue(t *testing.T, db *DB, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		db.group.mu.Lock()
		have := len(db.group.queue)
		db.group.mu.Unlock()
		if have == n {
			return
		}
	}
	t.Fatalf("no %d calls in the queue", n)
}

func put(v string) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO t (v) VALUES (?)", v)
		return err
	}
}

func TestWritesShareTransactions(t *testing.T) {
	db := mustOpen(t, filepath.Join(t.TempDir(), "x.db"), optionsT())
	seen := make(map[*sql.Tx]bool) // fns run one at a time
	var fns []func(*sql.Tx) error
	for i := range 200 {
		fns = append(fns, func(tx *sql.Tx) error {
			seen[tx] = true
			return put(fmt.Sprint(i))(tx)
		})
	}
	if err := errors.Join(queued(t, db, fns...)...); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db); n != 200 {
		t.Errorf("%d rows, want 200", n)
	}
	if len(seen) > 50 {
		t.Errorf("%d transactions for 200 writes that waited together", len(seen))
	}
	t.Logf("%d transactions for 200 writes", len(seen))
}

// The longer the device takes the more calls share a wait for it.
func TestSlowDevice(t *testing.T) {
	transactions := func(waited time.Duration) int {
		db := mustOpen(t, filepath.Join(t.TempDir(), "x.db"), optionsT())
		db.group.waited = waited
		seen := make(map[*sql.Tx]bool)
		var fns []func(*sql.Tx) error
		for i := range 20 {
			fns = append(fns, func(tx *sql.Tx) error {
				seen[tx] = true
				for begun := time.Now(); time.Since(begun) < time.Millisecond; { // work
				}
				return put(fmt.Sprint(i))(tx)
			})
		}
		if err := errors.Join(queued(t, db, fns...)...); err != nil {
			t.Fatal(err)
		}
		return len(seen)
	}
	if fast, slow := transactions(0), transactions(time.Second); slow >= fast {
		t.Errorf("20 writes of a millisecond take %d transactions on a fast device and %d on a slow one", fast, slow)
	}
}

func TestFailureStaysWithItsCall(t *testing.T) {
	db := mustOpen(t, filepath.Join(t.TempDir(), "x.db"), optionsT())
	errOwn := errors.New("no")
	errs := queued(t, db,
		put("a"),
		func(tx *sql.Tx) error { return errors.Join(put("undone")(tx), errOwn) },
		put("a"), // the same again
		put("b"),
	)
	if errs[0] != nil || !errors.Is(errs[1], errOwn) || !errors.Is(errs[2], ErrUnique) || errs[3] != nil {
		t.Errorf("got %v", errs)
	}
	if diff := cmp.Diff([]string{"a", "b"}, values(t, db)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func values(t *testing.T, db *DB) []string {
	t.Helper()
	rows, err := db.Read().Query("SELECT v FROM t ORDER BY v")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPanicReleasesTheOthers(t *testing.T) {
	db := mustOpen(t, filepath.Join(t.TempDir(), "x.db"), optionsT())
	errs := queued(t, db, put("a"), func(*sql.Tx) error { panic("bug") })
	abandoned, panicked := 0, 0
	for _, err := range errs {
		if errors.Is(err, errAbandoned) {
			abandoned++
		} else if err != nil && err.Error() == "panic: bug" {
			panicked++
		}
	}
	if abandoned != 1 || panicked != 1 {
		t.Errorf("got %v, want one panic and one abandoned call", errs)
	}
	if err := insert(db, "b"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b"}, values(t, db)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestWithdrawnWriteNeverRuns(t *testing.T) {
	db := mustOpen(t, filepath.Join(t.TempDir(), "x.db"), optionsT())
	db.group.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() { got <- db.Write(ctx, put("never")) }()
	waitQueue(t, db, 1)
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	<-db.group.turn
	if err := insert(db, "later"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"later"}, values(t, db)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestFull has SQLite report a full disk for a call whose neighbours would have fitted.
func TestFull(t *testing.T) {
	db := mustOpen(t, filepath.Join(t.TempDir(), "x.db"), optionsT())
	if _, err := db.writer.Exec("PRAGMA max_page_count = 20"); err != nil {
		t.Fatal(err)
	}
	errs := queued(t, db, put("a"), put(fmt.Sprintf("%0100000d", 1)), put("b"))
	if !errors.Is(errs[1], ErrFull) {
		t.Errorf("got %v, want ErrFull", errs[1])
	}
	var want []string
	for i, v := range []string{"a", "", "b"} {
		if errs[i] == nil {
			want = append(want, v)
		}
	}
	if diff := cmp.Diff(want, values(t, db)); diff != "" {
		t.Errorf("rows against what was acknowledged (-want +got):\n%s", diff)
	}
	if err := insert(db, "small"); err != nil {
		t.Errorf("a small write after it: %v", err)
	}
	careless := func(tx *sql.Tx) error {
		_ = put(fmt.Sprintf("%0100000d", 2))(tx) // SQLite undoes the whole transaction here
		return nil
	}
	if err := db.Write(t.Context(), careless); err == nil {
		t.Error("a write that was undone was acknowledged")
	}
}

func TestErrForeignKey(t *testing.T) {
	o := optionsT()
	o.Schema = append(o.Schema, Step{SQL: "CREATE TABLE u (t INTEGER REFERENCES t (id))"})
	db := mustOpen(t, filepath.Join(t.TempDir(), "x.db"), o)
	err := db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO u VALUES (7)")
		return err
	})
	if !errors.Is(err, ErrForeignKey) {
		t.Errorf("got %v, want ErrForeignKey", err)
	}
}

func TestWriteAfterClose(t *testing.T) {
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), optionsT())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := insert(db, "a"); err == nil {
		t.Error("a write after Close succeeded")
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, callers := range []int{1, 50} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			db := mustOpen(b, filepath.Join(b.TempDir(), "x.db"), optionsT())
			b.ResetTimer()
			var wg sync.WaitGroup
			for caller := range callers {
				wg.Go(func() {
					for i := caller; i < b.N; i += callers {
						if err := insert(db, fmt.Sprint(i)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}
