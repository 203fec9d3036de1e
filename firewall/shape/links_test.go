package shape_test

import (
	"errors"
	"net/netip"
	"testing"

	"gatehouse/firewall/shape"
	"gatehouse/lab"
	"gatehouse/sessions"
)

// An interface that is no bridge goes while a station on it has a rate, and comes back: so does the rate, by the next poll.
func TestInterfaceBack(t *testing.T) {
	t.Parallel()
	const port, gateway, address = "sta1", "2001:db8:77:8::1", "2001:db8:77:8::7/64"
	r := newRig(t, shape.Zone{})
	s, err := r.AddStation(t.Context(), lab.StationOptions{Static: []netip.Prefix{netip.MustParsePrefix(address)}})
	if err != nil || s.Port != port {
		t.Fatalf("the first station is behind %s, %v", s.Port, err)
	}
	on := func(h *lab.Host, script string) {
		t.Helper()
		if out, err := h.Run(t.Context(), "sh", "-ec", script); err != nil {
			t.Fatal(out, err)
		}
	}
	gatewaySide := "ip addr add " + gateway + "/64 dev " + port + " nodad; ip link set " + port + " up"
	stationSide := "ip link set eth0 up; ip route add default via " + gateway
	on(r.WAN, "ip route add 2001:db8:77:8::/64 via "+lab.GatewayWAN6)
	on(r.Gateway, "ip link set "+port+" nomaster; "+gatewaySide)
	on(s.Host, stationSide)
	r.cfg.Zones[0].Interfaces = []string{port}
	r.restart()
	r.reconcile()
	want := grant(s, 5e6, 5e6)
	r.admit(want)
	isLost := func(is bool) {
		t.Helper()
		r.do(func() error {
			if _, err := r.s.Usage(t.Context()); errors.Is(err, sessions.ErrEnforcerLost) != is {
				t.Errorf("usage says %v", err)
			}
			return nil
		})
	}
	isLost(false)
	on(r.Gateway, "ip link del "+port)
	isLost(false) // there is nothing to hold, nor to mend
	r.admit(grant(s, 6e6, 6e6))
	r.reconcile(want)
	isLost(false)
	on(r.Gateway, "ip link add "+port+" type veth peer name eth0 address "+s.MAC.String()+" netns "+s.Name+"; "+gatewaySide)
	on(s.Host, "ip addr add "+address+" dev eth0 nodad; "+stationSide)
	isLost(true)
	r.reconcile(want)
	isLost(false)
	for _, way := range []string{"down", "up"} {
		x := r.transfer(s, way)
		wantRate(t, way, x, 5e6)
		x.end()
	}
}
