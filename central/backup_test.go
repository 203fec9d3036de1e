package central_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/api/edge"
	"gatehouse/central"
	"gatehouse/central/store"
	"gatehouse/lab/postgres"
)

// empty is the URL of a database that is not there yet, or has no tables.
func empty(t *testing.T) string {
	if url := postgres.Database(t); url != "" {
		return url
	}
	return "sqlite://" + filepath.Join(t.TempDir(), "restored.db")
}

// restored is a centre on a database made of a copy, with the tokens of the one that was copied.
func (c *centre) restored(copied string) *centre {
	c.t.Helper()
	url := empty(c.t.(*testing.T))
	if err := store.Restore(c.t.Context(), url, copied); err != nil {
		c.t.Fatal(err)
	}
	db, err := store.Open(c.t.Context(), store.Config{URL: url, Now: c.clock.Now})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = db.Close() }) // a test may have closed it
	r := &centre{t: c.t, store: db, db: url, clock: c.clock, log: c.log, tokens: c.tokens}
	if r.server, err = central.New(c.t.Context(), central.Config{Store: db, Log: testLog(c.log), Clock: c.clock, RequestsPerSecond: 1e6}); err != nil {
		c.t.Fatal(err)
	}
	web := httptest.NewServer(r.server.Handler())
	c.t.Cleanup(web.Close)
	r.url = web.URL
	return r
}

// TestBackupWhileServing copies the database while gateways send. What was answered before the copy began is in it, whole
// batches at a time, and the copy serves.
func TestBackupWhileServing(t *testing.T) {
	c := newCentre(t)
	ann := c.user("acme", "ann", "right")
	c.login("acme edge", "ann", "right")
	const size = 20
	var answered atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ctx.Err() == nil; n++ {
			var records []edge.Record
			for i := range size {
				records = append(records, session(n*size+i, noon.Add(-time.Duration(n*size+i)*time.Second), false))
			}
			c.ingest("acme", records...)
			answered.Add(1)
		}
	}()
	poll(t, "load", func() bool { return answered.Load() > 3 }, func() string { return "" })
	before := answered.Load()
	copied := filepath.Join(t.TempDir(), "copy")
	err := store.Backup(t.Context(), c.db, copied)
	stop()
	<-ended
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(copied)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy's mode is %v, %v", info.Mode(), err)
	}
	if err := store.Backup(t.Context(), c.db, copied); err == nil || !strings.Contains(err.Error(), "there is a file") {
		t.Errorf("a second copy to the same file: %v", err)
	}
	ahead := c.changes("acme edge", "").Cursor
	late := c.user("acme", "late", "") // which the copy does not know

	r := c.restored(copied)
	var n int64
	for next := "/api/v1/aaa_accounting/?limit=1000"; next != ""; {
		var page struct {
			Next    *string
			Results []struct{ RadAcctID int64 }
		}
		r.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: next}, &page)
		n += int64(len(page.Results))
		if next = ""; page.Next != nil {
			next = *page.Next
		}
	}
	if n < before*size || n%size != 0 {
		t.Errorf("%d sessions in the copy; %d batches of %d were answered before it", n, before, size)
	}
	if a := r.login("acme edge", "ann", "right"); !a.Authenticated || a.Account.UserID != ann {
		t.Errorf("ann logs in at the copy: %+v", a)
	}
	if a := r.changes("acme edge", "cursor="+ahead); !a.Reset {
		t.Errorf("a gateway that was ahead is not told to begin anew: %+v", a)
	}
	if got := r.user("acme", "new", ""); got <= late {
		t.Errorf("user %d has the id of somebody whom the copy does not know", got)
	}
	if got := r.ingest("acme", session(1, noon.Add(-time.Second), false), session(1e6, noon, true)); statuses(got) != "1:duplicate 1000000:merged" {
		t.Errorf("records sent again: %s", statuses(got))
	}
}

func TestRestoreRefuses(t *testing.T) {
	c := newCentre(t)
	dir := t.TempDir()
	copied, rubbish := filepath.Join(dir, "copy"), filepath.Join(dir, "rubbish")
	if err := store.Backup(t.Context(), c.db, copied); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(rubbish, []byte(strings.Repeat("rubbish ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.newerSchema()
	newer := filepath.Join(dir, "newer")
	if err := store.Backup(t.Context(), c.db, newer); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ url, from, says string }{
		"over what is there": {c.db, copied, "already"},
		"rubbish":            {empty(t), rubbish, ""},
		"no file":            {empty(t), copied + ".missing", ""},
		"newer":              {empty(t), newer, "made by a newer gatehouse-central"},
	} {
		t.Run(name, func(t *testing.T) {
			err := store.Restore(t.Context(), test.url, test.from)
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "is there: stop", "already"), test.says) {
				t.Errorf("got %v, want an error with %q", err, test.says)
			}
			if test.url != c.db {
				if _, err := store.Open(t.Context(), store.Config{URL: test.url}); err == nil {
					t.Error("there is a database afterwards")
				}
			}
		})
	}
	for what, err := range map[string]error{
		"migrate": store.Migrate(t.Context(), c.db),
		"open":    func() error { _, err := store.Open(t.Context(), store.Config{URL: c.db}); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("this one knows %d", c.known())) {
			t.Errorf("%s of a database from the future: %v", what, err)
		}
	}
	c.want(http.StatusOK, ask{method: "GET", path: "/readyz"}, nil) // it was opened before: more in it does no harm
}

func (c *centre) known() int {
	c.t.Helper()
	_, known, err := c.store.Schema(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return known
}

// newerSchema makes the database look as a later program would leave it.
func (c *centre) newerSchema() { c.setSchema(c.known() + 1) }

func (c *centre) setSchema(version int) {
	c.t.Helper()
	driver, address, statement := "pgx", c.db, "UPDATE schema_version SET version = %d"
	if c.path != "" {
		driver, address, statement = "sqlite", c.path, "PRAGMA user_version = %d"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		c.t.Fatal(err)
	}
	_, err = db.ExecContext(c.t.Context(), fmt.Sprintf(statement, version))
	if err := errors.Join(err, db.Close()); err != nil {
		c.t.Fatal(err)
	}
}

// TestReadyness is about the schema; the database away is in away_test.go.
func TestReadyness(t *testing.T) {
	c := newCentre(t)
	known := c.known()
	for version, status := range map[int]int{known - 1: http.StatusServiceUnavailable, known + 1: http.StatusOK, known: http.StatusOK} {
		c.setSchema(version)
		c.want(status, ask{method: "GET", path: "/readyz"}, nil)
	}
	c.server.Drain(0)
	for _, path := range []string{"/readyz", "/readyz?records"} {
		c.want(http.StatusServiceUnavailable, ask{method: "GET", path: path}, nil)
	}
	c.want(http.StatusOK, ask{method: "GET", path: "/healthz"}, nil)
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/user/"}, nil)
}

// TestReadyForRecords: a process with a local log takes records while the database is away, and says so to who asks for that.
func TestReadyForRecords(t *testing.T) {
	for _, spooling := range []bool{false, true} {
		c := newCentre(t, func(cfg *central.Config) {
			if !spooling {
				return
			}
			spool, err := store.OpenSpool(t.Context(), filepath.Join(t.TempDir(), "spool.db"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := spool.Close(); err != nil {
					t.Error(err)
				}
			})
			cfg.Spool = spool
		})
		if err := c.store.Close(); err != nil {
			t.Fatal(err)
		}
		c.want(http.StatusServiceUnavailable, ask{method: "GET", path: "/readyz"}, nil)
		c.want(map[bool]int{false: http.StatusServiceUnavailable, true: http.StatusOK}[spooling], ask{method: "GET", path: "/readyz?records"}, nil)
	}
}
