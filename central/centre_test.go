package central_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/api/edge"
	"gatehouse/central"
	"gatehouse/central/store"
	"gatehouse/internal/clock"
	"gatehouse/lab/postgres"
)

// TestMain runs the tests on PostgreSQL when GATEHOUSE_STORE says so.
func TestMain(m *testing.M) { os.Exit(postgres.Main(m)) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// centre is a real server on a real database: organisation acme with acme-west below it, and globex, who is nobody's.
type centre struct {
	t      testing.TB
	store  *store.Store
	path   string // of the database; empty on PostgreSQL
	db     string // its URL
	url    string
	server *central.Server
	clock  *clock.Fake
	log    *lockedBuffer
	mu     sync.Mutex
	tokens map[string]string
	worlds atomic.Int64 // made by newWorld
}

func newCentre(t testing.TB, change ...func(*central.Config)) *centre {
	t.Helper()
	c := &centre{t: t, clock: clock.NewFake(noon, "boot"), log: new(lockedBuffer), tokens: make(map[string]string)}
	if c.db = postgres.Database(t); c.db == "" {
		c.path = filepath.Join(t.TempDir(), "c.db")
		c.db = "sqlite://" + c.path
	}
	if err := store.Migrate(t.Context(), c.db); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.store, err = store.Open(t.Context(), store.Config{URL: c.db, Now: c.clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.store.Close() }) // some tests have damaged it
	for _, org := range [][2]string{{"acme", ""}, {"acme-west", "acme"}, {"globex", ""}} {
		if _, err := c.store.CreateOrganization(t.Context(), org[0], strings.ToUpper(org[0]), org[1]); err != nil {
			t.Fatal(err)
		}
	}
	cfg := central.Config{Store: c.store, Log: testLog(c.log),
		Clock: c.clock, RequestsPerSecond: 1e6}
	for _, f := range change {
		f(&cfg)
	}
	if c.server, err = central.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(c.server.Handler())
	t.Cleanup(web.Close)
	c.url = web.URL
	return c
}

// withLoopback lets a centre connect to the tests' own servers.
func withLoopback(cfg *central.Config) {
	cfg.PrivateNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

func testLog(to io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// token is the token of who, an organisation and a role, as in "acme admin". It is made at first use.
func (c *centre) token(who string) string {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens[who] == "" {
		org, role, _ := strings.Cut(who, " ")
		token, err := c.store.CreateToken(c.t.Context(), org, store.Role(role))
		if err != nil {
			c.t.Fatal(err)
		}
		c.tokens[who] = token
	}
	return c.tokens[who]
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	text   string
}

// ask is one request. who is as centre.token takes it, or empty for no token. A body that is no string goes as JSON.
type ask struct {
	who, method, path string
	body              any
	header            map[string]string
}

func (c *centre) do(a ask) reply {
	c.t.Helper()
	var body io.Reader
	contentType := "application/json"
	switch b := a.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	case url.Values:
		body, contentType = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	default:
		text, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	if !strings.HasPrefix(a.path, "http") {
		a.path = c.url + a.path
	}
	req, err := http.NewRequestWithContext(c.t.Context(), a.method, a.path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if a.who != "" {
		req.Header.Set("Authorization", "Bearer "+c.token(a.who))
	}
	req.Header.Set(edge.NASHeader, "gw1")
	for k, v := range a.header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

// want does a request that must end with status, and reads its body into to, when to is not nil.
func (c *centre) want(status int, a ask, to any) reply {
	c.t.Helper()
	r := c.do(a)
	if r.status != status {
		c.t.Fatalf("%s %s as %q: status %d, want %d: %s", a.method, a.path, a.who, r.status, status, r.text)
	}
	if to != nil {
		if err := json.Unmarshal([]byte(r.text), to); err != nil {
			c.t.Fatalf("%s %s: %v: %s", a.method, a.path, err, r.text)
		}
	}
	return r
}

// user makes a user of the organisation and returns its id.
func (c *centre) user(org, username, password string, profiles ...string) int64 {
	c.t.Helper()
	var u struct{ ID int64 }
	body := map[string]any{"username": username, "profile": profiles}
	if password != "" {
		body["password"] = password
	}
	c.want(http.StatusCreated, ask{who: org + " admin", method: "POST", path: "/api/v1/user/", body: body}, &u)
	return u.ID
}

func (c *centre) profile(org, shortName string) int64 {
	c.t.Helper()
	var p struct{ ID int64 }
	c.want(http.StatusCreated, ask{who: org + " admin", method: "POST", path: "/api/v1/aaa_profile/",
		body: map[string]any{"name": shortName, "short_name": shortName, "reply_attribute": []map[string]string{
			{"attribute": "Session-Timeout", "op": ":=", "value": "3600"}}}}, &p)
	return p.ID
}

// ingest sends records as the organisation's gateway and returns the results.
func (c *centre) ingest(org string, records ...edge.Record) []edge.Result {
	c.t.Helper()
	var answer edge.IngestAnswer
	c.want(http.StatusOK, ask{who: org + " edge", method: "POST", path: edge.IngestPath, body: ingestBody(c.t, records...)}, &answer)
	return answer.Results
}

func ingestBody(t testing.TB, records ...edge.Record) string {
	t.Helper()
	var b strings.Builder
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

// session is a Start, with a Stop in it when running is false.
func session(n int, start time.Time, running bool) edge.Record {
	a := &edge.Accounting{
		AcctStatusType: "Start", AcctUniqueID: fmt.Sprintf("u%d", n), AcctSessionID: fmt.Sprintf("s%d", n), Username: "guest",
		NASIPAddress: "192.0.2.1", NASIdentifier: "gw1", NASPortID: "br-guest", NASPortType: "Wireless-802.11",
		AcctStartTime: start, AcctUpdateTime: start, AcctAuthentic: "Local", AcctInputOctets: 1, AcctOutputOctets: 2,
		CalledStationID: "02-00-5E-00-00-01:guests", CallingStationID: "02-00-5E-10-00-01", SSID: "guests",
	}
	if !running {
		stop := start.Add(time.Minute)
		a.AcctStatusType, a.AcctStopTime, a.AcctTerminateCause = "Stop", &stop, "User-Request"
		a.AcctUpdateTime, a.AcctSessionTime = stop, 60
	}
	return edge.Record{Seq: int64(n), Accounting: a}
}

func transaction(n int, at time.Time) edge.Record {
	return edge.Record{Seq: int64(n), Transaction: &edge.Transaction{
		ID: fmt.Sprintf("tx-%d", n), DateTime: at, Type: "ui", Status: "h200", Message: "User login successful", Username: "guest",
		SessionID: "s", Action: "li", Site: "gw1", UserAgent: "Mozilla/5.0", RemoteIP: "10.0.0.9", MAC: "02:00:5e:10:00:01",
	}}
}
