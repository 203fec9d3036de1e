package central_test

import (
	"database/sql"
	"errors"
	"net/http"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"gatehouse/api/edge"
	"gatehouse/internal/sqlite"
)

// spoil writes rubbish over the database's file and its log, as a failing disk would. PostgreSQL looks after its files itself;
// there somebody drops the tables.
func (c *centre) spoil() {
	c.t.Helper()
	if c.path == "" {
		conn, err := pgx.Connect(c.t.Context(), c.db)
		if err != nil {
			c.t.Fatal(err)
		}
		_, err = conn.Exec(c.t.Context(), "DROP SCHEMA public CASCADE")
		if err := errors.Join(err, conn.Close(c.t.Context())); err != nil {
			c.t.Fatal(err)
		}
		return
	}
	for _, path := range []string{c.path, c.path + "-wal"} {
		info, err := os.Stat(path)
		if err != nil {
			c.t.Fatal(err)
		}
		rubbish := make([]byte, info.Size())
		for i := range rubbish {
			rubbish[i] = byte(i*7 + 1)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			c.t.Fatal(err)
		}
		if _, err := f.WriteAt(rubbish, 0); err != nil {
			c.t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			c.t.Fatal(err)
		}
	}
}

func TestDatabaseSpoiledUnderTheServer(t *testing.T) {
	c := newCentre(t)
	c.token("acme admin")
	c.token("acme edge")
	c.spoil()
	got := c.want(http.StatusInternalServerError, ask{who: "acme admin", method: "GET", path: "/api/v1/user/"}, nil)
	wantErrorBody(t, got)
	var e edge.Error
	c.want(http.StatusInternalServerError, ask{who: "acme edge", method: "POST", path: edge.IngestPath, body: "{}"}, &e)
	if e.Code != "internal" || e.Message == "" {
		t.Errorf("edge error %+v", e)
	}
}

// TestDatabaseHeldByAnother has somebody else keep the database locked: what must be written is refused with 503, reading
// goes on, and once it is free everything is as before.
func TestDatabaseHeldByAnother(t *testing.T) {
	t.Parallel() // it waits for SQLite to give up waiting
	c := newCentre(t)
	if c.path == "" { // it takes a table's lock, not a database's
		return
	}
	c.token("acme admin")
	c.token("acme edge")
	other, err := sqlite.Open(t.Context(), c.path, sqlite.Options{Schema: []sqlite.Step{{}}})
	if err != nil {
		t.Fatal(err)
	}
	held, free, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- other.Write(t.Context(), func(*sql.Tx) error {
			close(held)
			<-free
			return nil
		})
	}()
	<-held
	ready := make(chan int)
	go func() {
		resp, err := http.Get(c.url + "/readyz")
		if err != nil {
			ready <- 0
			return
		}
		_ = resp.Body.Close()
		ready <- resp.StatusCode
	}()
	var e edge.Error
	send := ask{who: "acme edge", method: "POST", path: edge.IngestPath, body: ingestBody(t, session(1, noon, true))}
	got := c.want(http.StatusServiceUnavailable, send, &e)
	if e.Code != "unavailable" || e.RetryAfter < 1 || got.header.Get("Retry-After") == "" {
		t.Errorf("edge error %+v, Retry-After %q", e, got.header.Get("Retry-After"))
	}
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/user/"}, nil)
	c.want(http.StatusOK, ask{method: "GET", path: "/healthz"}, nil)
	if got := <-ready; got != http.StatusServiceUnavailable {
		t.Errorf("/readyz: status %d, want 503", got)
	}
	close(free)
	if err := errors.Join(<-done, other.Close()); err != nil {
		t.Fatal(err)
	}
	var answer edge.IngestAnswer
	c.want(http.StatusOK, send, &answer)
	if answer.Results[0].Status != edge.Merged {
		t.Errorf("sent again: %+v, want merged: the refused one must have left nothing", answer.Results)
	}
}
