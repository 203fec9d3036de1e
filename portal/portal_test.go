package portal

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/clock"
	"gatehouse/sessions"
	"gatehouse/web"
)

// manager is the sessions at the border; methods that a test does not set panic.
type manager struct {
	login  func(context.Context, sessions.LoginRequest) (sessions.Session, error)
	logout func(context.Context, sessions.Station, sessions.TerminateCause) (sessions.Session, error)
	admit  func(sessions.Station, netip.Addr, string, sessions.Limits) (sessions.Session, error)
	begin  func(sessions.ProofRequest) (sessions.Proof, error)
	ready  func(sessions.Password) (bool, error)
	renew  func(passwords string) error
	reach  func(sessions.Reach) (time.Duration, error)
	change func(what string) (sessions.Session, error) // extend, pause, resume

	mu      sync.Mutex
	view    sessions.StationView // what View says besides the session
	session *sessions.Session    // of the only station; nil: captive
	zone    sessions.Zone
	seen    int
	opens   time.Time // closed until then; zero: open
	checked int
}

func (m *manager) Login(ctx context.Context, req sessions.LoginRequest) (sessions.Session, error) {
	return m.login(ctx, req)
}

func (m *manager) Logout(ctx context.Context, st sessions.Station, c sessions.TerminateCause) (sessions.Session, error) {
	return m.logout(ctx, st, c)
}

func (m *manager) Admit(_ context.Context, st sessions.Station, addr netip.Addr, username string, given sessions.Limits) (sessions.Session, error) {
	return m.admit(st, addr, username, given)
}

func (m *manager) Prolong(_ context.Context, _ sessions.Station, _ netip.Addr, nth int) (sessions.Session, error) {
	return m.change(fmt.Sprint("extend ", nth))
}

func (m *manager) ChangePassword(_ context.Context, _ sessions.Station, secure bool, present, changed sessions.Password) error {
	return m.renew(fmt.Sprintf("%t %s %s", secure, string(present), string(changed)))
}

func (m *manager) Pause(context.Context, sessions.Station) (sessions.Session, error) {
	return m.change("pause")
}

func (m *manager) Resume(context.Context, sessions.Station, netip.Addr) (sessions.Session, error) {
	return m.change("resume")
}

func (m *manager) BeginProof(_ context.Context, req sessions.ProofRequest) (sessions.Proof, error) {
	return m.begin(req)
}

func (m *manager) ProofReady(_ context.Context, ticket sessions.Password, _ sessions.Station) (bool, error) {
	return m.ready(ticket)
}

func (m *manager) OpenReach(_ context.Context, r sessions.Reach) (time.Duration, error) {
	return m.reach(r)
}

func (m *manager) View(st sessions.Station) sessions.StationView {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.view
	v.Station, v.State, v.Session = st, sessions.Captive, m.session
	if m.session != nil {
		v.State = sessions.Authorized
		if !v.Limited {
			v.Left, v.Limited = m.session.Left(m.session.Used)
		}
	}
	return v
}

func (m *manager) Look(_ context.Context, st sessions.Station) sessions.StationView {
	return m.View(st)
}

func (m *manager) Seen(sessions.Station, netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen++
}

func (m *manager) Recheck(context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checked++
}

func (m *manager) checks() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.checked
}

func (m *manager) Opening(string) (bool, time.Time) { return m.opens.IsZero(), m.opens }

func (m *manager) Zone(name string) (sessions.Zone, bool) { return m.zone, name == m.zone.Name }

func (m *manager) set(s *sessions.Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session = s
}

var phone = sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 1}}

// bench is a running portal with one station in front of it.
type bench struct {
	*testing.T
	portal  *Portal
	manager *manager
	clock   *clock.Fake
	addr    string // of the portal, an address literal with a port
	log     *bytes.Buffer
	stop    func()
}

func start(tb testing.TB, change func(*Config)) *bench {
	tb.Helper()
	return startAt(tb, "127.0.0.1:0", change)
}

func startAt(tb testing.TB, addr string, change func(*Config)) *bench {
	tb.Helper()
	b := &bench{clock: clock.NewFake(time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC), "boot"), log: &bytes.Buffer{}}
	b.T, _ = tb.(*testing.T)
	b.manager = &manager{zone: sessions.Zone{Name: "guest", TermsVersion: "2026-11", AllowCleartext: true,
		Methods: []sessions.Method{sessions.MethodPassword, sessions.MethodClick}}}
	cfg := Config{
		Manager:  b.manager,
		Devices:  &devices{},
		Identify: func(context.Context, netip.AddrPort, netip.AddrPort) (sessions.Station, bool) { return phone, true },
		Forget:   func(context.Context, []Flow) error { return nil },
		Clock:    b.clock,
		Logger:   slog.New(slog.NewTextHandler(b.log, nil)),
		Venues:   map[string]web.Venue{"guest": {Name: "Hotel Seeblick"}},
	}
	if change != nil {
		change(&cfg)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	b.addr, b.portal = ln.Addr().String(), New(cfg)
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- b.portal.Serve(ctx, ln) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("Serve: %v", err)
		}
	})
	tb.Cleanup(b.stop)
	return b
}

// answered is one answer as it came over the wire.
type answered struct {
	status int
	header textproto.MIMEHeader
	body   string
	closed bool // by the portal, after the answer
}

// raw sends bytes as they are and reads what comes back until the portal closes or the answer is complete.
func (b *bench) raw(request string) answered {
	b.Helper()
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	return b.over(c, request)
}

func (b *bench) over(c net.Conn, request string) answered {
	b.Helper()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		b.Fatal(err)
	}
	br := bufio.NewReader(c)
	method, _, _ := strings.Cut(request, " ")
	var wire bytes.Buffer
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(br, &wire)), &http.Request{Method: method})
	if err != nil {
		b.Fatalf("%.60q: %v", request, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatalf("%.60q: reading the body: %v", request, err)
	}
	head := textproto.NewReader(bufio.NewReader(&wire))
	if _, err := head.ReadLine(); err != nil {
		b.Fatal(err)
	}
	h, err := head.ReadMIMEHeader()
	if err != nil {
		b.Fatal(err)
	}
	a := answered{status: resp.StatusCode, header: h, body: string(body)}
	if resp.Close {
		_, err = br.ReadByte()
		a.closed = err == io.EOF
	}
	return a
}

// get asks for one of the portal's own pages.
func (b *bench) get(path string) answered {
	b.Helper()
	return b.raw("GET " + path + " HTTP/1.1\r\nHost: " + b.addr + "\r\nConnection: close\r\n\r\n")
}

// await polls until ok, or fails.
func await(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			tb.Fatalf("waited in vain: %s", what)
		}
		<-tick.C
	}
}
