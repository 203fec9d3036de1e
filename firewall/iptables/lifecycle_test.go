package iptables_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/firewall/enforcertest"
	"gatehouse/firewall/iptables"
	"gatehouse/lab"
	"gatehouse/sessions"
)

// What the backend cannot hold it refuses.
func TestRefused(t *testing.T) {
	lab.RequireKernel(t, "iptables-legacy", "ip6tables-legacy")
	t.Parallel()
	g := maker(true)(t, lab.Options{}, enforcertest.GuestZone())
	for name, tc := range map[string]struct {
		change func(*sessions.Grant)
		want   error
	}{
		"cap":       {func(g *sessions.Grant) { g.Caps = []sessions.Cap{{Name: "session", Total: 1 << 30}} }, iptables.ErrNoCaps},
		"rate up":   {func(g *sessions.Grant) { g.RateUp = 1_000_000 }, iptables.ErrNoRates},
		"rate down": {func(g *sessions.Grant) { g.RateDown = 1_000_000 }, iptables.ErrNoRates},
		"zone":      {func(g *sessions.Grant) { g.Station.Zone = "attic" }, iptables.ErrNoZone},
	} {
		one := enforcertest.Crowd(1)
		tc.change(&one)
		if err := g.Firewall.Admit(t.Context(), enforcertest.Crowd(2), one); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if readings, err := g.Firewall.Usage(t.Context()); err != nil || len(readings) > 0 {
		t.Errorf("all or none, but %+v is in: %v", readings, err)
	}
	for name, zones := range map[string][]iptables.Zone{
		"no interface":    {{Name: "a"}},
		"bad name":        {{Name: "a b", Interfaces: []string{"x"}}},
		"bad interface":   {{Name: "a", Interfaces: []string{"wlan+"}}},
		"interface twice": {{Name: "a", Interfaces: []string{"x"}}, {Name: "b", Interfaces: []string{"x"}}},
		"name twice":      {{Name: "a", Interfaces: []string{"x"}}, {Name: "a", Interfaces: []string{"y"}}},
	} {
		if _, err := iptables.New(iptables.Config{Zones: zones}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// What one session has got since and cannot be held does not keep the others out, at a start and after somebody took the rules away.
func TestReconcileWithoutLimits(t *testing.T) {
	inBothForms(t, func(t *testing.T, newGate enforcertest.Maker) {
		g := newGate(t, lab.Options{}, enforcertest.GuestZone())
		s, other := g.Station(lab.StationOptions{}), g.Station(lab.StationOptions{})
		capped := enforcertest.Grant(s, "s1")
		capped.Caps = []sessions.Cap{{Name: "session", Total: 1 << 30}}
		capped.RateUp = 1_000_000
		g.Reconcile(capped, enforcertest.Grant(other, "s2"))
		g.WantOnline(s)
		g.WantOnline(other)
		if len(capped.Caps) != 1 || capped.RateUp == 0 {
			t.Error("the caller's grant was changed")
		}
	})
}

// others is what another program has in the tables; the rules of a router's own firewall.
const others = `for f in iptables ip6tables; do
	$f-legacy -N zone_lan; $f-legacy -A zone_lan -p tcp --dport 9999 -j DROP; $f-legacy -A FORWARD -j zone_lan
	$f-legacy -I INPUT -p tcp --dport 8888 -j DROP; $f-legacy -t nat -A POSTROUTING -o lo -j RETURN
done`

const saved = "for f in iptables ip6tables; do $f-legacy-save; done | grep -v '^#' | sed 's/\\[[0-9:]*\\]//'"

// CleanUp leaves what others have, and nothing of ours.
func TestCleanUp(t *testing.T) {
	inBothForms(t, func(t *testing.T, newGate enforcertest.Maker) {
		g := newGate(t, lab.Options{}, enforcertest.GuestZone())
		if err := g.Firewall.CleanUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		g.Run(others)
		before := g.Run(saved)
		g.Reconcile()
		s := g.Station(lab.StationOptions{})
		one := enforcertest.Grant(s, "s1")
		one.IdleTimeout = time.Minute
		g.Admit(one)
		g.WantOnline(s)
		err := g.Gateway.Do(func() error { return iptables.CleanUp(t.Context()) }) // by who has neither state nor configuration
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, g.Run(saved)); diff != "" {
			t.Errorf("what is there after CleanUp (-before +after):\n%s", diff)
		}
		for _, family := range []string{"ipv4", "ipv6"} {
			for line := range strings.Lines(g.Run("conntrack -L -f " + family + " 2>/dev/null")) {
				if strings.Contains(line, "mark=") && !strings.Contains(line, "mark=0 ") {
					t.Errorf("conntrack keeps %s", line)
				}
			}
		}
		if readings, err := g.Firewall.Usage(t.Context()); err != nil && !errors.Is(err, sessions.ErrEnforcerLost) || len(readings) > 0 {
			t.Errorf("usage is %v, %v", readings, err)
		}
	})
}

// A blocked station reaches nothing, whatever it was before, until it is taken off the list.
func TestBlocked(t *testing.T) {
	inBothForms(t, func(t *testing.T, newGate enforcertest.Maker) {
		z := enforcertest.GuestZone()
		z.Management = []netip.Prefix{netip.MustParsePrefix(lab.GuestNet4)}
		g := newGate(t, lab.Options{}, z)
		bad, other := g.Station(lab.StationOptions{}), g.Station(lab.StationOptions{})
		g.Admit(enforcertest.Grant(bad, "bad"), enforcertest.Grant(other, "other"))
		block := func(stations ...sessions.Station) {
			t.Helper()
			if err := g.Firewall.SetBlocked(t.Context(), stations); err != nil {
				t.Fatal(err)
			}
		}
		nothing := func() {
			t.Helper()
			g.WantTCP(bad.Host, lab.WebAddr4, "443", lab.TimedOut)
			g.WantTCP(bad.Host, lab.WebAddr6, "80", lab.TimedOut)
			g.WantTCP(bad.Host, lab.GuestGateway4, "2080", lab.TimedOut)
		}
		block(enforcertest.In("guest", bad))
		nothing()
		g.Restart()
		block(enforcertest.In("guest", bad))
		g.Reconcile(enforcertest.Grant(other, "other"))
		nothing()
		g.WantOnline(other)
		block()
		g.WantCaptive(bad)
		if err := g.Firewall.SetBlocked(t.Context(), []sessions.Station{enforcertest.In("attic", bad)}); !errors.Is(err, iptables.ErrNoZone) {
			t.Errorf("blocking in a zone that is not there: %v", err)
		}
	})
}

// A station that is silent for too long is out: at once where the kernel has the sets, else when somebody looks.
func TestIdleTimeout(t *testing.T) {
	inBothForms(t, func(t *testing.T, newGate enforcertest.Maker) {
		g := newGate(t, lab.Options{}, enforcertest.GuestZone())
		silent, talking := g.Station(lab.StationOptions{}), g.Station(lab.StationOptions{})
		idle := lab.Patience(2 * time.Second)
		for i, s := range []*lab.Station{silent, talking} {
			one := enforcertest.Grant(s, []string{"silent", "talking"}[i])
			one.IdleTimeout = idle
			g.Admit(one)
		}
		f, talk := g.StartTraffic(silent, lab.WebAddr4, "9000"), g.StartTraffic(talking, lab.WebAddr6, "9001")
		g.Wait(500 * time.Millisecond)
		if r, _ := g.Reading("silent"); !r.Live || r.IdleLeft < idle/2 || r.IdleLeft > idle {
			t.Errorf("reading of a talking station: %+v", r)
		}
		f.Up.Silence()
		enforcertest.Eventually(t, func() error {
			if r, _ := g.Reading("silent"); r.Live || !r.Idled {
				return errors.New("the silent station is live")
			}
			return nil
		})
		if r, _ := g.Reading("talking"); !r.Live {
			t.Errorf("the talking station is not live: %+v", r)
		}
		f.End()
		talk.End()
		up := f.Up.Sent.Packets()
		f.Down.WantCut(t, up[len(up)-1].At.Add(idle), 100*time.Millisecond, time.Second)
		talk.Up.WantLossless(t)
		talk.Down.WantLossless(t)
		g.WantCaptive(silent)
	})
}

// OpenOnStop lets the stations of its zones through, and no others.
func TestOnStop(t *testing.T) {
	lab.RequireKernel(t, "iptables-legacy", "ip6tables-legacy")
	t.Parallel()
	var fw *iptables.Firewall
	g := newGate(t, lab.Options{ExtraBridges: []lab.Bridge{
		{Name: "br-open", Net4: netip.MustParsePrefix("192.168.90.1/24"), Net6: netip.MustParsePrefix("2001:db8:77:1::1/64"), DHCP: true},
	}}, &iptables.Config{NoSets: true, Zones: []iptables.Zone{
		{Name: "guest", Interfaces: []string{lab.GuestBridge}, Masquerade: true},
		{Name: "a-zone-with-a-long-name", Interfaces: []string{"br-open"}, Masquerade: true, OpenOnStop: true},
	}}, &fw)
	if out, err := g.WAN.Run(t.Context(), "ip", "route", "add", "2001:db8:77:1::/64", "via", lab.GatewayWAN6); err != nil {
		t.Fatal(out, err)
	}
	closed, opened, admitted := g.Station(lab.StationOptions{}), g.Station(lab.StationOptions{Bridge: "br-open"}), g.Station(lab.StationOptions{})
	g.Admit(enforcertest.Grant(admitted, "s1"))
	g.WantCaptive(opened)
	if err := g.Gateway.Do(func() error { return fw.Open(t.Context()) }); err != nil {
		t.Fatal(err)
	}
	g.WantCaptive(closed)
	g.WantOnline(opened)
	g.WantPage(opened, "192.168.90.1", "Get") // refused: the router stays closed
	g.WantOnline(admitted)
	g.Restart()
	g.Reconcile(enforcertest.Grant(admitted, "s1"))
	g.WantCaptive(opened)
	g.WantOnline(admitted)
}

// A zone that the configuration has no more is the router's own affair again, and its sessions are over.
func TestZoneGone(t *testing.T) {
	lab.RequireKernel(t, "iptables-legacy", "ip6tables-legacy")
	sets := hasSets(t)
	t.Parallel()
	for _, noSets := range []bool{true, false} {
		if !noSets && !sets {
			continue
		}
		t.Run(map[bool]string{true: "plain", false: "sets"}[noSets], func(t *testing.T) {
			guest := iptables.Zone{Name: "guest", Interfaces: []string{lab.GuestBridge}, Masquerade: true}
			cfg := &iptables.Config{NoSets: noSets, Zones: []iptables.Zone{guest, {Name: "attic", Interfaces: []string{"br-attic"}}}}
			g := newGate(t, lab.Options{ExtraBridges: []lab.Bridge{
				{Name: "br-attic", Net4: netip.MustParsePrefix("192.168.90.1/24"), Net6: netip.MustParsePrefix("2001:db8:77:1::1/64"), DHCP: true},
			}}, cfg, new(*iptables.Firewall))
			s, up := g.Station(lab.StationOptions{}), g.Station(lab.StationOptions{Bridge: "br-attic"})
			one := enforcertest.Grant(up, "s2")
			one.Station.Zone = "attic"
			g.Admit(enforcertest.Grant(s, "s1"), one)
			g.WantTCP(up.Host, "192.168.90.1", "22", lab.Refused)
			cfg.Zones = []iptables.Zone{guest}
			g.Restart()
			g.Reconcile(enforcertest.Grant(s, "s1"))
			g.WantOnline(s)
			g.WantPage(up, "192.168.90.1", lab.AdminPageText)
			if _, there := g.Reading("s2"); there {
				t.Error("the session of a zone that is gone is read")
			}
			if left := g.Run(saved); strings.Contains(left, "attic") {
				t.Errorf("left behind:\n%s", left)
			}
		})
	}
}
