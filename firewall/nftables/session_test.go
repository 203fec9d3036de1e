package nftables_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/sessions"
)

func TestAdmitted(t *testing.T) { inBothForms(t, testAdmitted) }

func testAdmitted(t *testing.T, newGate gateMaker) {
	g := newGate(t, lab.Options{}, guestZone())
	s := g.station(lab.StationOptions{})
	other := g.station(lab.StationOptions{})
	// Neighbour discovery has the gateway at its other end.
	count, err := g.WAN.Count(t.Context(), lab.PeerInterface, func(p lab.Packet) bool {
		ends := []string{p.Src.Addr().String(), p.Dst.Addr().String()}
		return slices.Contains(ends, s.Addr6.String()) || slices.Contains(ends, lab.WebAddr4)
	})
	if err != nil {
		t.Fatal(err)
	}
	g.admit(grant(s, "s1"))
	g.wantOnline(s)
	for _, addr := range web {
		if err := s.Ping(t.Context(), addr); err != nil {
			t.Error(err)
		}
		if got := fetch(s.Host, bracket(addr), "/bytes?n=300000"); len(got) == 0 {
			t.Error("no download")
		}
	}
	g.wantPage(s, lab.GuestGateway4, portalText) // the router stays closed
	g.wantTCP(s.Host, lab.GatewayWAN4, "22", lab.Refused)
	g.wantCaptive(other)
	g.steady("s1")
	r := g.settled("s1", count)
	if !r.Live || r.Idled || r.IdleLeft >= 0 || r.Station != in("guest", s) {
		t.Errorf("reading is %+v", r)
	}
	// Nothing new from outside: the internet cannot begin to talk to a station.
	g.wantTCP(g.WAN, s.Addr6.String(), "22", lab.Refused)
	final := g.cut(s)
	if final.Live || final.AcctSessionID != "s1" || final.Usage != r.Usage {
		t.Errorf("final reading %+v differs from %+v", final, r)
	}
	g.wantCaptive(s)
	if err := g.fw.Release(t.Context(), in("guest", s)); err != nil {
		t.Fatal(err)
	}
	if _, ok := g.reading("s1"); ok {
		t.Error("a released grant is still read")
	}
}

// settled waits until the octets counted by the firewall are those that the internet saw.
func (g *gate) settled(session string, count *lab.Capture) (r sessions.Reading) {
	g.t.Helper()
	eventually(g.t.Context(), g.t, func() error {
		sent, received := count.Octets()
		r, _ = g.reading(session)
		if r.Usage.InputOctets != received || r.Usage.OutputOctets != sent || received == 0 {
			return fmt.Errorf("the firewall counted %+v; the internet received %d octets and sent %d", r.Usage, received, sent)
		}
		return nil
	})
	return r
}

func TestRevoked(t *testing.T) { inBothForms(t, testRevoked) }

func testRevoked(t *testing.T, newGate gateMaker) {
	g := newGate(t, lab.Options{}, guestZone())
	s := g.station(lab.StationOptions{})
	g.admit(grant(s, "s1"))
	var flows []*traffic
	for _, addr := range web {
		flows = append(flows, g.startTraffic(s, addr, "9000"))
	}
	g.wait(200 * time.Millisecond)
	before := time.Now()
	g.cut(s)
	g.wait(300 * time.Millisecond)
	for _, f := range flows {
		f.end()
		for _, w := range f.ways() {
			w.wantCut(t, before, 10*time.Millisecond, 100*time.Millisecond)
		}
	}
	g.wantCaptive(s)
	g.admit(grant(s, "s2"))
	g.wantOnline(s)
}

func TestSessionTimeout(t *testing.T) { inBothForms(t, testSessionTimeout) }

func testSessionTimeout(t *testing.T, newGate gateMaker) {
	g := newGate(t, lab.Options{}, guestZone())
	s := g.station(lab.StationOptions{})
	const timeout = 2 * time.Second
	timed := grant(s, "s1")
	timed.Timeout = time.Hour
	g.admit(timed)
	var flows []*traffic
	for _, addr := range web {
		flows = append(flows, g.startTraffic(s, addr, "9000"))
	}
	timed.Timeout = timeout // the same session gets a new end, and keeps its counters
	before := time.Now()
	g.admit(timed)
	took := time.Since(before)
	if r, _ := g.reading("s1"); r.Usage.InputPackets == 0 {
		t.Error("admitting again reset the counters")
	}
	if err := g.fw.Close(); err != nil { // nobody is there when it ends
		t.Fatal(err)
	}
	g.wait(timeout + 500*time.Millisecond)
	for _, f := range flows {
		f.end()
		for _, w := range f.ways() {
			w.wantCut(t, before.Add(timeout), 10*time.Millisecond, 10*time.Millisecond+took)
		}
	}
	g.fw = nil
	g.restart()
	r, ok := g.reading("s1")
	if !ok || r.Live || r.Idled || r.Usage.OutputPackets == 0 {
		t.Errorf("what the kernel left behind: %+v", r)
	}
	g.reconcile()
	if _, ok := g.reading("s1"); ok {
		t.Error("the ended session was not released")
	}
	g.wantCaptive(s)
}

func TestIdleTimeout(t *testing.T) { inBothForms(t, testIdleTimeout) }

func testIdleTimeout(t *testing.T, newGate gateMaker) {
	idleCuts(t, newGate(t, lab.Options{}, guestZone()))
}

// So many different idle timeouts that some stations have theirs alone; also after a restart.
func TestIdleTimeouts(t *testing.T) { inBothForms(t, testIdleTimeouts) }

func testIdleTimeouts(t *testing.T, newGate gateMaker) {
	g := newGate(t, lab.Options{}, guestZone())
	var others []sessions.Grant
	for i := range 8 {
		other := crowd(i)
		other.IdleTimeout = time.Duration(i+1) * time.Minute
		others = append(others, other)
		g.admit(other)
	}
	g.restart()
	g.reconcile(others...)
	for _, other := range others {
		r, _ := g.reading(other.AcctSessionID)
		if left := other.IdleTimeout - r.IdleLeft; !r.Live || left < 0 || left > 20*time.Second {
			t.Errorf("of %v are left: %+v", other.IdleTimeout, r)
		}
	}
	idleCuts(t, g)
	g.reconcile(others[7])
	if chains := g.nft("list", "table", "inet", "gatehouse"); strings.Count(chains, "chain idle_") != 2 {
		t.Errorf("chains of idle timeouts that nobody has: %s", chains)
	}
}

func idleCuts(t *testing.T, g *gate) {
	silent, talking := g.station(lab.StationOptions{}), g.station(lab.StationOptions{})
	idle := lab.Patience(1500 * time.Millisecond)
	for i, s := range []*lab.Station{silent, talking} {
		idling := grant(s, "s"+string(rune('1'+i)))
		idling.IdleTimeout = idle
		g.admit(idling)
	}
	for _, addr := range web {
		f := g.startTraffic(silent, addr, "9000")
		talk := g.startTraffic(talking, addr, "9001")
		g.wait(300 * time.Millisecond)
		if r, _ := g.reading("s1"); !r.Live || r.IdleLeft < idle-lab.Patience(100*time.Millisecond) || r.IdleLeft > idle {
			t.Errorf("reading of a talking station: %+v", r)
		}
		f.up.silence()
		g.wait(idle + 500*time.Millisecond)
		up := f.up.sent.Packets()
		f.down.wantCut(t, up[len(up)-1].At.Add(idle), 10*time.Millisecond, 10*time.Millisecond)
		f.end()
		talk.end()
		talk.up.wantLossless(t)
		talk.down.wantLossless(t)
		if r, _ := g.reading("s1"); r.Live || !r.Idled || r.IdleLeft >= 0 {
			t.Errorf("reading of an idle station: %+v", r)
		}
		g.wantCaptive(silent)
		again := grant(silent, "s1")
		again.IdleTimeout = idle
		g.admit(again)
	}
}

// An idle timeout that a running session gets holds for the flows that it has.
func TestIdleTimeoutAdded(t *testing.T) { inBothForms(t, testIdleTimeoutAdded) }

func testIdleTimeoutAdded(t *testing.T, newGate gateMaker) {
	g := newGate(t, lab.Options{}, guestZone())
	s := g.station(lab.StationOptions{})
	g.admit(grant(s, "s1"))
	f := g.startTraffic(s, lab.WebAddr6, "9000")
	idling := grant(s, "s1")
	idling.IdleTimeout = time.Second
	g.admit(idling)
	g.wait(200 * time.Millisecond)
	f.up.silence()
	g.wait(idling.IdleTimeout + 300*time.Millisecond)
	f.end()
	up := f.up.sent.Packets()
	f.down.wantCut(t, up[len(up)-1].At.Add(idling.IdleTimeout), 10*time.Millisecond, 10*time.Millisecond)
}

func TestRestart(t *testing.T) { inBothForms(t, testRestart) }

func testRestart(t *testing.T, newGate gateMaker) {
	g := newGate(t, lab.Options{}, guestZone())
	s, gone := g.station(lab.StationOptions{}), g.station(lab.StationOptions{})
	keep := grant(s, "s1")
	keep.Timeout, keep.IdleTimeout = time.Hour, time.Minute
	g.admit(keep, grant(gone, "s2"))
	var flows []*traffic
	for _, addr := range web {
		flows = append(flows, g.startTraffic(s, addr, "9000"))
	}
	g.wait(100 * time.Millisecond)
	before, _ := g.reading("s1")
	for range 5 {
		g.restart()
		if r, ok := g.reading("s1"); !ok || !r.Live || r.Usage.InputPackets < before.Usage.InputPackets || r.IdleLeft > time.Minute {
			t.Fatalf("before Reconcile: %+v", r)
		}
		again := keep
		again.Timeout = 30 * time.Minute // what agrees is left alone
		g.reconcile(again)
	}
	g.wait(100 * time.Millisecond)
	var up, down uint64
	for _, f := range flows {
		f.end()
		up += f.up.wantLossless(t)
		down += f.down.wantLossless(t)
	}
	if r, _ := g.reading("s1"); r.Usage.InputPackets != up || r.Usage.OutputPackets != down {
		t.Errorf("counted %d up, %d down; passed %d, %d", r.Usage.InputPackets, r.Usage.OutputPackets, up, down)
	}
	if _, ok := g.reading("s2"); ok {
		t.Error("a session that nobody wants is still there")
	}
	g.wantCaptive(gone)
	g.wantOnline(s)
}
