package leak_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/firewall/isolate"
	"gatehouse/firewall/nftables"
	"gatehouse/internal/clock"
	"gatehouse/lab"
	"gatehouse/sessions"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

const (
	guestZone    = "guest"
	paidZone     = "paid"
	paidBridge   = "br-paid"
	paidGateway4 = "192.168.90.1"
	paidGateway6 = "2001:db8:77:1::1"
)

// rig is a gateway between ends that send raw frames: stations are only addresses in frames.
type rig struct {
	*lab.Lab
	t       testing.TB
	witness *witness
	wires   map[place]*wire
	options options
	fw      sessions.Enforcer // nil while the daemon is dead
	close   func()            // of fw
	macs    map[string]mac    // of the gateway, by interface
	tags    atomic.Uint32
}

// options say what the gateway is like.
type options struct {
	open      func() (sessions.Enforcer, func(), error) // the backend, and how it is closed
	early     bool                                      // there is somebody who keeps something in marks
	small     bool                                      // the backend has neither caps nor gardens, see isBeyondSmall
	attended  bool                                      // in it sessions end only while somebody asks for their usage
	isolation isolate.Zone                              // of the zone of the stations
}

// newRig builds the lab and the ends, without a firewall.
func newRig(t testing.TB, o options) *rig {
	t.Helper()
	lab.RequireKernel(t)
	l, err := lab.New(t.Context(), lab.Options{ExtraBridges: []lab.Bridge{
		{Name: paidBridge, Net4: netip.MustParsePrefix(paidGateway4 + "/24"), Net6: netip.MustParsePrefix(paidGateway6 + "/64")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Lab: l, t: t, options: o, close: func() {}, witness: &witness{}, wires: map[place]*wire{}, macs: map[string]mac{}}
	r.witness.forget()
	t.Cleanup(func() {
		r.stop()
		r.witness.done.Wait()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	r.openEnds()
	r.serve()
	if o.early {
		r.run("nft", "table inet other { chain marks { type filter hook prerouting priority mangle; meta mark and 0x3f00 == 0x100 accept; }; }")
	}
	return r
}

// openEnds connects the ends and lets the gateway tell of every packet that it refuses.
func (r *rig) openEnds() {
	r.t.Helper()
	err := r.Gateway.Sysctl(map[string]string{"net/ipv4/icmp_ratelimit": "0", "net/ipv6/icmp/ratelimit": "0", "net/ipv4/icmp_msgs_per_sec": "1000000", "net/ipv4/icmp_msgs_burst": "1000000"})
	if err != nil {
		r.t.Log(err) // the latter two are the first namespace's on older kernels
	}
	r.wire(internet, r.WAN)
	r.wire(stations, r.port(lab.GuestBridge, "192.168.64.2/20"))
	r.wire(peers, r.port(lab.GuestBridge, "192.168.64.3/20"))
	r.wire(elsewhere, r.port(paidBridge, "192.168.90.2/24"))
	listenAtRouter(r.t, r.Gateway, r.witness, lab.GuestBridge)
	err = r.Gateway.Do(func() error {
		for _, name := range []string{lab.GuestBridge, paidBridge, lab.WANInterface} {
			link, err := net.InterfaceByName(name)
			if err != nil {
				return err
			}
			r.macs[name] = mac(link.HardwareAddr)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, addr := range []string{lab.ProviderWAN4, lab.ProviderWAN6} {
		if _, err := r.Gateway.Run(r.t.Context(), "busybox", "ping", "-c", "1", "-W", "2", addr); err != nil {
			r.t.Fatal(err)
		}
	}
}

// port is a host at a port of a bridge, whose own address nobody uses.
func (r *rig) port(bridge, addr string) *lab.Host {
	r.t.Helper()
	s, err := r.AddStation(r.t.Context(), lab.StationOptions{Bridge: bridge, Static: []netip.Prefix{netip.MustParsePrefix(addr)}})
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Host
}

func (r *rig) wire(at place, host *lab.Host) {
	r.t.Helper()
	r.wires[at] = newWire(r.t, at, host, &r.witness.done, func(frame []byte, _ time.Time) {
		if h, ok := parse(frame); ok {
			r.witness.sees(at, h, frame)
		}
	})
}

// serve starts the router's programs: a portal, and one that answers time queries.
func (r *rig) serve() {
	r.t.Helper()
	l, err := r.Gateway.Listen(r.t.Context(), "tcp", "[::]:2080")
	if err != nil {
		r.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the portal") })}
	r.witness.done.Go(func() { _ = server.Serve(l) })
	ntp, err := r.Gateway.ListenPacket(r.t.Context(), "udp", "[::]:123")
	if err != nil {
		r.t.Fatal(err)
	}
	r.witness.done.Go(func() {
		b := make([]byte, 1500)
		for {
			n, from, err := ntp.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = ntp.WriteTo(b[:n], from)
		}
	})
	r.t.Cleanup(func() { _ = server.Close(); _ = ntp.Close() })
}

func (r *rig) run(name string, args ...string) string {
	r.t.Helper()
	out, err := r.Gateway.Run(r.t.Context(), name, args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// restart puts a new firewall in the place of the old one, as a new daemon would.
func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.must(r.Gateway.Do(func() (err error) {
		if r.fw, r.close, err = r.options.open(); err == nil && r.options.isolation.Isolated {
			r.fw, r.close, err = r.isolating(r.fw, r.close)
		}
		return err
	}))
	r.fw = inside{r.fw, r.Gateway}
}

// isolating is the firewall with isolation around it.
func (r *rig) isolating(fw sessions.Enforcer, closeFirewall func()) (sessions.Enforcer, func(), error) {
	zone := r.options.isolation
	zone.Name, zone.Interfaces = guestZone, []string{lab.GuestBridge}
	c, err := clock.System()
	if err != nil {
		return nil, closeFirewall, err
	}
	around, err := isolate.Around(fw, isolate.Config{Zones: []isolate.Zone{zone}, Clock: c, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, closeFirewall, err
	}
	return around, func() { around.Close(); closeFirewall() }, nil
}

// openNFTables opens the nftables backend.
func openNFTables() (sessions.Enforcer, func(), error) {
	fw, err := nftables.New(nftables.Config{Logger: slog.New(slog.DiscardHandler), Zones: []nftables.Zone{
		{Name: guestZone, Interfaces: []string{lab.GuestBridge}, Masquerade: true, Reach: true, Garden: []nftables.Garden{
			{Prefix: netip.MustParsePrefix("198.51.100.0/24")}, {Prefix: netip.MustParsePrefix("2001:db8:6a::/64")}}},
		{Name: paidZone, Interfaces: []string{paidBridge}, Masquerade: true},
	}})
	if err != nil {
		return nil, func() {}, err
	}
	return fw, func() { _ = fw.Close() }, nil
}

// stop is the daemon's death.
func (r *rig) stop() {
	r.close()
	r.close, r.fw = func() {}, nil
}

func (r *rig) reconcile(want ...sessions.Grant) {
	r.t.Helper()
	r.must(r.fw.Reconcile(r.t.Context(), want))
}

// checkForm checks that the rules of the nftables backend have the form that the test is for.
func (r *rig) checkForm() {
	r.t.Helper()
	rules := r.run("nft", "list", "table", "inet", "gatehouse")
	if strings.Contains(rules, "hook prerouting priority mangle - 10") != r.options.early {
		r.t.Fatalf("the rules have not the form that they should have (early: %v):\n%s", r.options.early, rules)
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) tag() uint32 { return r.tags.Add(1) }

// wait lets time pass.
func (r *rig) wait(d time.Duration) {
	select {
	case <-time.After(lab.Patience(d)):
	case <-r.t.Context().Done():
	}
}

func (r *rig) eventually(check func() error) {
	r.t.Helper()
	r.must(lab.WaitFor(r.t.Context(), 10*time.Second, check))
}

// know makes the gateway know the stations: nobody here answers when it asks.
func (r *rig) know(all []*station) {
	r.t.Helper()
	var batch strings.Builder
	for _, s := range all {
		for _, addr := range s.addr {
			fmt.Fprintf(&batch, "neigh replace %s lladdr %s dev %s nud permanent\n", addr, net.HardwareAddr(s.mac[:]), s.bridge())
		}
	}
	cmd := r.Gateway.Command(r.t.Context(), "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(batch.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%v: %s", err, out)
	}
}

// somewhere is an address of the internet that nobody has used before, so that no packet falls into the flow of another.
func (r *rig) somewhere(v6 bool) netip.Addr {
	n := r.tags.Add(1)
	if v6 {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)})
	}
	a := [4]byte{198, 18}
	binary.BigEndian.PutUint16(a[2:], uint16(n))
	a[1] += byte(n >> 16 & 1)
	return netip.AddrFrom4(a)
}

// reach gives a captive station a way out to any public address.
func (r *rig) reach(s *station) {
	r.t.Helper()
	fw := r.fw.(inside).Enforcer
	if around, ok := fw.(*isolate.Isolator); ok {
		fw = around.Enforcer
	}
	r.must(fw.(*nftables.Firewall).OpenReach(r.t.Context(), sessions.Reach{Station: s.id(), Ports: []uint16{443, 993, 995}, For: time.Hour}))
}
