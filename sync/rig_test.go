package gwsync

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

const testToken = "3f5a-edge-token"

// centre is a scriptable centre behind a real HTTP server. What is not scripted works: it merges by key, knows the users
// given, and holds changes requests open.
type centre struct {
	mu            sync.Mutex
	token         string
	rows          map[string]int // key of a row -> times that a record was merged into it as new
	keys          map[string]bool
	batches       []batch
	calls         []string // method and path of every request
	script        func(w http.ResponseWriter, r *http.Request, recs []edge.Record) (handled bool)
	mergedThrough int64
	cut           int // so many ingest answers more are lost after the work is done
	headers       http.Header

	users   map[string]edge.AuthenticateAnswer // user name + "/" + password
	pages   map[string]edge.ChangesAnswer      // by the cursor asked with
	news    chan struct{}
	noHold  bool
	polls   []time.Duration
	lastReq edge.AuthenticateRequest
}

type batch struct {
	at   time.Time
	seqs []int64
}

func newCentre() *centre {
	return &centre{token: testToken, rows: map[string]int{}, keys: map[string]bool{}, users: map[string]edge.AuthenticateAnswer{},
		pages: map[string]edge.ChangesAnswer{}, news: make(chan struct{}, 100)}
}

func (c *centre) set(f func()) { c.mu.Lock(); defer c.mu.Unlock(); f() }

func (c *centre) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var recs []edge.Record
	if r.URL.Path == "/sub"+edge.IngestPath {
		recs = decode(r)
	}
	c.mu.Lock()
	c.calls = append(c.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/sub"))
	c.headers = r.Header.Clone()
	if recs != nil {
		b := batch{at: time.Now()}
		for _, rec := range recs {
			b.seqs = append(b.seqs, rec.Seq)
		}
		c.batches = append(c.batches, b)
	}
	script, token := c.script, c.token
	c.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "Bearer "+token || r.Header.Get(edge.NASHeader) != "gw1":
		fail(w, http.StatusUnauthorized, "unauthorized")
	case script != nil && script(w, r, recs):
	case r.URL.Path == "/sub"+edge.IngestPath:
		c.ingest(w, recs)
	case r.URL.Path == "/sub"+edge.AuthenticatePath:
		c.authenticate(w, r)
	case r.URL.Path == "/sub"+edge.ChangesPath:
		c.changes(w, r)
	default:
		http.NotFound(w, r)
	}
}

func decode(r *http.Request) []edge.Record {
	zr, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil // the connection was cut
	}
	recs := []edge.Record{}
	for d := json.NewDecoder(zr); ; {
		var rec edge.Record
		if err := d.Decode(&rec); errors.Is(err, io.EOF) {
			return recs
		} else if err != nil {
			return nil
		}
		recs = append(recs, rec)
	}
}

func (c *centre) ingest(w http.ResponseWriter, recs []edge.Record) {
	c.mu.Lock()
	a := edge.IngestAnswer{MergedThrough: c.mergedThrough}
	for _, rec := range recs {
		var row, key string
		if rec.Outcome != nil {
			row, key = rec.Outcome.Event, rec.Outcome.Event
		} else if acct := rec.Accounting; acct != nil {
			row = acct.AcctUniqueID + acct.AcctStartTime.Format(time.RFC3339Nano)
			key = row + acct.AcctStatusType + acct.AcctUpdateTime.String()
		} else {
			row, key = rec.Transaction.ID, rec.Transaction.ID
		}
		res := edge.Result{Seq: rec.Seq, Status: edge.Duplicate}
		if !c.keys[key] {
			res.Status = edge.Merged
			c.rows[row]++
		}
		c.keys[key] = true
		a.Results = append(a.Results, res)
	}
	lose := c.cut > 0
	c.cut--
	c.mu.Unlock()
	if lose {
		panic(http.ErrAbortHandler)
	}
	answer(w, a)
}

func (c *centre) authenticate(w http.ResponseWriter, r *http.Request) {
	var req edge.AuthenticateRequest
	_ = json.NewDecoder(r.Body).Decode(&req)
	c.mu.Lock()
	c.lastReq = req
	a := c.users[req.Username+"/"+req.Password]
	c.mu.Unlock()
	answer(w, a)
}

func (c *centre) changes(w http.ResponseWriter, r *http.Request) {
	cursor := r.URL.Query().Get("cursor")
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait") + "s")
	c.set(func() { c.polls = append(c.polls, wait) })
	deadline := time.After(wait)
	for {
		c.mu.Lock()
		page, ok := c.pages[cursor]
		noHold := c.noHold
		c.mu.Unlock()
		if ok {
			answer(w, page)
			return
		}
		if wait == 0 || noHold {
			answer(w, edge.ChangesAnswer{Cursor: cursor, Changes: []edge.Change{}})
			return
		}
		select {
		case <-c.news:
		case <-deadline:
			wait = 0
		case <-r.Context().Done():
			return
		}
	}
}

// publish puts a page behind a cursor and tells whoever waits.
func (c *centre) publish(cursor string, page edge.ChangesAnswer) {
	c.set(func() { c.pages[cursor] = page })
	c.news <- struct{}{}
}

// silence reads the request and never answers it.
func silence(_ http.ResponseWriter, r *http.Request, _ []edge.Record) bool {
	_, _ = io.Copy(io.Discard, r.Body) // the server notices a lost connection only after that
	<-r.Context().Done()
	return true
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(edge.Error{Code: code, Message: "because of " + code})
}

// pipes is a network of net.Pipe, which lets time stand still in a synctest bubble. Down refuses connections.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	down   bool
	dials  []time.Time
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.mu.Lock()
	down := p.down
	p.dials = append(p.dials, time.Now())
	p.mu.Unlock()
	if down {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	}
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) setDown(down bool) { p.mu.Lock(); defer p.mu.Unlock(); p.down = down }

// bubbleClock runs with the bubble's time; skew is how wrong the wall clock is.
type bubbleClock struct {
	mu   sync.Mutex
	zero time.Time // when this boot began
	skew time.Duration
	boot string
}

func (c *bubbleClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Round(0).Add(c.skew)
}
func (c *bubbleClock) Mono() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.zero)
}
func (c *bubbleClock) BootID() string { c.mu.Lock(); defer c.mu.Unlock(); return c.boot }
func (c *bubbleClock) set(f func())   { c.mu.Lock(); defer c.mu.Unlock(); f() }

func (c *bubbleClock) stamp(wall bool) sessions.Stamp {
	s := sessions.Stamp{BootID: c.BootID(), Mono: c.Mono()}
	if wall {
		s.Wall = c.Now()
	}
	return s
}

// rig is a Sync in a bubble with a centre at the other end.
type rig struct {
	*Sync
	t      *testing.T
	centre *centre
	net    *pipes
	clock  *bubbleClock
	outbox *memOutbox
	mirror *memMirror
	logs   *logBuffer

	governor *governor

	mu      sync.Mutex
	changed []string
	refuse  error // of Changed
}

// governor remembers what it was told.
type governor struct {
	mu         sync.Mutex
	orders     []sessions.Order
	configured []string
	broken     error // of the next order
	status     edge.Status
}

// fail makes the next order fail.
func (g *governor) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.broken = err
}

// told is what it was told until now.
func (g *governor) told() (orders []sessions.Order, configured []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.orders), slices.Clone(g.configured)
}

func (g *governor) Obey(_ context.Context, o sessions.Order) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.broken; err != nil {
		g.broken = nil
		return err
	}
	g.orders = append(g.orders, o)
	return nil
}

func (g *governor) Configure(_ context.Context, version int64, settings json.RawMessage) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.configured = append(g.configured, fmt.Sprintf("%d %s", version, settings))
	return nil
}

func (g *governor) Status(context.Context) (edge.Status, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.status, nil
}

// bubble runs the test with a rig in a synctest bubble.
func bubble(t *testing.T, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, centre: newCentre(), outbox: newOutbox(), mirror: newMirror(), logs: &logBuffer{}, governor: &governor{},
			net:   &pipes{conns: make(chan net.Conn), closed: make(chan struct{})},
			clock: &bubbleClock{zero: time.Now().Add(-time.Hour), boot: "boot-b"}}
		server := &http.Server{Handler: r.centre, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		var wg sync.WaitGroup
		wg.Go(func() { _ = server.Serve(r.net) })
		r.restart()
		t.Cleanup(func() {
			r.Pusher.client.edge.HTTP.CloseIdleConnections()
			server.Close()
			wg.Wait()
		})
		test(t, r)
	})
}

// restart makes the Sync anew over the same outbox and mirror, as a new start of the daemon does.
func (r *rig) restart() {
	r.t.Helper()
	if r.Sync != nil {
		r.Pusher.client.edge.HTTP.CloseIdleConnections()
	}
	s, err := New(Config{
		BaseURL: "http://centre.example/sub/", Token: func() (string, error) { return testToken, nil }, NASID: "gw1", Version: "1.0",
		Clock: r.clock, Outbox: r.outbox, Mirror: r.mirror, Logger: slogTo(r.logs),
		Believable: time.Date(1999, 6, 1, 0, 0, 0, 0, time.UTC), // bubbles begin in 2000
		Changed: func(_ context.Context, username string) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.changed = append(r.changed, username)
			return r.refuse
		},
		Governor: r.governor,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	s.Pusher.client.edge.HTTP.Transport.(*http.Transport).DialContext = r.net.dial
	r.Sync = s
}

// pass lets d go by in the bubble, and waits until nothing moves any more.
func (r *rig) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (r *rig) takeChanged() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.changed
	slices.Sort(got)
	r.changed = nil
	return got
}

// run starts a task and returns how to stop it.
func (r *rig) run(task func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := task(ctx); err != nil {
			r.t.Errorf("Run returned %v at its end", err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	r.t.Cleanup(stop)
	return stop
}

// session is a session of boot b that began an hour ago.
func session(id string, started sessions.Stamp) sessions.Session {
	return sessions.Session{
		AcctSessionID: id, AcctMultiSessionID: id, Username: "bob", UserID: 7, Source: sessions.SourceCentre,
		Station: sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 0xfe}}, Addr: netip.MustParseAddr("192.0.2.77"),
		Class: "gold", Method: sessions.MethodPassword, NASID: "gw1", NASIP: "10.0.0.1", StartedAt: started,
		Limits: sessions.Effective{InterimInterval: 5 * time.Minute},
		Place: sessions.Place{CalledStationID: "02-00-5E-10-00-01:Guest", SSID: "Guest", NASPortID: "br-lan", LocationID: 3,
			LocationName: "Bar", AccessPointID: 4, AccessPointName: "ap", AccessPointMAC: "02-00-5E-10-00-01"},
	}
}

// fill puts n Starts of n sessions into the outbox, all with dates.
func (r *rig) fill(n int) {
	for range n {
		at := r.clock.stamp(true)
		r.outbox.add(sessions.OutboxEntry{Accounting: &sessions.AccountingRecord{
			Kind: sessions.Start, Session: session(fmt.Sprintf("S%d", r.outbox.next()), at), At: at}})
	}
}

// logBuffer collects the log.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func slogTo(l *logBuffer) *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), s)
}
