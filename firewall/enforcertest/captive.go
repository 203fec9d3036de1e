package enforcertest

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"gatehouse/lab"
)

// Captive is a station that gets the portal, and of the router only what it needs.
func Captive(t *testing.T, newGate Maker) {
	g := newGate(t, lab.Options{}, GuestZone())
	s := g.Station(lab.StationOptions{}) // DHCP and RA work
	g.WantCaptive(s)
	for _, router := range []string{lab.GuestGateway4, lab.GuestGateway6, lab.GatewayWAN4, lab.GatewayWAN6} {
		g.WantPage(s, Bracket(router), PortalText) // never the router's admin page
		g.WantPage(s, Bracket(router)+":2080", PortalText)
		g.WantTCP(s.Host, router, "22", lab.Refused)
		g.WantUDP(s.Host, router, "161", lab.Unreachable)
		if err := s.Ping(t.Context(), router); err != nil {
			t.Error(err)
		}
	}
	for _, addr := range Web() {
		g.WantTCP(s.Host, addr, "853", lab.Refused)
		if err := s.Ping(t.Context(), addr); err == nil {
			t.Errorf("a captive station's ping to %s is answered", addr)
		}
	}
	// The web servers of the lab answer no DNS: an answer is the router's.
	for _, resolver := range []string{lab.WebAddr4, lab.WebAddr6, lab.GuestGateway4} {
		out, err := s.Run(t.Context(), "busybox", "nslookup", lab.GardenName, resolver)
		if err != nil || !strings.Contains(out, lab.GardenAddr4) {
			t.Errorf("DNS by %s: %v %s", resolver, err, out)
		}
		g.WantTCP(s.Host, resolver, "53", lab.Connected)
	}
	if err := s.Renew(t.Context()); err != nil {
		t.Error(err)
	}
}

// Management lets some addresses of a zone at the router.
func Management(t *testing.T, newGate Maker) {
	z := GuestZone()
	z.Management = []netip.Prefix{netip.MustParsePrefix("192.168.77.7/32"), netip.MustParsePrefix("2001:db8:77::7/128")}
	g := newGate(t, lab.Options{}, z)
	routers := []netip.Addr{netip.MustParseAddr(lab.GuestGateway4), netip.MustParseAddr(lab.GuestGateway6)}
	owner := g.Station(lab.StationOptions{Routers: routers,
		Static: []netip.Prefix{netip.MustParsePrefix("192.168.77.7/20"), netip.MustParsePrefix("2001:db8:77::7/64")}})
	other := g.Station(lab.StationOptions{Routers: routers,
		Static: []netip.Prefix{netip.MustParsePrefix("192.168.77.8/20"), netip.MustParsePrefix("2001:db8:77::8/64")}})
	for _, router := range []string{lab.GuestGateway4, lab.GuestGateway6, lab.GatewayWAN4, lab.GatewayWAN6} {
		g.WantPage(owner, Bracket(router), lab.AdminPageText)
		g.WantPage(other, Bracket(router), PortalText)
	}
	g.WantCaptive(owner)
}

// SpoofedSource: an address that is not behind the zone's interface goes nowhere, not even into a rejection.
func SpoofedSource(t *testing.T, newGate Maker) {
	g := newGate(t, lab.Options{}, GuestZone())
	s := g.Station(lab.StationOptions{})
	foreign := map[string]string{lab.WebAddr4: "198.51.100.77", lab.WebAddr6: "2001:db8:bad::1"}
	for _, addr := range foreign {
		if out, err := s.Run(t.Context(), "ip", "addr", "add", addr, "dev", lab.PeerInterface, "nodad"); err != nil {
			t.Fatal(out, err)
		}
	}
	// Masquerade would hide the address, so every ping counts; so does an answer of the router to the foreign address.
	wan, err := g.WAN.Capture(t.Context(), lab.PeerInterface, func(p lab.Packet) bool {
		dst := p.Dst.Addr().String()
		reached := slices.Contains(Web(), dst) || dst == foreign[lab.WebAddr4] || dst == foreign[lab.WebAddr6]
		return !p.Sent && reached && (p.Protocol == 1 || p.Protocol == 58)
	})
	if err != nil {
		t.Fatal(err)
	}
	send := func() {
		for to, from := range foreign {
			for _, dst := range []string{to, lab.GuestGateway4, lab.GuestGateway6} {
				if netip.MustParseAddr(dst).Is4() == netip.MustParseAddr(from).Is4() {
					_, _ = s.Run(t.Context(), "busybox", "ping", "-c", "1", "-W", "1", "-I", from, dst)
				}
			}
		}
	}
	send()
	g.Admit(Grant(s, "s1"))
	send()
	packets, err := wan.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if len(packets) > 0 {
		t.Errorf("%d packets with a foreign source went through or were answered: %v", len(packets), packets)
	}
	g.WantOnline(s)
	if r, _ := g.Reading("s1"); r.Usage.InputPackets == 0 {
		t.Error("nothing was counted of the station's own traffic")
	}
}

// TwoZones has one MAC in two zones: it is two stations.
func TwoZones(t *testing.T, newGate Maker) {
	paid := Zone{Name: "paid", Interfaces: []string{"br-paid"}, Masquerade: true}
	g := newGate(t, lab.Options{ExtraBridges: []lab.Bridge{
		{Name: "br-paid", Net4: netip.MustParsePrefix("192.168.90.1/24"), Net6: netip.MustParsePrefix("2001:db8:77:1::1/64"), DHCP: true},
	}}, GuestZone(), paid)
	const mac = "02:00:5e:00:00:99"
	free := g.Station(lab.StationOptions{MAC: mac})
	pay := g.Station(lab.StationOptions{MAC: mac, Bridge: "br-paid"})
	g.Admit(Grant(free, "free"))
	g.WantOnline(free)
	g.WantPage(pay, lab.WebAddr4, PortalText)
	g.WantTCP(pay.Host, lab.WebAddr4, "443", lab.Refused)
	g.WantTCP(free.Host, pay.Addr4.String(), "443", lab.Refused) // zones do not reach each other
	g.WantPage(free, pay.Addr4.String(), "Get")                  // a connection error, not the portal
	r, ok := g.Reading("free")
	if !ok || r.Usage.InputPackets == 0 {
		t.Fatalf("reading of the free zone's session: %+v", r)
	}
	if got := g.Cut(free); got.Usage.InputPackets < r.Usage.InputPackets {
		t.Errorf("the final reading %+v is behind %+v", got, r)
	}
	g.WantCaptive(free)
}
