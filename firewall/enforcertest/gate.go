package enforcertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// PortalText is what the portal of a Gate says to whoever is led there.
const PortalText = "the portal"

// Zone is what the tests ask of a zone.
type Zone struct {
	Name       string
	Interfaces []string
	Masquerade bool
	Management []netip.Prefix
}

// GuestZone is the zone of the lab's own bridge.
func GuestZone() Zone {
	return Zone{Name: "guest", Interfaces: []string{lab.GuestBridge}, Masquerade: true}
}

// Firewall is what is judged.
type Firewall interface {
	sessions.Enforcer
	Watch(ctx context.Context, lost func()) error
	Close() error
}

// Backend says what is particular to a firewall.
type Backend struct {
	// Open makes one, which logs there. It is called in the gateway's network namespace, as all methods of the Firewall are.
	Open func(*slog.Logger) (Firewall, error)
	// Listing is a script that prints the rules, without what changes by itself.
	Listing string
	// Losses are scripts, each of which takes rules of the firewall away.
	Losses []string
	// Unattended: sessions end by time when nobody is there.
	Unattended bool
	// Back is how soon after their loss rules are back. Zero: within a second.
	Back time.Duration
	// Late is how much later than asked for a session may end. Zero: at once.
	Late time.Duration
}

// Maker makes the gate of a test.
type Maker func(t testing.TB, o lab.Options, zones ...Zone) *Gate

// Gate is a lab whose gateway has a firewall and a portal.
type Gate struct {
	*lab.Lab
	Backend
	Firewall Firewall // its calls happen in the gateway
	Log      *Log

	t testing.TB
}

// New builds the lab and reconciles the firewall, twice, to no grants.
func New(t testing.TB, b Backend, o lab.Options) *Gate {
	t.Helper()
	lab.RequireKernel(t)
	l, err := lab.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{Lab: l, t: t, Backend: b, Log: &Log{}}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	// The kernel spares its ICMP errors; a test wants one for every packet.
	err = l.Gateway.Sysctl(map[string]string{"net/ipv4/icmp_ratelimit": "0", "net/ipv6/icmp/ratelimit": "0", "net/ipv4/icmp_msgs_per_sec": "1000000"})
	if err != nil {
		t.Log(err) // icmp_msgs_per_sec is the first namespace's on older kernels
	}
	g.servePortal()
	g.Restart()
	g.Reconcile()
	return g
}

func (g *Gate) servePortal() {
	g.t.Helper()
	l, err := g.Gateway.Listen(g.t.Context(), "tcp", "[::]:2080")
	if err != nil {
		g.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, PortalText) })}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	g.t.Cleanup(func() { _ = server.Close(); <-done })
}

// Restart puts a new Firewall in the place of the old one, as a new daemon would.
func (g *Gate) Restart() {
	g.t.Helper()
	if g.Firewall != nil {
		if err := g.Firewall.Close(); err != nil {
			g.t.Fatal(err)
		}
	}
	err := g.Gateway.Do(func() error {
		fw, err := g.Open(slog.New(slog.NewTextHandler(g.Log, nil)))
		g.Firewall = inside{fw, g.Gateway}
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	fw := g.Firewall
	g.t.Cleanup(func() { _ = fw.Close() })
}

// Reconcile does so twice: the second time must change nothing.
func (g *Gate) Reconcile(want ...sessions.Grant) {
	g.t.Helper()
	var listings [2]string
	for i := range listings {
		if err := g.Firewall.Reconcile(g.t.Context(), want); err != nil {
			g.t.Fatal(err)
		}
		listings[i] = g.Run(g.Listing)
	}
	if diff := cmp.Diff(listings[0], listings[1]); diff != "" {
		g.t.Errorf("a second Reconcile changed the rules (-first +second):\n%s", diff)
	}
}

// Run runs a script of the shell in the gateway.
func (g *Gate) Run(script string) string {
	g.t.Helper()
	out, err := g.Gateway.Run(g.t.Context(), "sh", "-ec", script)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// Station adds a station.
func (g *Gate) Station(o lab.StationOptions) *lab.Station {
	g.t.Helper()
	s, err := g.AddStation(g.t.Context(), o)
	if err != nil {
		g.t.Fatal(err)
	}
	return s
}

// In is a station of the lab as a zone knows it.
func In(zone string, s *lab.Station) sessions.Station {
	return sessions.Station{Zone: zone, MAC: sessions.MAC(s.MAC)}
}

// Grant is one without limits in the GuestZone.
func Grant(s *lab.Station, session string) sessions.Grant {
	return sessions.Grant{Station: In("guest", s), AcctSessionID: session}
}

// Crowd is the grant number n of many in the GuestZone.
func Crowd(n int) sessions.Grant {
	return sessions.Grant{Station: sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0x5e, 0x40, byte(n >> 8), byte(n)}},
		AcctSessionID: fmt.Sprintf("0123456789abcdef-%08d", n), Timeout: time.Hour, IdleTimeout: 10 * time.Minute}
}

// Admit lets stations through.
func (g *Gate) Admit(grants ...sessions.Grant) {
	g.t.Helper()
	if err := g.Firewall.Admit(g.t.Context(), grants...); err != nil {
		g.t.Fatal(err)
	}
}

// Cut cuts a station of the GuestZone.
func (g *Gate) Cut(s *lab.Station) sessions.Reading {
	g.t.Helper()
	readings, err := g.Firewall.Cut(g.t.Context(), In("guest", s))
	if err != nil {
		g.t.Fatal(err)
	}
	return readings[0]
}

// Reading is the only reading of that session.
func (g *Gate) Reading(session string) (sessions.Reading, bool) {
	g.t.Helper()
	readings, err := g.Firewall.Usage(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	for _, r := range readings {
		if r.AcctSessionID == session {
			return r, true
		}
	}
	return sessions.Reading{}, false
}

// Steady waits until nothing more is counted for a session: connections close after the page is read.
func (g *Gate) Steady(session string) (r sessions.Reading) {
	g.t.Helper()
	Eventually(g.t, func() error {
		before, _ := g.Reading(session)
		g.Wait(200 * time.Millisecond)
		if r, _ = g.Reading(session); r.Usage != before.Usage {
			return errors.New("the station goes on sending")
		}
		return nil
	})
	return r
}

// Settled waits until the octets counted by the firewall are those that the internet saw.
func (g *Gate) Settled(session string, count *lab.Capture) (r sessions.Reading) {
	g.t.Helper()
	Eventually(g.t, func() error {
		sent, received := count.Octets()
		r, _ = g.Reading(session)
		if r.Usage.InputOctets != received || r.Usage.OutputOctets != sent || received == 0 {
			return fmt.Errorf("the firewall counted %+v; the internet received %d octets and sent %d", r.Usage, received, sent)
		}
		return nil
	})
	return r
}

// Fetch gets a page and returns its first bytes, or how it failed.
func Fetch(h *lab.Host, addr, path string) string {
	c := h.HTTPClient()
	c.Timeout = lab.Patience(10 * time.Second)
	resp, err := c.Get("http://" + addr + path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// WantPage checks how a page begins.
func (g *Gate) WantPage(s *lab.Station, addr, want string) {
	g.t.Helper()
	if got := Fetch(s.Host, addr, "/"); !strings.HasPrefix(got, want) {
		g.t.Errorf("http://%s/ says %q, want %q", addr, got, want)
	}
}

// within is how long to wait for an outcome: whoever expects an answer may wait for it.
func within(want lab.Outcome) time.Duration {
	if want == lab.TimedOut {
		return 1500 * time.Millisecond
	}
	return 10 * time.Second
}

// WantTCP checks how a connection attempt ends.
func (g *Gate) WantTCP(h *lab.Host, addr, port string, want lab.Outcome) {
	g.t.Helper()
	got, err := h.ProbeTCP(g.t.Context(), net.JoinHostPort(addr, port), within(want))
	if err != nil || got != want {
		g.t.Errorf("TCP to %s port %s: %s, %v; want %s", addr, port, got, err, want)
	}
}

// WantUDP checks how a datagram to an echo server ends.
func (g *Gate) WantUDP(h *lab.Host, addr, port string, want lab.Outcome) {
	g.t.Helper()
	got, err := h.ProbeUDP(g.t.Context(), net.JoinHostPort(addr, port), within(want))
	if err != nil || got != want {
		g.t.Errorf("UDP to %s port %s: %s, %v; want %s", addr, port, got, err, want)
	}
}

// Web is the lab's web server, in both families.
func Web() []string { return []string{lab.WebAddr4, lab.WebAddr6} }

// WantOnline checks that the station reaches the internet in both families.
func (g *Gate) WantOnline(s *lab.Station) {
	g.t.Helper()
	for _, addr := range Web() {
		g.WantPage(s, Bracket(addr), "the internet")
		g.WantTCP(s.Host, addr, "443", lab.Connected)
		g.WantUDP(s.Host, addr, "443", lab.Connected)
	}
}

// WantCaptive checks that the station gets the portal and nothing else, in both families.
func (g *Gate) WantCaptive(s *lab.Station) {
	g.t.Helper()
	for _, addr := range Web() {
		g.WantPage(s, Bracket(addr), PortalText)
		g.WantTCP(s.Host, addr, "443", lab.Refused)
		g.WantUDP(s.Host, addr, "443", lab.Refused)
		g.WantUDP(s.Host, addr, "7", lab.Unreachable)
	}
}

// Bracket is an address as it stands in a URL.
func Bracket(addr string) string {
	if netip.MustParseAddr(addr).Is6() {
		return "[" + addr + "]"
	}
	return addr
}

// Wait lets time pass.
func (g *Gate) Wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-g.t.Context().Done():
	}
}

// Eventually polls until check returns nil.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	if err := lab.WaitFor(t.Context(), 10*time.Second, check); err != nil {
		t.Fatal(err)
	}
}

// Log is what a firewall logged.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// inside is a Firewall whose calls happen in the gateway.
type inside struct {
	Firewall
	gateway *lab.Host
}

func (i inside) Reconcile(ctx context.Context, want []sessions.Grant) error {
	return i.gateway.Do(func() error { return i.Firewall.Reconcile(ctx, want) })
}

func (i inside) Admit(ctx context.Context, grants ...sessions.Grant) error {
	return i.gateway.Do(func() error { return i.Firewall.Admit(ctx, grants...) })
}

func (i inside) Cut(ctx context.Context, stations ...sessions.Station) (readings []sessions.Reading, err error) {
	err = i.gateway.Do(func() (err error) { readings, err = i.Firewall.Cut(ctx, stations...); return err })
	return readings, err
}

func (i inside) SetBlocked(ctx context.Context, stations []sessions.Station) error {
	return i.gateway.Do(func() error { return i.Firewall.SetBlocked(ctx, stations) })
}

func (i inside) Release(ctx context.Context, stations ...sessions.Station) error {
	return i.gateway.Do(func() error { return i.Firewall.Release(ctx, stations...) })
}

func (i inside) Usage(ctx context.Context) (readings []sessions.Reading, err error) {
	err = i.gateway.Do(func() (err error) { readings, err = i.Firewall.Usage(ctx); return err })
	return readings, err
}

func (i inside) CleanUp(ctx context.Context) error {
	return i.gateway.Do(func() error { return i.Firewall.CleanUp(ctx) })
}

func (i inside) Watch(ctx context.Context, lost func()) error {
	return i.gateway.Do(func() error { return i.Firewall.Watch(ctx, lost) })
}
