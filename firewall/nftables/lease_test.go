package nftables_test

import (
	"testing"
	"time"

	"gatehouse/lab"
)

// An idle timeout that leases stretch ends at most a second late and never early, and who talks stays in.
func TestLeasedIdleTimeout(t *testing.T) {
	inBothForms(t, func(t *testing.T, newGate gateMaker) {
		g := newGate(t, lab.Options{}, guestZone())
		silent, talking := g.station(lab.StationOptions{}), g.station(lab.StationOptions{})
		const idle = 10 * time.Second
		for i, s := range []*lab.Station{silent, talking} {
			idling := grant(s, "s"+string(rune('1'+i)))
			idling.IdleTimeout = idle
			g.admit(idling)
		}
		f, talk := g.startTraffic(silent, lab.WebAddr4, "9000"), g.startTraffic(talking, lab.WebAddr6, "9001")
		g.wait(time.Second)
		f.up.silence()
		g.wait(idle + 1500*time.Millisecond)
		up := f.up.arrived.Packets()
		f.down.wantCut(t, up[len(up)-1].At.Add(idle), 10*time.Millisecond, time.Second)
		f.end()
		talk.end()
		talk.up.wantLossless(t)
		talk.down.wantLossless(t)
		g.wantCaptive(silent)
	})
}
