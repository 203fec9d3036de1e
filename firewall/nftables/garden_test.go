package nftables_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"gatehouse/firewall/nftables"
	"gatehouse/lab"
)

var gardenAddrs = []string{lab.GardenAddr4, lab.GardenAddr6}

func (g *gate) learn(ttl time.Duration, addrs ...string) {
	g.t.Helper()
	ttls := map[netip.Addr]time.Duration{}
	for _, a := range addrs {
		ttls[netip.MustParseAddr(a)] = ttl
	}
	if err := g.fw.Learn(g.t.Context(), "guest", ttls); err != nil {
		g.t.Fatal(err)
	}
}

// wantGarden checks what is open of the garden's servers: 443, and nothing else.
func (g *gate) wantGarden(s *lab.Station, want lab.Outcome) {
	g.t.Helper()
	for _, addr := range gardenAddrs {
		g.wantTCP(s.Host, addr, "443", want)
		g.wantUDP(s.Host, addr, "443", want)
		g.wantPage(s, bracket(addr), portalText)
		g.wantUDP(s.Host, addr, "7", lab.Unreachable)
	}
}

// TestGardenNames: addresses that were learned are open on 443, at once, over restarts, until their time is over.
func TestGardenNames(t *testing.T) {
	t.Parallel()
	z := guestZone()
	z.GardenNames = true
	g := newGate(t, lab.Options{}, z)
	s := g.station(lab.StationOptions{})
	g.wantGarden(s, lab.Refused)
	g.learn(time.Hour, gardenAddrs...)
	g.wantGarden(s, lab.Connected)
	g.wantCaptive(s)
	g.learn(time.Millisecond, gardenAddrs...) // never makes it shorter
	g.restart()
	g.reconcile()
	g.wantGarden(s, lab.Connected)

	flows := map[string]net.Conn{}
	for _, addr := range web {
		g.learn(2*time.Second, addr)
		flows[addr] = g.echo(s, addr)
	}
	for _, addr := range web {
		eventually(t.Context(), t, func() error {
			if got, err := s.ProbeTCP(t.Context(), net.JoinHostPort(addr, "443"), 1500*time.Millisecond); err != nil || got != lab.Refused {
				return errors.New(addr + " is still open")
			}
			return nil
		})
		exchange(t, flows[addr]) // what runs goes on
		g.learn(time.Hour, addr)
		g.wantTCP(s.Host, addr, "443", lab.Connected)
	}

	g.admit(grant(s, "s1"))
	before := g.steady("s1")
	for _, addr := range web {
		exchange(t, flows[addr]) // the station's own now, and counted both ways
	}
	if after := g.steady("s1"); after.Usage.InputPackets != before.Usage.InputPackets+2 || after.Usage.OutputPackets != before.Usage.OutputPackets+2 {
		t.Errorf("two exchanges on older flows made %+v of %+v", after.Usage, before.Usage)
	}
	g.wantOnline(s)
	g.cut(s)
	g.wantGarden(s, lab.Connected)
	g.wantPage(s, lab.WebAddr4, portalText)

	if err := g.fw.Learn(t.Context(), "attic", nil); !errors.Is(err, nftables.ErrNoZone) {
		t.Errorf("learning for a zone that is not there: %v", err)
	}
}

// echo opens a flow to the echo server on UDP port 443.
func (g *gate) echo(s *lab.Station, addr string) net.Conn {
	g.t.Helper()
	c, err := s.Dial(g.t.Context(), "udp", net.JoinHostPort(addr, "443"))
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = c.Close() })
	exchange(g.t, c)
	return c
}

func exchange(t testing.TB, c net.Conn) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(lab.Patience(2 * time.Second))); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("echo")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 10)); err != nil {
		t.Errorf("no echo from %s: %v", c.RemoteAddr(), err)
	}
}

// TestGardenNetworks: networks are open on the web's ports or the one given, for stations of their zone only.
func TestGardenNetworks(t *testing.T) {
	t.Parallel()
	z := guestZone()
	z.Garden = []nftables.Garden{
		{Prefix: netip.MustParsePrefix(lab.GardenAddr4 + "/32")},
		{Prefix: netip.MustParsePrefix("2001:db8:f::20/124"), Port: 7},
	}
	other := nftables.Zone{Name: "other", Interfaces: []string{"br-other"}, Masquerade: true}
	g := newGate(t, lab.Options{ExtraBridges: []lab.Bridge{
		{Name: "br-other", Net4: netip.MustParsePrefix("192.168.90.1/24"), Net6: netip.MustParsePrefix("2001:db8:77:1::1/64"), DHCP: true},
	}}, z, other)
	s := g.station(lab.StationOptions{})
	g.wantPage(s, lab.GardenAddr4, "the internet")
	g.wantTCP(s.Host, lab.GardenAddr4, "443", lab.Connected)
	g.wantUDP(s.Host, lab.GardenAddr4, "7", lab.Unreachable)
	g.wantUDP(s.Host, lab.GardenAddr6, "7", lab.Connected)
	g.wantTCP(s.Host, lab.GardenAddr6, "443", lab.Refused)
	g.wantPage(s, bracket(lab.GardenAddr6), portalText)
	g.wantCaptive(s)
	stranger := g.station(lab.StationOptions{Bridge: "br-other"})
	g.wantPage(stranger, lab.GardenAddr4, portalText)
	g.wantTCP(stranger.Host, lab.GardenAddr4, "443", lab.Refused)
	// A zone without its garden has no set of it any more.
	g.cfg.Zones = []nftables.Zone{guestZone(), other}
	g.restart()
	g.reconcile()
	g.wantTCP(s.Host, lab.GardenAddr4, "443", lab.Refused)
}

// TestGardenMigrated: a table of an older version keeps what was learned.
func TestGardenMigrated(t *testing.T) {
	t.Parallel()
	z := guestZone()
	z.GardenNames = true
	g := newGate(t, lab.Options{}, z)
	s := g.station(lab.StationOptions{})
	g.learn(time.Hour, gardenAddrs...)
	g.makeOlder()
	g.restart()
	g.reconcile()
	g.wantGarden(s, lab.Connected)
	g.cfg.Zones = []nftables.Zone{guestZone()}
	g.restart()
	g.reconcile()
	g.wantGarden(s, lab.Refused)
}

// makeOlder has the table say that an older version made it.
func (g *gate) makeOlder() {
	g.t.Helper()
	for _, c := range []string{"schema_0", "schema_1", "schema_2", "schema_3", "schema_4"} {
		g.nft("add", "chain", "inet", "gatehouse", c)
		g.nft("delete", "chain", "inet", "gatehouse", c)
	}
	g.nft("add", "chain", "inet", "gatehouse", "schema_0")
}
