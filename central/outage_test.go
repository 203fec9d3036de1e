package central_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gatehouse/api/edge"
	"gatehouse/central"
	"gatehouse/central/store"
	"gatehouse/internal/clock"
	"gatehouse/lab/postgres"
)

// sender is a gateway: it keeps what was not merged, and sends it again.
type sender struct {
	c       *centre
	n       int
	made    int
	waiting map[int64]edge.Record
	stored  int // answers that said that a record is in the local log
}

// round makes new records and sends all that wait. It is no error that the centre does not take them.
func (g *sender) round(client *http.Client, news int) error {
	for range news {
		g.made++
		r := session(g.n*1_000_000+g.made, noon.Add(time.Duration(g.made)*time.Second), g.made%2 == 0)
		g.waiting[r.Seq] = r
	}
	list := make([]edge.Record, 0, len(g.waiting))
	for _, r := range g.waiting {
		if list = append(list, r); len(list) == edge.MaxBatch {
			break
		}
	}
	req, err := http.NewRequest(http.MethodPost, g.c.url+edge.IngestPath, strings.NewReader(ingestBody(g.c.t, list...)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+g.c.token("acme edge"))
	req.Header.Set(edge.NASHeader, fmt.Sprintf("gw%d", g.n))
	resp, err := client.Do(req)
	if err != nil {
		return nil // the centre itself is away
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable {
		if resp.Header.Get("Retry-After") == "" {
			return fmt.Errorf("503 without Retry-After")
		}
		return nil
	}
	var answer edge.IngestAnswer
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d, %v", resp.StatusCode, err)
	}
	for _, r := range answer.Results {
		switch r.Status {
		case edge.Merged, edge.Duplicate:
			delete(g.waiting, r.Seq)
		case edge.Stored:
			g.stored++
		default:
			return fmt.Errorf("record %d: %+v", r.Seq, r)
		}
	}
	return nil
}

// outage is a centre on a PostgreSQL of its own, and gateways that send to it.
type outage struct {
	*centre
	db      *postgres.Server
	spool   *store.Spool
	senders []*sender
	web     *httptest.Server
	stop    context.CancelFunc
	drained chan error
}

func newOutage(t *testing.T) *outage {
	o := &outage{db: postgres.Require(t), centre: &centre{t: t, log: new(lockedBuffer), tokens: make(map[string]string)}}
	o.centre.db = o.db.URL("postgres")
	if err := store.Migrate(t.Context(), o.centre.db); err != nil {
		t.Fatal(err)
	}
	o.open()
	t.Cleanup(o.close)
	if _, err := o.store.CreateOrganization(t.Context(), "acme", "Acme", ""); err != nil {
		t.Fatal(err)
	}
	o.token("acme edge")
	o.token("acme admin")
	for n := range 4 {
		g := &sender{c: o.centre, n: n + 1, waiting: make(map[int64]edge.Record)}
		if err := g.round(http.DefaultClient, 5); err != nil || len(g.waiting) > 0 {
			t.Fatalf("%d of 5 records are not merged, err %v", len(g.waiting), err)
		}
		o.senders = append(o.senders, g)
	}
	return o
}

// open starts a node with a local log of its own.
func (o *outage) open() {
	o.t.Helper()
	var err error
	if o.store, err = store.Open(o.t.Context(), store.Config{URL: o.centre.db}); err != nil {
		o.t.Fatal(err)
	}
	dir, err := os.MkdirTemp(o.t.TempDir(), "")
	if err != nil {
		o.t.Fatal(err)
	}
	if o.spool, err = store.OpenSpool(o.t.Context(), filepath.Join(dir, "spool.db")); err != nil {
		o.t.Fatal(err)
	}
	clk, err := clock.System()
	if err != nil {
		o.t.Fatal(err)
	}
	cfg := central.Config{Store: o.store, Spool: o.spool, Clock: clk, Log: testLog(o.log), RequestsPerSecond: 1e6}
	withSecrets(o.t)(&cfg)
	if o.server, err = central.New(o.t.Context(), cfg); err != nil {
		o.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	o.stop, o.drained = stop, make(chan error, 1)
	go func() { o.drained <- o.server.DrainSpool(ctx) }()
	o.web = httptest.NewServer(o.server.Handler())
	o.url = o.web.URL
}

func (o *outage) close() {
	o.web.Close()
	o.stop()
	<-o.drained
	_ = o.spool.Close()
	_ = o.store.Close()
}

// traffic lets all gateways send until ctx ends.
func (o *outage) traffic(ctx context.Context) {
	var wg sync.WaitGroup
	for _, g := range o.senders {
		wg.Go(func() {
			client := &http.Client{Timeout: 20 * time.Second}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				if err := g.round(client, 5); err != nil {
					o.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// settle lets every gateway send until nothing waits.
func (o *outage) settle() {
	o.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for _, g := range o.senders {
		for len(g.waiting) > 0 {
			if time.Now().After(deadline) {
				o.t.Fatalf("gateway %d: %d records still wait", g.n, len(g.waiting))
			}
			if err := g.round(http.DefaultClient, 0); err != nil {
				o.t.Fatal(err)
			}
		}
	}
	for {
		n, err := o.spool.Len(o.t.Context())
		if err != nil {
			o.t.Fatal(err)
		}
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			o.t.Fatalf("%d records still wait in the local log", n)
		}
		runtime.Gosched()
	}
}

// wantAll looks that the database has every session that any gateway made, once.
func (o *outage) wantAll() {
	o.t.Helper()
	conn, err := pgx.Connect(o.t.Context(), o.centre.db)
	if err != nil {
		o.t.Fatal(err)
	}
	defer conn.Close(o.t.Context())
	want := 0
	for _, g := range o.senders {
		want += g.made
	}
	var rows, sessions int
	const count = "SELECT count(*), count(DISTINCT acctuniqueid) FROM aaa_accounting"
	if err := conn.QueryRow(o.t.Context(), count).Scan(&rows, &sessions); err != nil {
		o.t.Fatal(err)
	}
	if rows != want || sessions != want {
		o.t.Errorf("%d rows of %d sessions, want %d of each", rows, sessions, want)
	}
}

// ask is the status of a reader's request, and how long he waited for it.
func (o *outage) ask() (status int, took time.Duration) {
	begun := time.Now()
	return o.do(ask{who: "acme admin", method: "GET", path: "/api/v1/aaa_accounting/"}).status, time.Since(begun)
}

// away is how long the database stays away.
func away() time.Duration {
	if os.Getenv("GATEHOUSE_SOAK") != "" {
		return time.Minute
	}
	return 3 * time.Second
}

// TestDatabaseKilled kills the database while gateways send and somebody reads.
func TestDatabaseKilled(t *testing.T) {
	o := newOutage(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { o.traffic(ctx); close(done) }()
	o.db.Kill()
	until := time.Now().Add(away())
	refused := 0
	for time.Now().Before(until) {
		if status, took := o.ask(); status != http.StatusServiceUnavailable || took > 6*time.Second {
			t.Errorf("a reader is told %d after %v, want 503 at once", status, took)
			break
		}
		refused++
	}
	if err := o.db.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		if status, _ := o.ask(); status == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("readers are not answered again")
		}
	}
	stop()
	<-done
	o.settle()
	o.wantAll()
	for _, g := range o.senders {
		if g.stored == 0 {
			t.Errorf("gateway %d: nothing went to the local log", g.n)
		}
	}
	t.Logf("%d requests of readers refused", refused)
}

// TestNodeLost takes away, while the database is down, the node that has records in its local log, and its disk.
func TestNodeLost(t *testing.T) {
	o := newOutage(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { o.traffic(ctx); close(done) }()
	o.db.Kill()
	for deadline := time.Now().Add(30 * time.Second); ; {
		if n, err := o.spool.Len(t.Context()); err != nil || n > 100 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing went to the local log")
		}
		runtime.Gosched()
	}
	stop()
	<-done
	o.close()
	if err := o.db.Start(); err != nil {
		t.Fatal(err)
	}
	o.open() // on another machine: it knows nothing of the first one's local log
	o.settle()
	o.wantAll()
}
