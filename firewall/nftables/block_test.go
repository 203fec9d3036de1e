package nftables_test

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"gatehouse/firewall/nftables"
	"gatehouse/lab"
	"gatehouse/sessions"
)

// A blocked station reaches nothing, whatever it was before, until it is taken off the list.
func TestBlocked(t *testing.T) { inBothForms(t, testBlocked) }

func testBlocked(t *testing.T, newGate gateMaker) {
	z := guestZone()
	z.OnStop = nftables.Open
	z.Management = []netip.Prefix{netip.MustParsePrefix(lab.GuestNet4), netip.MustParsePrefix(lab.GuestNet6)}
	z.Garden = []nftables.Garden{{Prefix: netip.MustParsePrefix(lab.WebAddr4 + "/32"), Port: 9001}}
	g := newGate(t, lab.Options{}, z)
	bad, other := g.station(lab.StationOptions{}), g.station(lab.StationOptions{})
	g.admit(grant(bad, "bad"), grant(other, "other"))
	g.wantOnline(bad)
	f := g.startTraffic(bad, lab.WebAddr4, "9000")
	g.wait(50 * time.Millisecond)
	g.cut(bad)
	g.block(in("guest", bad))
	f.end()

	nothing := func() { // all at once: what is dropped takes its time
		t.Helper()
		var all sync.WaitGroup
		for _, router := range []string{lab.GuestGateway4, lab.GuestGateway6} {
			for _, port := range []string{"2080", "53"} {
				all.Go(func() {
					got, err := bad.ProbeTCP(t.Context(), net.JoinHostPort(router, port), time.Second)
					// Unreachable is the station's own word when it has no answer to neighbour discovery.
					if err != nil || got != lab.TimedOut && (got != lab.Unreachable || router == lab.GuestGateway4) {
						t.Errorf("TCP to %s port %s: %s, %v; want no answer", router, port, got, err)
					}
				})
			}
			all.Go(func() {
				if bad.Ping(t.Context(), router) == nil {
					t.Errorf("%s answers its ping", router)
				}
			})
		}
		for _, addr := range web {
			all.Go(func() { g.wantTCP(bad.Host, addr, "80", lab.TimedOut) })
			all.Go(func() { g.wantTCP(bad.Host, addr, "443", lab.TimedOut) })
			all.Go(func() { g.wantUDP(bad.Host, addr, "7", lab.TimedOut) })
		}
		all.Go(func() { g.wantTCP(bad.Host, lab.WebAddr4, "9001", lab.TimedOut) })
		all.Wait()
	}
	nothing()
	g.wantOnline(other)
	g.admit(grant(bad, "in spite of it"))
	nothing()
	g.restart()
	if err := g.fw.SetBlocked(t.Context(), []sessions.Station{in("guest", bad)}); err != nil {
		t.Fatal(err)
	}
	g.reconcile(grant(other, "other"))
	nothing()
	g.nft("delete", "table", "inet", "gatehouse")
	g.reconcile(grant(other, "other"))
	nothing()
	g.wantOnline(other)
	if err := g.Gateway.Do(func() error { return g.fw.Open(t.Context()) }); err != nil {
		t.Fatal(err)
	}
	g.wantTCP(bad.Host, lab.WebAddr4, "443", lab.TimedOut)
	g.reconcile(grant(other, "other"))
	g.block()
	g.wantCaptive(bad)
}

func (g *gate) block(stations ...sessions.Station) {
	g.t.Helper()
	if err := g.fw.SetBlocked(g.t.Context(), stations); err != nil {
		g.t.Fatal(err)
	}
}
