package nftables_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"gatehouse/firewall/enforcertest"
	"gatehouse/firewall/nftables"
	"gatehouse/lab"
	"gatehouse/sessions"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

const portalText = enforcertest.PortalText

var web = enforcertest.Web()

// gate is an enforcertest.Gate of this backend, for the tests that know it. Its methods are those of the Gate under shorter
// names.
type gate struct {
	*enforcertest.Gate
	t   testing.TB
	cfg nftables.Config
	fw  *nftables.Firewall
	log *enforcertest.Log
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
			if !g.isEarly() {
				t.Fatal("the rules have not the early form")
			}
			return g
		})
	})
}

// newGate builds the lab and reconciles the firewall, twice, to no grants.
func newGate(t testing.TB, options lab.Options, zones ...nftables.Zone) *gate {
	t.Helper()
	g := &gate{t: t, cfg: nftables.Config{Zones: zones}}
	g.Gate = enforcertest.New(t, enforcertest.Backend{
		Open: func(logger *slog.Logger) (_ enforcertest.Firewall, err error) {
			g.cfg.Logger = logger
			g.fw, err = nftables.New(g.cfg)
			return g.fw, err
		},
		Listing: "nft -t list table inet gatehouse",
		Losses: []string{"nft delete table inet gatehouse", "nft flush ruleset", "nft flush table inet gatehouse",
			"nft flush chain inet gatehouse forward", "nft 'flush table inet gatehouse; delete set inet gatehouse up'"},
		Unattended: true,
	}, options)
	g.log = g.Log
	return g
}

func (g *gate) restart() { g.t.Helper(); g.Restart() }

func (g *gate) reconcile(want ...sessions.Grant) { g.t.Helper(); g.Reconcile(want...) }

func (g *gate) tryReconcile(want ...sessions.Grant) error {
	return g.Firewall.Reconcile(g.t.Context(), want)
}

func (g *gate) nft(args ...string) string {
	g.t.Helper()
	out, err := g.Gateway.Run(g.t.Context(), "nft", args...)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

func (g *gate) station(o lab.StationOptions) *lab.Station { g.t.Helper(); return g.Station(o) }

func in(zone string, s *lab.Station) sessions.Station { return enforcertest.In(zone, s) }

func grant(s *lab.Station, session string) sessions.Grant {
	return sessions.Grant{Station: in("guest", s), AcctSessionID: session}
}

func crowd(n int) sessions.Grant { return enforcertest.Crowd(n) }

func (g *gate) admit(grants ...sessions.Grant) { g.t.Helper(); g.Admit(grants...) }

func (g *gate) cut(s *lab.Station) sessions.Reading { g.t.Helper(); return g.Cut(s) }

func (g *gate) reading(session string) (sessions.Reading, bool) {
	g.t.Helper()
	return g.Reading(session)
}

func (g *gate) steady(session string) sessions.Reading { g.t.Helper(); return g.Steady(session) }

func (g *gate) wantPage(s *lab.Station, addr, want string) { g.t.Helper(); g.WantPage(s, addr, want) }

func (g *gate) wantTCP(h *lab.Host, addr, port string, want lab.Outcome) {
	g.t.Helper()
	g.WantTCP(h, addr, port, want)
}

func (g *gate) wantUDP(h *lab.Host, addr, port string, want lab.Outcome) {
	g.t.Helper()
	g.WantUDP(h, addr, port, want)
}

func (g *gate) wantOnline(s *lab.Station) { g.t.Helper(); g.WantOnline(s) }

func (g *gate) wantCaptive(s *lab.Station) { g.t.Helper(); g.WantCaptive(s) }

func bracket(addr string) string { return enforcertest.Bracket(addr) }

func (g *gate) wait(d time.Duration) { g.Wait(d) }

func eventually(_ context.Context, t testing.TB, check func() error) {
	t.Helper()
	enforcertest.Eventually(t, check)
}

// traffic is an enforcertest.Traffic, and way an enforcertest.Way, likewise.
type traffic struct {
	*enforcertest.Traffic
	up, down way
}

type way struct {
	*enforcertest.Way
	sent, arrived *lab.Capture
}

func (g *gate) startTraffic(s *lab.Station, addr, port string, grants ...sessions.Grant) *traffic {
	g.t.Helper()
	f := g.StartTraffic(s, addr, port, grants...)
	return &traffic{f, way{&f.Up, f.Up.Sent, f.Up.Arrived}, way{&f.Down, f.Down.Sent, f.Down.Arrived}}
}

func (f *traffic) end() { f.End() }

func (w *way) silence() { w.Silence() }

func (w *way) wantCut(t *testing.T, at time.Time, before, after time.Duration) {
	t.Helper()
	w.WantCut(t, at, before, after)
}

func (w *way) wantLossless(t *testing.T) uint64 { t.Helper(); return w.WantLossless(t) }
