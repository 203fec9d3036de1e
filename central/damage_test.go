package central_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"gatehouse/api/edge"
	"gatehouse/internal/sqlite"
)

// exec runs a statement on the database, past the store.
func (c *centre) exec(statement string) {
	c.t.Helper()
	ctx := c.t.Context()
	if c.path == "" {
		conn, err := pgx.Connect(ctx, c.db)
		if err != nil {
			c.t.Fatal(err)
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, statement); err != nil {
			c.t.Fatal(err)
		}
		return
	}
	db, err := sqlite.Open(ctx, c.path, sqlite.Options{Schema: []sqlite.Step{{}}})
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	if err := db.Write(ctx, func(tx *sql.Tx) error { _, err := tx.ExecContext(ctx, statement); return err }); err != nil {
		c.t.Fatal(err)
	}
}

// lose drops all tables but those by which a token is known: so every handler is reached, and what it asks the database fails.
func (c *centre) lose(keep ...string) {
	c.t.Helper()
	ctx := c.t.Context()
	if c.path == "" {
		conn, err := pgx.Connect(ctx, c.db)
		if err != nil {
			c.t.Fatal(err)
		}
		defer conn.Close(ctx)
		rows, err := conn.Query(ctx, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
		if err != nil {
			c.t.Fatal(err)
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			c.t.Fatal(err)
		}
		for _, name := range names {
			if slices.Contains(keep, name) {
				continue
			}
			if _, err := conn.Exec(ctx, "DROP TABLE IF EXISTS "+name+" CASCADE"); err != nil {
				c.t.Fatal(err)
			}
		}
		return
	}
	db, err := sqlite.Open(ctx, c.path, sqlite.Options{Schema: []sqlite.Step{{}}})
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	if err := db.Write(ctx, func(tx *sql.Tx) error { return loseTables(ctx, tx, keep) }); err != nil {
		c.t.Fatal(err)
	}
}

// loseTables drops what hangs on others before these.
func loseTables(ctx context.Context, tx *sql.Tx, keep []string) error {
	for range 20 {
		rows, err := tx.QueryContext(ctx, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
		if err != nil {
			return err
		}
		var left []string
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			if !slices.Contains(keep, name) {
				left = append(left, name)
			}
		}
		if len(left) == 0 {
			return rows.Err()
		}
		for _, name := range left {
			_, _ = tx.ExecContext(ctx, "DROP TABLE "+name) // refused while another hangs on it; it comes up again
		}
	}
	return fmt.Errorf("tables are left that could not be dropped")
}

// asks are a request to every operation that would be answered.
func (w *world) asks() map[string]ask {
	all := make(map[string]ask)
	for _, op := range w.ops {
		a := ask{who: w.who(), method: op.method, path: w.at(op)}
		if strings.HasPrefix(op.path, "/edge/") {
			a.who = w.org + " edge"
			w.token(a.who)
		}
		if s := op.body(); s != nil {
			a.body = w.object(s)
		}
		all[op.String()] = a
	}
	return all
}

// TestEveryEndpointWithoutADatabase kills the database: every endpoint says so and when to come again, but the one that has a
// local log.
func TestEveryEndpointWithoutADatabase(t *testing.T) {
	o := newOutage(t)
	w := newWorld(o.centre, "acme", secret)
	asks := w.asks()
	o.db.Kill()
	for _, op := range w.ops {
		if op.path == edge.IngestPath {
			w.want(http.StatusOK, asks[op.String()], nil)
			continue
		}
		if got := w.do(asks[op.String()]); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: status %d, Retry-After %q: %s", op, got.status, got.header.Get("Retry-After"), got.text)
		}
	}
}

// TestEveryEndpointOnADamagedDatabase: what it needs is gone, and it says so as its contract has it: 500, without a word of why.
func TestEveryEndpointOnADamagedDatabase(t *testing.T) {
	w := newWorld(newCentre(t, withSecrets(t)), "acme", secret)
	asks := w.asks()
	w.lose("tokens", "organizations", "gateways")
	for _, op := range w.ops {
		want := http.StatusInternalServerError
		switch {
		case op.path == "/api/v1/organization/": // that table, and those of who asks, are still there
			want = http.StatusOK
		case strings.HasSuffix(op.path, "/currentUser"): // a token of an organisation is nobody's
			want = http.StatusForbidden
		}
		got := w.do(asks[op.String()])
		if got.status != want {
			t.Errorf("%s: status %d, want %d: %s", op, got.status, want, got.text)
		}
		for _, word := range []string{"SQL", "table ", "relation ", "no such"} {
			if want == 500 && strings.Contains(got.text, word) {
				t.Errorf("%s tells why: %s", op, got.text)
			}
		}
	}
}
