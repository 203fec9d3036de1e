package nftables_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"gatehouse/firewall/nftables"
	"gatehouse/lab"
	"gatehouse/sessions"
)

func reachZone() nftables.Zone {
	z := guestZone()
	z.Reach = true
	return z
}

func (g *gate) openReach(r sessions.Reach) {
	g.t.Helper()
	if err := g.fw.OpenReach(g.t.Context(), r); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gate) learnReach(st sessions.Station, addrs ...string) {
	g.t.Helper()
	var all []netip.Addr
	for _, a := range addrs {
		all = append(all, netip.MustParseAddr(a))
	}
	if err := g.fw.LearnReach(g.t.Context(), st, all); err != nil {
		g.t.Fatal(err)
	}
}

// serveMail answers octets with the same octets on TCP port 993 of addresses in the internet.
func (g *gate) serveMail(addrs ...string) {
	g.t.Helper()
	for _, addr := range addrs {
		ln, err := g.WAN.Listen(g.t.Context(), "tcp", net.JoinHostPort(addr, "993"))
		if err != nil {
			g.t.Fatal(err)
		}
		g.t.Cleanup(func() { _ = ln.Close() })
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
			}
		}()
	}
}

func (g *gate) dialMail(s *lab.Station, addr string) net.Conn {
	g.t.Helper()
	c, err := s.Dial(g.t.Context(), "tcp", net.JoinHostPort(addr, "993"))
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = c.Close() })
	exchange(g.t, c)
	return c
}

// wantClosed: the station is as captive as ever, on the ports of reaches too.
func (g *gate) wantClosed(s *lab.Station) {
	g.t.Helper()
	g.wantCaptive(s)
	for _, addr := range append([]string{lab.GardenAddr4, lab.GardenAddr6}, web...) {
		g.wantTCP(s.Host, addr, "443", lab.Refused)
		g.wantTCP(s.Host, addr, "993", lab.Refused)
	}
}

// wantReach: the addresses are open on TCP 443 only; port 80 of them leads to the portal.
func (g *gate) wantReach(s *lab.Station, addrs ...string) {
	g.t.Helper()
	for _, addr := range addrs {
		g.wantTCP(s.Host, addr, "443", lab.Connected)
		g.wantUDP(s.Host, addr, "443", lab.Refused)
		g.wantUDP(s.Host, addr, "7", lab.Unreachable)
		g.wantTCP(s.Host, addr, "7", lab.Refused)
		g.wantPage(s, bracket(addr), portalText)
	}
}

// TestReach: a captive station's way out is for itself, to what was learned for it, and ends with its login.
func TestReach(t *testing.T) {
	inBothForms(t, func(t *testing.T, newGate gateMaker) {
		g := newGate(t, lab.Options{}, reachZone())
		s, other := g.station(lab.StationOptions{}), g.station(lab.StationOptions{})
		st := in("guest", s)
		g.serveMail(gardenAddrs...)
		g.wantClosed(s)
		g.learnReach(st, gardenAddrs...) // it has none
		g.wantClosed(s)
		g.openReach(sessions.Reach{Station: st, Names: []string{"login.example"}, Ports: []uint16{443}, For: time.Hour})
		g.wantClosed(s)
		g.learnReach(st, gardenAddrs...)
		for range 2 {
			g.wantReach(s, gardenAddrs...)
			g.wantCaptive(s) // the rest of the internet
			g.wantClosed(other)
			g.restart()
			g.reconcile()
		}
		// Another takes its place: what was learned for the first is closed again.
		g.openReach(sessions.Reach{Station: st, Names: []string{"mail.example"}, Ports: []uint16{993}, For: time.Hour})
		g.wantClosed(s)
		g.learnReach(st, gardenAddrs...)
		flows := []net.Conn{g.dialMail(s, lab.GardenAddr4), g.dialMail(s, lab.GardenAddr6)}
		for _, addr := range gardenAddrs {
			g.wantTCP(s.Host, addr, "443", lab.Refused)
		}
		g.admit(grant(s, "s1"))
		for _, c := range flows {
			exchange(t, c) // the station's own now
		}
		g.wantOnline(s)
		if r := g.steady("s1"); r.Usage.InputPackets == 0 || r.Usage.OutputPackets == 0 {
			t.Errorf("nothing was counted: %+v", r)
		}
		g.cut(s)
		g.wantClosed(s)
		for _, zone := range []string{"attic", ""} {
			if err := g.fw.OpenReach(t.Context(), sessions.Reach{Station: in(zone, s), Ports: []uint16{443}, For: time.Hour}); !errors.Is(err, nftables.ErrNoZone) {
				t.Errorf("a reach in zone %q: %v", zone, err)
			}
		}
	})
}

// TestReachAny: a reach without names leads to public addresses, never to those of a private network, of the router or of another zone.
func TestReachAny(t *testing.T) {
	t.Parallel()
	private := []string{"10.9.8.7", "fd00:9::7", "172.31.0.1", "100.64.0.9"}
	g := newGate(t, lab.Options{ExtraBridges: []lab.Bridge{
		{Name: "br-other", Net4: netip.MustParsePrefix("192.168.90.1/24"), Net6: netip.MustParsePrefix("2001:db8:77:1::1/64"), DHCP: true},
	}}, reachZone(), nftables.Zone{Name: "other", Interfaces: []string{"br-other"}, Masquerade: true})
	s, neighbour := g.station(lab.StationOptions{}), g.station(lab.StationOptions{Bridge: "br-other"})
	for _, addr := range private {
		prefix, _ := netip.MustParseAddr(addr).Prefix(netip.MustParseAddr(addr).BitLen())
		if _, err := g.WAN.Run(t.Context(), "ip", "address", "add", prefix.String(), "dev", "lo"); err != nil {
			t.Fatal(err)
		}
	}
	g.serveMail(append(private, web...)...)
	g.admit(grant(s, "s1"))
	for _, addr := range private[:1] {
		g.wantTCP(s.Host, addr, "993", lab.Connected) // it is the reach that does not lead there
	}
	g.cut(s)
	g.openReach(sessions.Reach{Station: in("guest", s), Ports: []uint16{443, 993, 995}, For: time.Hour})
	g.wantReach(s, web...)
	for _, addr := range web {
		g.dialMail(s, addr)
	}
	for _, addr := range private {
		g.wantTCP(s.Host, addr, "993", lab.Refused)
	}
	g.wantTCP(s.Host, neighbour.Addr4.String(), "443", lab.Refused)
	for _, addr := range []string{lab.GuestGateway4, lab.GuestGateway6} {
		g.wantTCP(s.Host, addr, "443", lab.Refused)
	}
	if err := g.fw.SetBlocked(t.Context(), []sessions.Station{in("guest", s)}); err != nil {
		t.Fatal(err)
	}
	if err := g.fw.SetBlocked(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	g.wantTCP(s.Host, lab.WebAddr4, "443", lab.Refused) // it ended with that
}

// TestReachTime: a reach ends on time with the daemon dead, connections included, and carries little.
func TestReachTime(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, reachZone())
	s := g.station(lab.StationOptions{})
	g.serveMail(web...)
	lasts := lab.Patience(4 * time.Second)
	g.openReach(sessions.Reach{Station: in("guest", s), Ports: []uint16{993}, For: lasts})
	opened := time.Now()
	flows := []net.Conn{g.dialMail(s, lab.WebAddr4), g.dialMail(s, lab.WebAddr6)}
	if err := g.fw.Close(); err != nil {
		t.Fatal(err)
	}
	// As much as goes through, there and back, in the time.
	sent := make(chan int)
	go func() {
		carried, buf := 0, make([]byte, 16<<10)
		go func() {
			for {
				if _, err := flows[0].Write(make([]byte, 16<<10)); err != nil {
					return
				}
			}
		}()
		_ = flows[0].SetReadDeadline(opened.Add(lasts))
		for {
			n, err := flows[0].Read(buf)
			carried += n
			if err != nil {
				sent <- carried
				return
			}
		}
	}()
	if n, most := <-sent, 4<<20/2+int(lasts.Seconds())*64<<10; n > most || n < 256<<10 {
		t.Errorf("%d octets came back; the burst is 4 MB both ways, and then 64 kB/s (at most %d)", n, most)
	}
	g.restart()
	for _, addr := range web {
		eventually(t.Context(), t, func() error {
			if got, err := s.ProbeTCP(t.Context(), net.JoinHostPort(addr, "993"), 1500*time.Millisecond); err != nil || got != lab.Refused {
				return fmt.Errorf("%s is still open", addr)
			}
			return nil
		})
	}
	_ = flows[1].SetDeadline(time.Now().Add(lab.Patience(2 * time.Second)))
	_, _ = flows[1].Write([]byte("late"))
	if _, err := flows[1].Read(make([]byte, 4)); err == nil {
		t.Error("a connection outlives its reach")
	}
	g.wantClosed(s)
}

// TestReachRoom: when there are too many reaches, the one that would end first makes room.
func TestReachRoom(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, reachZone())
	s := g.station(lab.StationOptions{})
	g.openReach(sessions.Reach{Station: in("guest", s), Ports: []uint16{443}, For: 2 * time.Hour})
	const most = 512
	for i := range most - 1 {
		g.openReach(sessions.Reach{Station: crowd(i).Station, Ports: []uint16{443, 993, 995}, For: time.Hour})
	}
	g.wantReach(s, web...)
	last := g.station(lab.StationOptions{})
	g.openReach(sessions.Reach{Station: in("guest", last), Ports: []uint16{443}, For: time.Hour})
	g.wantReach(last, web...)
	g.wantReach(s, web...)
	g.openReach(sessions.Reach{Station: in("guest", s), Ports: []uint16{443}, For: time.Minute})
	g.openReach(sessions.Reach{Station: crowd(most).Station, Ports: []uint16{443}, For: time.Hour})
	g.wantClosed(s)
	g.wantReach(last, web...)
}

// TestReachMigrated: a zone gets reaches, keeps those it has over an upgrade, and is without them again.
func TestReachMigrated(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	s := g.station(lab.StationOptions{})
	g.cfg.Zones = []nftables.Zone{reachZone()}
	g.restart()
	g.reconcile()
	g.openReach(sessions.Reach{Station: in("guest", s), Ports: []uint16{443}, For: time.Hour})
	g.makeOlder()
	g.restart()
	g.reconcile()
	g.wantReach(s, web...)
	g.cfg.Zones = []nftables.Zone{guestZone()}
	g.restart()
	g.reconcile()
	g.wantClosed(s)
}
