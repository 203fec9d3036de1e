package oldkernel_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"gatehouse/firewall/isolate"
	"gatehouse/firewall/nftables"
	"gatehouse/internal/clock"
	"gatehouse/lab"
	"gatehouse/sessions"
)

func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	lab.RequireKernel(t)
	l, err := lab.New(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func run(t *testing.T, h *lab.Host, name string, args ...string) {
	t.Helper()
	if _, err := h.Run(t.Context(), name, args...); err != nil {
		t.Fatal(err)
	}
}

// testParts asks for what this kernel is here for.
func testParts(t *testing.T) {
	l := newLab(t)
	run(t, l.Gateway, "nft", flowTable)
	err := l.Gateway.Do(func() error {
		handle, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		defer handle.Close()
		timeout := uint32(60)
		options := netlink.IpsetCreateOptions{Timeout: &timeout, Counters: true, Skbinfo: true}
		if err := handle.IpsetCreate("stations", "hash:mac", options); err != nil {
			return fmt.Errorf("making a set: %w", err)
		}
		mac := net.HardwareAddr{2, 0, 0x5e, 0x10, 0, 1}
		if err := handle.IpsetAdd("stations", &netlink.IPSetEntry{MAC: mac}); err != nil {
			return fmt.Errorf("adding to the set: %w", err)
		}
		set, err := handle.IpsetList("stations")
		if err == nil && (len(set.Entries) != 1 || set.Entries[0].MAC.String() != mac.String() || set.Entries[0].Timeout == nil) {
			err = fmt.Errorf("the set has %+v", set.Entries)
		}
		return err
	})
	if err != nil {
		t.Errorf("ipset hash:mac: %v", err)
	}
}

// testVLAN has a zone on a VLAN of a bridge whose untagged stations are in no zone.
func testVLAN(t *testing.T) {
	const vlan, gateway4, station4, gateway6, station6 = lab.GuestBridge + ".10", "10.10.0.1", "10.10.0.7", "2001:db8:77:a::1", "2001:db8:77:a::7"
	l := newLab(t)
	run(t, l.Gateway, "ip", "link", "add", "link", lab.GuestBridge, "name", vlan, "type", "vlan", "id", "10")
	run(t, l.Gateway, "ip", "addr", "add", gateway4+"/24", "dev", vlan)
	run(t, l.Gateway, "ip", "addr", "add", gateway6+"/64", "dev", vlan, "nodad")
	run(t, l.Gateway, "ip", "link", "set", vlan, "up")
	run(t, l.WAN, "ip", "route", "add", "2001:db8:77:a::/64", "via", lab.GatewayWAN6)
	run(t, l.WAN, "ip", "route", "add", lab.GuestNet4, "via", lab.GatewayWAN4) // the zone's firewall masquerades the zone only
	fw := firewall(t, l, nftables.Zone{Name: "tagged", Interfaces: []string{vlan}, Masquerade: true})

	tagged, plain := station(t, l), station(t, l)
	port := lab.PeerInterface + ".10"
	run(t, tagged.Host, "ip", "link", "add", "link", lab.PeerInterface, "name", port, "type", "vlan", "id", "10")
	run(t, tagged.Host, "ip", "addr", "add", station4+"/24", "dev", port)
	run(t, tagged.Host, "ip", "addr", "add", station6+"/64", "dev", port, "nodad")
	run(t, tagged.Host, "ip", "link", "set", port, "up")
	run(t, tagged.Host, "ip", "-4", "route", "replace", "default", "via", gateway4, "dev", port)
	run(t, tagged.Host, "ip", "-6", "route", "replace", "default", "via", gateway6, "dev", port, "metric", "1")
	want := func(s *lab.Station, outcome lab.Outcome) {
		t.Helper()
		for _, web := range []string{lab.WebAddr4, lab.WebAddr6} {
			err := lab.WaitFor(t.Context(), 5*time.Second, func() error {
				got, err := s.ProbeTCP(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(web), 443).String(), 1500*time.Millisecond)
				if err == nil && got != outcome {
					err = fmt.Errorf("TCP to %s: %s, want %s", web, got, outcome)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	want(plain, lab.Connected) // in no zone
	want(tagged, lab.Refused)
	there := sessions.Station{Zone: "tagged", MAC: sessions.MAC(tagged.MAC)}
	if err := fw.Admit(t.Context(), sessions.Grant{Station: there, AcctSessionID: "s1", Timeout: time.Hour, IdleTimeout: time.Hour}); err != nil {
		t.Fatal(err)
	}
	want(tagged, lab.Connected)
	readings, err := fw.Cut(t.Context(), there)
	if err != nil || readings[0].Usage.InputPackets == 0 || readings[0].Usage.OutputPackets == 0 {
		t.Errorf("the cut: %+v, %v", readings, err)
	}
	want(tagged, lab.Refused)
	want(plain, lab.Connected)
}

// testIsolation isolates the stations of one VLAN of a bridge, where tags come from the stations and where the bridge gives
// them to ports, and leaves the others alone.
func testIsolation(t *testing.T) {
	const vlan = lab.GuestBridge + ".10"
	const gateway4, gateway6 = "10.10.0.1", "2001:db8:77:a::1"
	l := newLab(t)
	run(t, l.Gateway, "ip", "link", "add", "link", lab.GuestBridge, "name", vlan, "type", "vlan", "id", "10")
	run(t, l.Gateway, "ip", "addr", "add", gateway4+"/24", "dev", vlan)
	run(t, l.Gateway, "ip", "addr", "add", gateway6+"/64", "dev", vlan, "nodad")
	run(t, l.Gateway, "ip", "link", "set", vlan, "up")
	c, err := clock.System()
	if err != nil {
		t.Fatal(err)
	}
	zone := isolate.Zone{Name: "tagged", Interfaces: []string{vlan}, Isolated: true}
	var i *isolate.Isolator
	err = l.Gateway.Do(func() (err error) {
		fw, err := nftables.New(nftables.Config{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = fw.Close() })
		i, err = isolate.Around(fw, isolate.Config{Zones: []isolate.Zone{zone}, Clock: c, Logger: slog.New(slog.DiscardHandler)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	one, other := station(t, l), station(t, l)
	for n, s := range []*lab.Station{one, other} {
		port := lab.PeerInterface + ".10"
		run(t, s.Host, "ip", "link", "add", "link", lab.PeerInterface, "name", port, "type", "vlan", "id", "10")
		run(t, s.Host, "ip", "addr", "add", fmt.Sprintf("10.10.0.%d/24", 7+n), "dev", port)
		run(t, s.Host, "ip", "addr", "add", fmt.Sprintf("2001:db8:77:a::%d/64", 7+n), "dev", port, "nodad")
		run(t, s.Host, "ip", "link", "set", port, "up")
	}
	tagged := []string{"10.10.0.8", "2001:db8:77:a::8"}
	plain := []string{other.Addr4.String(), other.Addr6.String()}
	want := func(what string, reached bool, addrs ...string) {
		t.Helper()
		for _, addr := range addrs {
			err := lab.WaitFor(t.Context(), 5*time.Second, func() error {
				if err := one.Ping(t.Context(), addr); (err == nil) != reached {
					return fmt.Errorf("pinging %s: %v", addr, err)
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	want("before", true, append(tagged, plain...)...)
	if err := l.Gateway.Do(func() error { return i.Reconcile(t.Context(), nil) }); err != nil {
		t.Fatal(err)
	}
	if m := i.Mechanisms()[0]; m.Kind != isolate.Table {
		t.Errorf("the mechanism is %+v", m)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Gateway.Do(func() error { return i.Run(ctx) }) }()
	want("isolated", false, tagged...)
	want("the router", true, gateway4, gateway6)
	want("in no zone", true, plain...)

	run(t, l.Gateway, "ip", "link", "set", lab.GuestBridge, "type", "bridge", "vlan_filtering", "1")
	run(t, l.Gateway, "bridge", "vlan", "add", "dev", lab.GuestBridge, "vid", "10", "self")
	for n, s := range []*lab.Station{one, other} {
		run(t, l.Gateway, "bridge", "vlan", "del", "dev", s.Port, "vid", "1")
		run(t, l.Gateway, "bridge", "vlan", "add", "dev", s.Port, "vid", "10", "pvid", "untagged")
		run(t, s.Host, "ip", "link", "del", lab.PeerInterface+".10")
		run(t, s.Host, "ip", "addr", "add", fmt.Sprintf("10.10.0.%d/24", 7+n), "dev", lab.PeerInterface)
		run(t, s.Host, "ip", "addr", "add", fmt.Sprintf("2001:db8:77:a::%d/64", 7+n), "dev", lab.PeerInterface, "nodad")
	}
	want("the router, ports with a VLAN", true, gateway4, gateway6)
	want("isolated, ports with a VLAN", false, tagged...)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := i.CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("after cleaning up", true, tagged...)
}

func station(t *testing.T, l *lab.Lab) *lab.Station {
	t.Helper()
	s, err := l.AddStation(t.Context(), lab.StationOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func firewall(t *testing.T, l *lab.Lab, zones ...nftables.Zone) (fw *nftables.Firewall) {
	t.Helper()
	err := l.Gateway.Do(func() (err error) {
		if fw, err = nftables.New(nftables.Config{Zones: zones}); err != nil {
			return err
		}
		return fw.Reconcile(t.Context(), nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fw.Close() })
	return fw
}
