package nftables_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/firewall/nftables"
	"gatehouse/lab"
	"gatehouse/sessions"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

const portalText = "the portal"

var web = []string{lab.WebAddr4, lab.WebAddr6}

// gate is a lab whose gateway has a firewall and a portal.
type gate struct {
	*lab.Lab
	t   testing.TB
	cfg nftables.Config
	fw  *nftables.Firewall
	log *bytes.Buffer
}

func guestZone() nftables.Zone {
	return nftables.Zone{Name: "guest", Interfaces: []string{lab.GuestBridge}, Masquerade: true}
}

type gateMaker func(testing.TB, lab.Options, ...nftables.Zone) *gate

// inBothForms runs a test with each form of the rules: the late one, and the early one that stands beside others' marks.
func inBothForms(t *testing.T, test func(*testing.T, gateMaker)) {
	t.Parallel()
	t.Run("late", func(t *testing.T) { test(t, newGate) })
	t.Run("early", func(t *testing.T) {
		test(t, func(t testing.TB, options lab.Options, zones ...nftables.Zone) *gate {
			g := newGate(t, options, zones...)
			g.nft("table inet other { chain marks { type filter hook prerouting priority mangle; meta mark and 0x3f00 == 0x100 accept; }; }")
			g.reconcile()
			if !strings.Contains(g.nft("list", "chains"), "chain enter_") || !strings.Contains(g.nft("list", "table", "inet", "gatehouse"), "hook prerouting priority mangle - 10") {
				t.Fatal("the rules have not the early form")
			}
			return g
		})
	})
}

// newGate builds the lab and reconciles the firewall, twice, to no grants.
func newGate(t testing.TB, options lab.Options, zones ...nftables.Zone) *gate {
	t.Helper()
	lab.RequireKernel(t)
	l, err := lab.New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Lab: l, t: t, log: &bytes.Buffer{}}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	g.cfg = nftables.Config{Zones: zones, Logger: slog.New(slog.NewTextHandler(g.log, nil))}
	// The kernel spares its ICMP errors; a test wants one for every packet.
	err = l.Gateway.Sysctl(map[string]string{"net/ipv4/icmp_ratelimit": "0", "net/ipv6/icmp/ratelimit": "0", "net/ipv4/icmp_msgs_per_sec": "1000000"})
	if err != nil {
		t.Log(err) // icmp_msgs_per_sec is the first namespace's on older kernels
	}
	g.servePortal()
	g.restart()
	g.reconcile()
	return g
}

func (g *gate) servePortal() {
	g.t.Helper()
	l, err := g.Gateway.Listen(g.t.Context(), "tcp", "[::]:2080")
	if err != nil {
		g.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, portalText) })}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	g.t.Cleanup(func() { _ = server.Close(); <-done })
}

// restart puts a new Firewall in the place of the old one, as a new daemon would.
func (g *gate) restart() {
	g.t.Helper()
	if g.fw != nil {
		if err := g.fw.Close(); err != nil {
			g.t.Fatal(err)
		}
	}
	err := g.Gateway.Do(func() (err error) {
		g.fw, err = nftables.New(g.cfg)
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = g.fw.Close() })
}

// reconcile does so twice: the second time must change nothing.
func (g *gate) reconcile(want ...sessions.Grant) {
	g.t.Helper()
	var listings [2]string
	for i := range listings {
		if err := g.tryReconcile(want...); err != nil {
			g.t.Fatal(err)
		}
		listings[i] = g.nft("-t", "list", "table", "inet", "gatehouse")
	}
	if diff := cmp.Diff(listings[0], listings[1]); diff != "" {
		g.t.Errorf("a second Reconcile changed the rules (-first +second):\n%s", diff)
	}
}

func (g *gate) tryReconcile(want ...sessions.Grant) error {
	return g.Gateway.Do(func() error { return g.fw.Reconcile(g.t.Context(), want) })
}

func (g *gate) nft(args ...string) string {
	g.t.Helper()
	out, err := g.Gateway.Run(g.t.Context(), "nft", args...)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

func (g *gate) station(options lab.StationOptions) *lab.Station {
	g.t.Helper()
	s, err := g.AddStation(g.t.Context(), options)
	if err != nil {
		g.t.Fatal(err)
	}
	return s
}

func in(zone string, s *lab.Station) sessions.Station {
	return sessions.Station{Zone: zone, MAC: sessions.MAC(s.MAC)}
}

func grant(s *lab.Station, session string) sessions.Grant {
	return sessions.Grant{Station: in("guest", s), AcctSessionID: session}
}

func (g *gate) admit(grants ...sessions.Grant) {
	g.t.Helper()
	if err := g.fw.Admit(g.t.Context(), grants...); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gate) cut(s *lab.Station) sessions.Reading {
	g.t.Helper()
	readings, err := g.fw.Cut(g.t.Context(), in("guest", s))
	if err != nil {
		g.t.Fatal(err)
	}
	return readings[0]
}

// reading is the only reading of that session.
func (g *gate) reading(session string) (sessions.Reading, bool) {
	g.t.Helper()
	readings, err := g.fw.Usage(g.t.Context())
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

// steady waits until nothing more is counted for a session: connections close after the page is read.
func (g *gate) steady(session string) (r sessions.Reading) {
	g.t.Helper()
	eventually(g.t.Context(), g.t, func() error {
		before, _ := g.reading(session)
		g.wait(200 * time.Millisecond)
		if r, _ = g.reading(session); r.Usage != before.Usage {
			return errors.New("the station goes on sending")
		}
		return nil
	})
	return r
}

// fetch gets a page and returns its first bytes, or how it failed.
func fetch(h *lab.Host, addr, path string) string {
	c := h.HTTPClient()
	c.Timeout = lab.Patience(3 * time.Second)
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

func (g *gate) wantPage(s *lab.Station, addr, want string) {
	g.t.Helper()
	if got := fetch(s.Host, addr, "/"); !strings.HasPrefix(got, want) {
		g.t.Errorf("http://%s/ says %q, want %q", addr, got, want)
	}
}

func (g *gate) wantTCP(h *lab.Host, addr, port string, want lab.Outcome) {
	g.t.Helper()
	got, err := h.ProbeTCP(g.t.Context(), net.JoinHostPort(addr, port), 1500*time.Millisecond)
	if err != nil || got != want {
		g.t.Errorf("TCP to %s port %s: %s, %v; want %s", addr, port, got, err, want)
	}
}

func (g *gate) wantUDP(h *lab.Host, addr, port string, want lab.Outcome) {
	g.t.Helper()
	got, err := h.ProbeUDP(g.t.Context(), net.JoinHostPort(addr, port), time.Second)
	if err != nil || got != want {
		g.t.Errorf("UDP to %s port %s: %s, %v; want %s", addr, port, got, err, want)
	}
}

// wantOnline checks that the station reaches the internet in both families.
func (g *gate) wantOnline(s *lab.Station) {
	g.t.Helper()
	for _, addr := range web {
		g.wantPage(s, bracket(addr), "the internet")
		g.wantTCP(s.Host, addr, "443", lab.Connected)
		g.wantUDP(s.Host, addr, "443", lab.Connected)
	}
}

// wantCaptive checks that the station gets the portal and nothing else, in both families.
func (g *gate) wantCaptive(s *lab.Station) {
	g.t.Helper()
	for _, addr := range web {
		g.wantPage(s, bracket(addr), portalText)
		g.wantTCP(s.Host, addr, "443", lab.Refused)
		g.wantUDP(s.Host, addr, "443", lab.Refused)
		g.wantUDP(s.Host, addr, "7", lab.Unreachable)
	}
}

func bracket(addr string) string {
	if netip.MustParseAddr(addr).Is6() {
		return "[" + addr + "]"
	}
	return addr
}

// eventually polls until check returns nil.
func eventually(ctx context.Context, t testing.TB, check func() error) {
	t.Helper()
	if err := lab.WaitFor(ctx, 10*time.Second, check); err != nil {
		t.Fatal(err)
	}
}
