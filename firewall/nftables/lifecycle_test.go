package nftables_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"gatehouse/firewall/nftables"
	"gatehouse/lab"
	"gatehouse/sessions"
)

func TestCleanUp(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	before := g.nft("list", "ruleset")
	if !strings.Contains(before, "table inet gatehouse") {
		t.Fatal("there is no table to clean up")
	}
	s := g.station(lab.StationOptions{})
	idling := grant(s, "s1")
	idling.IdleTimeout = time.Minute
	g.admit(idling)
	g.wantOnline(s)
	for range 2 {
		g.cfg.Zones = nil // no configuration, no state
		g.restart()
		if err := g.fw.CleanUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := g.nft("list", "ruleset"); left != "" {
			t.Errorf("left behind:\n%s", left)
		}
		for _, family := range []string{"ipv4", "ipv6"} {
			out, err := g.Gateway.Run(t.Context(), "conntrack", "-L", "-f", family)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(out) {
				if strings.Contains(line, "mark=") && !strings.Contains(line, "mark=0 ") {
					t.Errorf("conntrack keeps %s", line)
				}
			}
		}
		if readings, err := g.fw.Usage(t.Context()); err != nil || len(readings) > 0 {
			t.Errorf("usage is %v, %v", readings, err)
		}
	}
	if err := g.fw.Admit(t.Context(), idling); !errors.Is(err, nftables.ErrNotReady) {
		t.Errorf("Admit before Reconcile: %v", err)
	}
}

// TestRemoved takes the table away as another program's flush does.
func TestRemoved(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	s, captive := g.station(lab.StationOptions{}), g.station(lab.StationOptions{})
	g.admit(grant(s, "s1"))
	g.nft("flush", "ruleset")
	if _, err := g.fw.Usage(t.Context()); !errors.Is(err, sessions.ErrEnforcerLost) {
		t.Fatalf("usage without the table: %v", err)
	}
	if err := g.fw.Admit(t.Context(), grant(captive, "s2")); !errors.Is(err, nftables.ErrNotReady) {
		t.Errorf("Admit without the table: %v", err)
	}
	g.reconcile(grant(s, "s1"))
	g.wantOnline(s)
	g.wantCaptive(captive)
}

func TestOnStop(t *testing.T) {
	t.Parallel()
	open := nftables.Zone{Name: "open", Interfaces: []string{"br-open"}, Masquerade: true, OnStop: nftables.Open}
	g := newGate(t, lab.Options{ExtraBridges: []lab.Bridge{
		{Name: "br-open", Net4: netip.MustParsePrefix("192.168.90.1/24"), Net6: netip.MustParsePrefix("2001:db8:77:1::1/64"), DHCP: true},
	}}, guestZone(), open)
	if out, err := g.WAN.Run(t.Context(), "ip", "route", "add", "2001:db8:77:1::/64", "via", lab.GatewayWAN6); err != nil {
		t.Fatal(out, err)
	}
	closed, opened, admitted := g.station(lab.StationOptions{}), g.station(lab.StationOptions{Bridge: "br-open"}), g.station(lab.StationOptions{})
	g.admit(grant(admitted, "s1"))
	g.wantCaptive(closed)
	g.wantCaptive(opened)
	for range 2 {
		err := g.Gateway.Do(func() error { return g.fw.Open(t.Context()) })
		if err != nil {
			t.Fatal(err)
		}
		g.wantCaptive(closed)
		g.wantOnline(opened)
		g.wantPage(opened, "192.168.90.1", "Get") // refused: the router stays closed
		g.wantOnline(admitted)
		g.restart()
		g.reconcile(grant(admitted, "s1"))
		g.wantCaptive(closed)
		g.wantCaptive(opened)
		g.wantOnline(admitted)
	}
}

// What the station sends on a redirected connection after Forget goes to whom it was meant for.
func TestForget(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	s := g.station(lab.StationOptions{})
	for _, addr := range web {
		c, err := s.Dial(t.Context(), "tcp", netip.AddrPortFrom(netip.MustParseAddr(addr), 80).String())
		if err != nil {
			t.Fatal(err)
		}
		local := netip.MustParseAddrPort(c.LocalAddr().String())
		portal := netip.MustParseAddr(lab.GuestGateway4)
		if local.Addr().Is6() {
			portal = netip.MustParseAddr(lab.GuestGateway6)
		}
		flow := nftables.Flow{Client: local, Portal: netip.AddrPortFrom(portal, 2080)}
		entries := func() string {
			out, err := g.Gateway.Run(t.Context(), "conntrack", "-L", "-f", map[bool]string{true: "ipv4", false: "ipv6"}[local.Addr().Is4()])
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(slices.DeleteFunc(strings.Split(out, "\n"), func(l string) bool { return !strings.Contains(l, "sport=2080") }), "\n")
		}
		if entries() == "" {
			t.Fatalf("%s: the connection is not redirected", addr)
		}
		for range 2 {
			if err := g.fw.Forget(t.Context(), []nftables.Flow{flow}); err != nil {
				t.Fatal(err)
			}
		}
		if left := entries(); left != "" {
			t.Errorf("%s: conntrack still has %s", addr, left)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A table of an older version is replaced under live grants; one of a newer version is left alone.
func TestSchema(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	s, idle := g.station(lab.StationOptions{}), g.station(lab.StationOptions{})
	one, two := grant(s, "s1"), grant(idle, "s2")
	one.Timeout, two.IdleTimeout = time.Hour, time.Minute
	g.admit(one, two)
	g.wantOnline(s)
	g.wantOnline(idle)
	before1, before2 := g.steady("s1"), g.steady("s2")

	g.nft("add chain inet gatehouse schema_9")
	g.restart()
	rules := g.nft("-t", "list", "table", "inet", "gatehouse")
	if err := g.tryReconcile(one, two); !errors.Is(err, nftables.ErrNewer) {
		t.Fatalf("a newer table: %v", err)
	}
	if diff := cmp.Diff(rules, g.nft("-t", "list", "table", "inet", "gatehouse")); diff != "" {
		t.Errorf("a newer table was changed:\n%s", diff)
	}

	unwanted := crowd(1)
	g.restart()
	g.nft("delete chain inet gatehouse schema_9")
	g.reconcile(one, two)
	g.admit(unwanted)
	olderSets := map[int]string{2: "map quota_up_0,map quota_up_1,map quota_up_2,map quota_up_3,map quota_down_0,map quota_down_1,map quota_down_2,map quota_down_3," +
		"set capped,set spent_up,set spent_down,set blocked_guest"}
	olderSets[1] = olderSets[2] + ",map known_guest,set fresh,set leasable"
	for version, missing := range olderSets {
		before2 = g.steady("s2")
		older := "flush table inet gatehouse; delete chain inet gatehouse schema_4; add set inet gatehouse old { type mark; };"
		for _, set := range strings.Split(missing, ",") {
			kind, name, _ := strings.Cut(set, " ")
			older += "delete " + kind + " inet gatehouse " + name + ";"
		}
		g.nft(older + fmt.Sprintf("add chain inet gatehouse schema_%d", version))
		g.restart()
		g.reconcile(one, two)
		after1, _ := g.reading("s1")
		after2, _ := g.reading("s2")
		if diff := cmp.Diff(before1, after1); diff != "" {
			t.Errorf("the first session after the migration from %d: %s", version, diff)
		}
		if !after2.Live || after2.Usage != before2.Usage || after2.IdleLeft > before2.IdleLeft || after2.IdleLeft < before2.IdleLeft-10*time.Second {
			t.Errorf("from %d: the second session was %+v, is %+v", version, before2, after2)
		}
		if out := g.nft("list", "set", "inet", "gatehouse", "sess"); !strings.Contains(out, "timeout 1h expires 59m") {
			t.Errorf("from %d: the session's time is lost: %s", version, out)
		}
		if out := g.nft("list", "table", "inet", "gatehouse"); strings.Contains(out, "schema_1") || strings.Contains(out, "schema_2") || strings.Contains(out, "set old") {
			t.Errorf("the old table of %d is still there", version)
		}
	}
	g.wantOnline(s)
	g.wantOnline(idle)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	s := g.station(lab.StationOptions{})
	stranger := grant(s, "s1")
	stranger.Station.Zone = "elsewhere"
	if err := g.fw.Admit(t.Context(), stranger); !errors.Is(err, nftables.ErrNoZone) {
		t.Errorf("an unknown zone: %v", err)
	}
	if err := g.fw.Admit(t.Context(), grant(s, strings.Repeat("x", 200))); err == nil {
		t.Error("a session id of 200 bytes is taken")
	}
	g.cfg.NFT = filepath.Join(t.TempDir(), "nft")
	g.restart()
	if err := g.tryReconcile(); !errors.Is(err, nftables.ErrNoNFT) {
		t.Errorf("without nft: %v", err)
	}
	if err := os.WriteFile(g.cfg.NFT, []byte("#!/bin/sh\necho one line >&2; echo another >&2; exit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := g.tryReconcile(); err == nil || !strings.Contains(err.Error(), "one line") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a failing nft: %v", err)
	}
	g.cfg.NFT = ""
	g.cfg.Zones = append(g.cfg.Zones, nftables.Zone{Name: "later", Interfaces: []string{"wlan7"}})
	g.restart()
	g.reconcile()
	err := g.Gateway.Do(func() error {
		missing, err := g.fw.MissingInterfaces()
		if diff := cmp.Diff([]string{"wlan7"}, missing); diff != "" {
			t.Errorf("missing interfaces: %s", diff)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for name, zones := range map[string][]nftables.Zone{
		"no interface":    {{Name: "a"}},
		"bad name":        {{Name: "a b", Interfaces: []string{"x"}}},
		"bad interface":   {{Name: "a", Interfaces: []string{`x" drop`}}},
		"interface twice": {{Name: "a", Interfaces: []string{"x"}}, {Name: "b", Interfaces: []string{"x"}}},
		"name twice":      {{Name: "a", Interfaces: []string{"x"}}, {Name: "a", Interfaces: []string{"y"}}},
		"bad on_stop":     {{Name: "a", Interfaces: []string{"x"}, OnStop: "ajar"}},
	} {
		if _, err := nftables.New(nftables.Config{Zones: zones}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Without CAP_NET_ADMIN every call says so.
func TestPermission(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	err := g.Gateway.Do(func() error { // the thread ends with this function
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			return err
		}
		fw, err := nftables.New(g.cfg)
		if err != nil {
			return err
		}
		defer func() { _ = fw.Close() }()
		if _, err := fw.Usage(t.Context()); !errors.Is(err, nftables.ErrPermission) {
			t.Errorf("Usage: %v", err)
		}
		if err := fw.Reconcile(t.Context(), nil); !errors.Is(err, nftables.ErrPermission) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Reconcile: %v", err)
		}
		if err := fw.CleanUp(t.Context()); !errors.Is(err, nftables.ErrPermission) {
			t.Errorf("CleanUp: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
