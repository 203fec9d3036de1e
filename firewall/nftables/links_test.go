package nftables_test

import (
	"net/netip"
	"testing"
	"time"

	"gatehouse/firewall/nftables"
	"gatehouse/lab"
)

const (
	plainPort     = "sta1" // of the first station
	plainGateway4 = "10.8.0.1"
	plainGateway6 = "2001:db8:77:8::1"
	plainStation4 = "10.8.0.7"
	plainStation6 = "2001:db8:77:8::7"
)

// TestPlainInterface has a zone on an interface that is no bridge, beside one on a bridge with a station of the same MAC address.
// The interface goes and comes back, by itself and by its cable.
func TestPlainInterface(t *testing.T) {
	t.Parallel()
	plain := nftables.Zone{Name: "plain", Interfaces: []string{plainPort}, Masquerade: true}
	g := newGate(t, lab.Options{}, guestZone(), plain)
	s := g.station(lab.StationOptions{Static: []netip.Prefix{netip.MustParsePrefix(plainStation4 + "/24"), netip.MustParsePrefix(plainStation6 + "/64")}})
	if s.Port != plainPort {
		t.Fatalf("the first station is behind %s", s.Port)
	}
	twin := g.station(lab.StationOptions{MAC: s.MAC.String()})
	run := func(h *lab.Host, script string) {
		t.Helper()
		if out, err := h.Run(t.Context(), "sh", "-ec", script); err != nil {
			t.Fatal(out, err)
		}
	}
	run(g.WAN, "ip route add 2001:db8:77:8::/64 via "+lab.GatewayWAN6)
	gatewaySide := "ip addr add " + plainGateway4 + "/24 dev " + plainPort + "; ip addr add " + plainGateway6 + "/64 dev " + plainPort + " nodad; ip link set " + plainPort + " up"
	stationSide := "ip link set eth0 up; ip route add default via " + plainGateway4 + "; ip route add default via " + plainGateway6
	run(g.Gateway, "ip link set "+plainPort+" nomaster; "+gatewaySide)
	run(s.Host, stationSide)

	// Nothing leaves but what the session of the moment accounts for.
	out, err := g.WAN.Capture(t.Context(), lab.PeerInterface, func(p lab.Packet) bool {
		return !p.Sent && (p.Src.Addr() == netip.MustParseAddr(plainStation6) || p.Src.Addr() == netip.MustParseAddr(plainStation4))
	})
	if err != nil {
		t.Fatal(err)
	}
	g.wantCaptive(s)
	g.wantCaptive(twin)
	there := grant(s, "plain")
	there.Station.Zone, there.Timeout = "plain", time.Hour
	back := map[string]func(){
		"cable": func() {
			run(g.Gateway, "ip link set "+plainPort+" down; ip link set "+plainPort+" up; ip addr replace "+plainGateway6+"/64 dev "+plainPort+" nodad")
			run(s.Host, "ip -6 addr replace "+plainStation6+"/64 dev eth0 nodad; ip -6 route replace default via "+plainGateway6)
		},
		"interface": func() {
			run(g.Gateway, "ip link del "+plainPort+"; ip link add "+plainPort+" type veth peer name eth0 address "+s.MAC.String()+" netns "+s.Name+"; "+gatewaySide)
			run(s.Host, "ip addr add "+plainStation4+"/24 dev eth0; ip addr add "+plainStation6+"/64 dev eth0 nodad; "+stationSide)
		},
	}
	for name, comeBack := range back {
		comeBack()
		g.wantCaptive(s)
		g.admit(there)
		g.wantOnline(s)
		g.wantPage(twin, lab.WebAddr4, portalText) // the same MAC address in another zone is another station
		before, _ := g.reading("plain")
		comeBack()
		g.wantOnline(s)
		g.wantPage(twin, lab.WebAddr4, portalText)
		if after, _ := g.reading("plain"); !after.Live || after.Usage.InputOctets <= before.Usage.InputOctets || after.Usage.OutputOctets <= before.Usage.OutputOctets {
			t.Errorf("%s: before the interface went %+v, after it came back %+v", name, before, after)
		}
		readings, err := g.Firewall.Cut(t.Context(), there.Station)
		if err != nil || readings[0].Usage.InputPackets == 0 {
			t.Errorf("%s: the cut says %+v, %v", name, readings, err)
		}
		online := len(out.Packets())
		comeBack()
		g.wantCaptive(s)
		if n := len(out.Packets()) - online; n > 0 {
			t.Errorf("%s: %d packets of the captive station got out", name, n)
		}
		if err := g.Firewall.Release(t.Context(), there.Station); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRenumbered gives the WAN another IPv4 address and the zone another IPv6 prefix while stations are online.
func TestRenumbered(t *testing.T) { inBothForms(t, testRenumbered) }

func testRenumbered(t *testing.T, newGate gateMaker) {
	const newWAN4, newGateway6, newAdmitted6, newCaptive6 = "203.0.113.3", "2001:db8:78::1", "2001:db8:78::7", "2001:db8:78::8"
	g := newGate(t, lab.Options{}, guestZone())
	stations, err := g.AddStaticStations(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	s, captive := stations[0], stations[1]
	one := grant(s, "s1")
	one.Timeout, one.IdleTimeout = time.Hour, time.Minute
	g.admit(one)
	g.wantOnline(s)
	g.wantCaptive(captive)
	var flows []*traffic
	for _, addr := range web {
		flows = append(flows, g.startTraffic(s, addr, "9000"))
	}
	run := func(h *lab.Host, script string) {
		t.Helper()
		if out, err := h.Run(t.Context(), "sh", "-ec", script); err != nil {
			t.Fatal(out, err)
		}
	}
	old := s.Addr6.String()
	leaks, err := g.WAN.Capture(t.Context(), lab.PeerInterface, func(p lab.Packet) bool {
		src := p.Src.Addr().String()
		return !p.Sent && (src == captive.Addr6.String() || src == newCaptive6 || src == captive.Addr4.String())
	})
	if err != nil {
		t.Fatal(err)
	}
	run(g.Gateway, "ip addr del "+lab.GatewayWAN4+"/24 dev wan0; ip addr add "+newWAN4+"/24 dev wan0; ip route add default via "+lab.ProviderWAN4+
		"; ip -6 addr del "+lab.GuestGateway6+"/64 dev br-guest; ip -6 addr add "+newGateway6+"/64 dev br-guest nodad")
	run(g.WAN, "ip -6 route add 2001:db8:78::/64 via "+lab.GatewayWAN6)
	for station, addr := range map[*lab.Station]string{s: newAdmitted6, captive: newCaptive6} {
		run(station.Host, "ip -6 addr add "+addr+"/64 dev eth0 nodad; ip -6 route del default; ip -6 route add default via "+newGateway6+" src "+addr)
	}
	g.wantOnline(s)
	g.wantCaptive(captive)

	for _, f := range flows {
		f.end()
	}
	// The old prefix is nobody's: it does not get out, nor in, nor onto a bill.
	before := g.steady("s1")
	run(s.Host, "ip -6 route replace default via "+newGateway6+" src "+old)
	g.wantTCP(s.Host, lab.WebAddr6, "443", lab.TimedOut)
	g.wantTCP(g.WAN, old, "22", lab.TimedOut) // the gateway sends it back, and so on
	if after, _ := g.reading("s1"); after.Usage != before.Usage || !after.Live {
		t.Errorf("the old prefix is billed: before %+v, after %+v", before, after)
	}
	if out := leaks.Packets(); len(out) > 0 {
		t.Errorf("%d packets of the captive station got out, the first %+v", len(out), out[0])
	}
	g.wantPage(s, lab.WebAddr4, "the internet")
}
