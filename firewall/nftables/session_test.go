package nftables_test

import (
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/sessions"
)

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
	one, other := grant(silent, "s1"), grant(talking, "s2")
	one.IdleTimeout, other.IdleTimeout = idle, idle
	for _, addr := range web {
		f := g.startTraffic(silent, addr, "9000", one)
		talk := g.startTraffic(talking, addr, "9001", other)
		g.wait(300 * time.Millisecond)
		up := f.up.arrived.Packets()
		r, _ := g.reading("s1")
		spoke := time.Since(up[len(up)-1].At) // or later
		if !r.Live || r.IdleLeft < idle-spoke-lab.Patience(20*time.Millisecond) || r.IdleLeft > idle {
			t.Errorf("reading of a station that spoke %v ago: %+v", spoke, r)
		}
		f.up.silence()
		g.wait(idle + 500*time.Millisecond)
		up = f.up.arrived.Packets()
		f.down.wantCut(t, up[len(up)-1].At.Add(idle), 10*time.Millisecond, 10*time.Millisecond)
		f.end()
		talk.end()
		talk.up.wantLossless(t)
		talk.down.wantLossless(t)
		if r, _ := g.reading("s1"); r.Live || !r.Idled || r.IdleLeft >= 0 {
			t.Errorf("reading of an idle station: %+v", r)
		}
		g.wantCaptive(silent)
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
	up := f.up.arrived.Packets()
	f.down.wantCut(t, up[len(up)-1].At.Add(idling.IdleTimeout), 10*time.Millisecond, 10*time.Millisecond)
}
