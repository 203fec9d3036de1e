package neigh_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/neigh"
	"gatehouse/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

const otherBridge = "br-other"

// change is one call of Changed.
type change struct {
	iface string
	mac   [6]byte
	addr  netip.Addr
}

type fixture struct {
	*lab.Lab
	*neigh.Table
	changes chan change
}

// open builds a lab with a second bridge and a table on both.
func open(t *testing.T, config neigh.Config) fixture {
	t.Helper()
	lab.RequireKernel(t)
	l, err := lab.New(context.Background(), lab.Options{ExtraBridges: []lab.Bridge{
		{Name: otherBridge, Net4: netip.MustParsePrefix("192.168.90.1/24"), Net6: netip.MustParsePrefix("2001:db8:90::1/64")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	f := fixture{Lab: l, changes: make(chan change, 100)}
	config.Interfaces = []string{lab.GuestBridge, otherBridge}
	config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	if config.Changed == nil {
		config.Changed = func(iface string, mac [6]byte, addr netip.Addr) { f.changes <- change{iface, mac, addr} }
	}
	if err := l.Gateway.Do(func() (err error) { f.Table, err = neigh.New(config); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Table.Close)
	return f
}

// run runs the table until the test ends.
func (f fixture) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (f fixture) station(t *testing.T, options lab.StationOptions) *lab.Station {
	t.Helper()
	s, err := f.AddStation(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ip runs ip(8) in the gateway.
func (f fixture) ip(t *testing.T, args ...string) {
	t.Helper()
	if _, err := f.Gateway.Run(t.Context(), "ip", args...); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a lookup's result; an empty interface means none.
func (f fixture) eventually(t *testing.T, addr netip.Addr, iface string, mac []byte) {
	t.Helper()
	err := lab.WaitFor(t.Context(), 5*time.Second, func() error {
		gotIface, gotMAC, ok := f.Lookup(addr)
		if ok != (iface != "") || gotIface != iface || ok && string(gotMAC[:]) != string(mac) {
			return fmt.Errorf("lookup of %v: %q %x %v, want %q %x", addr, gotIface, gotMAC, ok, iface, mac)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func (f fixture) awaitChange(t *testing.T, want change) {
	t.Helper()
	timeout := time.After(5 * time.Second)
	for {
		select {
		case got := <-f.changes:
			if got == want {
				return
			}
		case <-timeout:
			t.Fatalf("no change %v was reported", want)
		}
	}
}

func ping(t *testing.T, h *lab.Host, addrs ...string) {
	t.Helper()
	for _, a := range addrs {
		if err := h.Ping(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprintf("running=%v", running), func(t *testing.T) {
			t.Parallel()
			f := open(t, neigh.Config{})
			early := f.station(t, lab.StationOptions{})
			ping(t, early.Host, lab.GuestGateway4, lab.GuestGateway6)
			if running {
				f.run(t)
			}
			late := f.station(t, lab.StationOptions{})
			ping(t, late.Host, lab.GuestGateway4, lab.GuestGateway6)
			second := netip.MustParseAddr("192.168.77.252")
			if _, err := late.Run(t.Context(), "ip", "addr", "add", second.String()+"/20", "dev", lab.PeerInterface); err != nil {
				t.Fatal(err)
			}
			ping(t, f.Gateway, second.String())

			for _, s := range []*lab.Station{early, late} {
				f.eventually(t, s.Addr4, lab.GuestBridge, s.MAC)
				f.eventually(t, s.Addr6, lab.GuestBridge, s.MAC)
				f.eventually(t, netip.AddrFrom16(s.Addr4.As16()), lab.GuestBridge, s.MAC) // as Go's dual-stack listeners tell it
				if port := f.BridgePort(lab.GuestBridge, [6]byte(s.MAC)); port != s.Port {
					t.Errorf("bridge port %q, want %q", port, s.Port)
				}
			}
			f.eventually(t, second, lab.GuestBridge, late.MAC)
			f.eventually(t, netip.MustParseAddr(lab.ProviderWAN4), "", nil) // an interface that is none of ours

			// An address that nobody has becomes an incomplete and then a failed entry.
			nobody := "192.168.77.253"
			if err := f.Gateway.Ping(t.Context(), nobody); err == nil {
				t.Fatal("somebody has the address that nobody should have")
			}
			f.eventually(t, netip.MustParseAddr(nobody), "", nil)
			if running {
				want := []netip.Addr{late.Addr4, second, late.Addr6}
				got := globals(f.Addresses(lab.GuestBridge, [6]byte(late.MAC)))
				if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
					t.Errorf("addresses (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func globals(addrs []netip.Addr) (global []netip.Addr) {
	for _, a := range addrs {
		if !a.IsLinkLocalUnicast() {
			global = append(global, a)
		}
	}
	return global
}

func TestBridgePortUnknown(t *testing.T) {
	t.Parallel()
	f := open(t, neigh.Config{})
	for _, iface := range []string{lab.GuestBridge, lab.WANInterface, "no-such-interface"} {
		if port := f.BridgePort(iface, [6]byte{2, 0, 0, 0, 0, 9}); port != "" {
			t.Errorf("%s knows port %q of a station that was never there", iface, port)
		}
	}
	if port := f.BridgePort(lab.GuestBridge, [6]byte{0x02, 0, 0x5e, 0x77, 0, 1}); port != "" {
		t.Errorf("the bridge's own address is behind port %q", port)
	}
}

func TestChangedMAC(t *testing.T) {
	t.Parallel()
	f := open(t, neigh.Config{})
	f.run(t)
	s := f.station(t, lab.StationOptions{})
	ping(t, s.Host, lab.GuestGateway4)
	f.awaitChange(t, change{lab.GuestBridge, [6]byte(s.MAC), s.Addr4})

	mac := [6]byte{0x02, 0x00, 0x5e, 0x99, 0x00, 0x01}
	if _, err := s.Run(t.Context(), "ip", "link", "set", lab.PeerInterface, "address", "02:00:5e:99:00:01"); err != nil {
		t.Fatal(err)
	}
	f.ip(t, "neigh", "flush", "dev", lab.GuestBridge)
	f.eventually(t, s.Addr4, "", nil)
	ping(t, f.Gateway, s.Addr4.String())
	f.awaitChange(t, change{lab.GuestBridge, mac, s.Addr4})
	f.eventually(t, s.Addr4, lab.GuestBridge, mac[:])
	if old := globals(f.Addresses(lab.GuestBridge, [6]byte(s.MAC))); len(old) > 0 {
		t.Errorf("the old MAC address still has %v", old)
	}
}

func TestLinkLocalNeedsItsZone(t *testing.T) {
	t.Parallel()
	f := open(t, neigh.Config{})
	f.run(t)
	addr := netip.MustParseAddr("fe80::77")
	macs := map[string]string{lab.GuestBridge: "02:00:00:00:00:01", otherBridge: "02:00:00:00:00:02"}
	for iface, mac := range macs {
		f.ip(t, "neigh", "add", addr.String(), "lladdr", mac, "dev", iface, "nud", "stale")
	}
	f.eventually(t, addr.WithZone(lab.GuestBridge), lab.GuestBridge, []byte{2, 0, 0, 0, 0, 1})
	f.eventually(t, addr.WithZone(otherBridge), otherBridge, []byte{2, 0, 0, 0, 0, 2})
	f.eventually(t, addr, "", nil) // two stations claim it
	f.eventually(t, addr.WithZone(lab.WANInterface), "", nil)
	f.ip(t, "neigh", "del", addr.String(), "dev", otherBridge)
	f.eventually(t, addr, lab.GuestBridge, []byte{2, 0, 0, 0, 0, 1})
}

func TestInterfaceGoneAndBack(t *testing.T) {
	t.Parallel()
	f := open(t, neigh.Config{})
	f.run(t)
	addr, mac := netip.MustParseAddr("192.168.90.7"), []byte{2, 0, 0, 0, 0, 7}
	neighAdd := []string{"neigh", "replace", addr.String(), "lladdr", "02:00:00:00:00:07", "dev", otherBridge, "nud", "stale"}
	f.ip(t, neighAdd...)
	f.awaitChange(t, change{otherBridge, [6]byte(mac), addr})

	f.ip(t, "link", "del", otherBridge)
	f.eventually(t, addr, "", nil)
	if got := f.Addresses(otherBridge, [6]byte(mac)); got != nil {
		t.Errorf("the interface is gone, its station still has %v", got)
	}
	f.ip(t, "link", "add", otherBridge, "type", "bridge") // gets another number
	f.ip(t, "link", "set", otherBridge, "up")
	f.ip(t, neighAdd...)
	f.awaitChange(t, change{otherBridge, [6]byte(mac), addr})
	f.eventually(t, addr, otherBridge, mac)

	f.ip(t, "link", "set", otherBridge, "down")
	f.ip(t, "link", "set", otherBridge, "name", "br-renamed")
	f.eventually(t, addr, "", nil)
}

func TestLostEventsAndBound(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	held := make(chan struct{}, 100_000)
	f := open(t, neigh.Config{Max: 3000, Changed: func(string, [6]byte, netip.Addr) {
		held <- struct{}{}
		<-hold
	}})
	f.run(t)
	gone, mac := netip.MustParseAddr("192.168.64.1"), [6]byte{2, 0, 0, 0, 0, 1}
	f.ip(t, "neigh", "add", gone.String(), "lladdr", "02:00:00:00:00:01", "dev", lab.GuestBridge, "nud", "permanent")
	<-held // the table now waits in the callback, and the kernel's events pile up until they are lost

	const many = 6000
	var batch strings.Builder
	for i := range many {
		fmt.Fprintf(&batch, "neigh add 2001:db8:77::%x lladdr 02:00:00:01:%02x:%02x dev %s nud permanent\n", i+0x100, i>>8, i&255, lab.GuestBridge)
	}
	fmt.Fprintf(&batch, "neigh del %s dev %s\n", gone, lab.GuestBridge)
	cmd := f.Gateway.Command(t.Context(), "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(batch.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	close(hold)

	err := lab.WaitFor(t.Context(), 10*time.Second, func() error {
		if f.Addresses(lab.GuestBridge, mac) != nil {
			return errors.New("the deleted entry is still there")
		}
		known := 0
		for i := range many {
			known += len(f.Addresses(lab.GuestBridge, [6]byte{2, 0, 0, 1, byte(i >> 8), byte(i)}))
		}
		// Whoever else lives on the bridge, the router's own link-local address say, may have a place too.
		others := 0
		all, err := f.Gateway.Run(t.Context(), "ip", "neigh", "show", "dev", lab.GuestBridge)
		for line := range strings.Lines(all) {
			if strings.Contains(line, "lladdr") && !strings.Contains(line, "lladdr 02:00:00:01:") {
				others++
			}
		}
		if known > 3000 || known < 3000-others {
			return fmt.Errorf("%d entries of ours and up to %d others are in memory, want exactly 3000 in all", known, others)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for i := 0; i < many; i += 500 { // in memory or not
		addr := netip.MustParseAddr(fmt.Sprintf("2001:db8:77::%x", i+0x100))
		f.eventually(t, addr, lab.GuestBridge, []byte{2, 0, 0, 1, byte(i >> 8), byte(i)})
	}
}
