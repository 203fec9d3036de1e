package enforcertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// ForeignInterface: traffic between interfaces that are in no zone passes before, during and after.
func ForeignInterface(t *testing.T, newGate Maker) {
	g := newGate(t, lab.Options{ExtraBridges: []lab.Bridge{
		{Name: "br-other", Net4: netip.MustParsePrefix("10.9.0.1/24"), Net6: netip.MustParsePrefix("2001:db8:77:9::1/64")},
	}}, GuestZone())
	if err := g.Firewall.CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := g.Gateway.Run(t.Context(), "nft", `table ip other { chain post { type nat hook postrouting priority srcnat; iifname "br-other" masquerade; }; }`); err != nil {
		t.Fatal(out, err)
	}
	if err := g.Firewall.Reconcile(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := g.Firewall.CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := g.Station(lab.StationOptions{Bridge: "br-other",
		Static:  []netip.Prefix{netip.MustParsePrefix("10.9.0.7/24"), netip.MustParsePrefix("2001:db8:77:9::7/64")},
		Routers: []netip.Addr{netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("2001:db8:77:9::1")}})
	if out, err := g.WAN.Run(t.Context(), "ip", "route", "add", "2001:db8:77:9::/64", "via", lab.GatewayWAN6); err != nil {
		t.Fatal(out, err)
	}
	guest := g.Station(lab.StationOptions{})
	var flows []*Traffic
	for _, addr := range Web() {
		flows = append(flows, g.StartTraffic(other, addr, "9000"))
	}
	check := func() {
		t.Helper()
		g.WantOnline(other)
		g.WantPage(other, "10.9.0.1", lab.AdminPageText)
	}
	check()
	g.Reconcile()
	check()
	g.WantCaptive(guest)
	g.WantTCP(other.Host, guest.Addr4.String(), "22", lab.Refused) // a zone is closed from everywhere
	g.WantTCP(guest.Host, other.Addr4.String(), "22", lab.Refused)
	if err := g.Firewall.CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	check()
	for _, f := range flows {
		f.End()
		f.Up.WantLossless(t)
		f.Down.WantLossless(t)
	}
}

// Watch: what somebody else takes away is back within a second: captive stations are captive again, and who was admitted is
// online, also with the connections that it had.
func Watch(t *testing.T, newGate Maker) {
	g := newGate(t, lab.Options{}, GuestZone())
	s, captive := g.Station(lab.StationOptions{}), g.Station(lab.StationOptions{})
	one := Grant(s, "s1")
	one.Timeout, one.IdleTimeout = time.Hour, time.Minute
	g.Admit(one)
	var losses atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() {
		watched <- g.Firewall.Watch(ctx, func() {
			if err := g.Firewall.Reconcile(t.Context(), []sessions.Grant{one}); err != nil {
				t.Error(err)
			}
			losses.Add(1)
		})
	}()
	Eventually(t, func() error { // Watch has begun
		g.Reconcile(one)
		g.Run(g.Losses[0])
		return lab.WaitFor(t.Context(), cmp.Or(g.Back, time.Second), func() error {
			if losses.Load() == 0 {
				return errors.New("nothing was heard")
			}
			return nil
		})
	})
	for _, addr := range Web() {
		g.StartTraffic(s, addr, "9000")
	}
	outcomes := func() error {
		for _, addr := range Web() {
			for _, want := range []struct {
				host    *lab.Host
				outcome lab.Outcome
			}{{s.Host, lab.Connected}, {captive.Host, lab.Refused}} {
				got, err := want.host.ProbeTCP(t.Context(), Bracket(addr)+":443", 500*time.Millisecond)
				if err != nil || got != want.outcome {
					return fmt.Errorf("%s: %s, not %s (%w)", addr, got, want.outcome, err)
				}
			}
		}
		return nil
	}
	for _, command := range g.Losses {
		before := losses.Load()
		g.Run(command)
		err := lab.WaitFor(t.Context(), cmp.Or(g.Back, time.Second), func() error {
			if losses.Load() == before {
				return errors.New("the loss was not heard of")
			}
			return outcomes()
		})
		if err != nil {
			t.Fatalf("a second after %q: %v", command, err)
		}
		Eventually(t, func() error { // the flows that were there
			before, _ := g.Reading("s1")
			g.Wait(50 * time.Millisecond)
			after, _ := g.Reading("s1")
			if after.Usage.InputPackets == before.Usage.InputPackets || after.Usage.OutputPackets == before.Usage.OutputPackets {
				return errors.New("the station's connections stand still")
			}
			return nil
		})
	}
	before := losses.Load()
	g.Reconcile(one) // our own changes are no loss
	g.Cut(s)
	g.Reconcile()
	g.Wait(time.Second)
	if n := losses.Load() - before; n > 0 {
		t.Errorf("%d losses by our own doing", n)
	}
	stop()
	if err := <-watched; err != nil {
		t.Error(err)
	}
}
