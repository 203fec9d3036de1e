package nftables_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// A flow's packets are all of one size, so that a cap lets a whole number of them through.
const (
	packet4 = 20 + 8 + 100
	packet6 = 40 + 8 + 100
)

func (w *way) passed() int { return len(w.arrived.Packets()) }

// wantPassed waits until so many packets of a flow have arrived, and a while longer for the one too many.
func (g *gate) wantPassed(what string, want int, passed func() int) {
	g.t.Helper()
	eventually(g.t.Context(), g.t, func() error {
		if got := passed(); got < want {
			return fmt.Errorf("%s: %d packets passed, want %d", what, got, want)
		}
		return nil
	})
	g.wait(100 * time.Millisecond)
	if got := passed(); got != want {
		g.t.Errorf("%s: %d packets passed, want %d", what, got, want)
	}
}

func TestCaps(t *testing.T) { inBothForms(t, testCaps) }

func testCaps(t *testing.T, newGate gateMaker) {
	g := newGate(t, lab.Options{}, guestZone())
	s := g.station(lab.StationOptions{})
	capped := grant(s, "s1")
	capped.Timeout, capped.IdleTimeout = time.Hour, time.Minute
	with := func(version uint32, up, down, total uint64) {
		t.Helper()
		capped.Caps = []sessions.Cap{{Name: "session s1", Version: version, Up: up, Down: down, Total: total}}
		g.admit(capped)
	}
	with(1, 10*packet4, 0, 0)
	f := g.startTraffic(s, lab.WebAddr4, "9000") // sends on and on, whatever passes
	g.wantPassed("up", 10, f.up.passed)
	r, _ := g.reading("s1")
	if !r.Live || !r.Capped || r.Usage.InputPackets != 10 || r.Usage.OutputPackets <= 10 {
		t.Errorf("capped in one direction: %+v", r)
	}
	with(1, 1000*packet4, 0, 0) // the same version: nothing begins anew
	g.wantPassed("up, again", 10, f.up.passed)
	with(2, 7*packet4+packet4-2, 0, 0)
	g.wantPassed("up, extended", 17, f.up.passed)

	g.restart()
	if r, ok := g.reading("s1"); !ok || !r.Capped || r.Usage.InputPackets != 17 {
		t.Errorf("after a restart: %+v", r)
	}
	g.reconcile(capped)
	g.wantPassed("up, after a restart", 17, f.up.passed)
	with(3, 0, 5*packet4, 0)
	before := f.down.passed() // some arrive before they are counted against the cap
	g.wait(200 * time.Millisecond)
	if got := f.down.passed() - before; got > 6 {
		t.Errorf("%d packets more came down, want 5", got)
	}
	with(4, 0, 0, 1) // neither way
	g.wait(50 * time.Millisecond)
	base := f.up.passed() + f.down.passed()
	with(5, 0, 0, 40*packet4)
	g.wantPassed("both ways", base+40, func() int { return f.up.passed() + f.down.passed() })
	r, _ = g.reading("s1")
	if r.Usage.InputPackets != uint64(f.up.passed()) || r.Usage.OutputPackets != uint64(f.down.passed()) {
		t.Errorf("counted %+v, passed %d up and %d down", r.Usage, f.up.passed(), f.down.passed())
	}

	g.nft("delete", "table", "inet", "gatehouse")
	capped.Caps[0].Total = 1
	if err := g.tryReconcile(capped); err != nil {
		t.Fatal(err)
	}
	g.wait(50 * time.Millisecond)
	base = f.up.passed() + f.down.passed() // without a table nothing is held back
	with(6, 0, 0, 3*packet4)
	g.wantPassed("with new tables", base+3, func() int { return f.up.passed() + f.down.passed() })
	capped.Caps = nil
	g.admit(capped)
	g.wantOnline(s)
	if out := g.nft("list", "quotas"); len(out) > 0 && out != "table inet gatehouse {\n}\n" {
		t.Errorf("quotas that nobody has are still there:\n%s", out)
	}
	if r, _ := g.reading("s1"); r.Capped {
		t.Error("without a cap it is capped")
	}
}

// Stations share a cap of one name, in both families; what it refuses is not charged to their own.
func TestSharedCap(t *testing.T) {
	t.Parallel()
	for _, names := range [][2]string{{"one", "two"}, {"two", "one"}} { // names decide which cap is counted against first
		t.Run("own "+names[0], func(t *testing.T) { testSharedCap(t, names[0], names[1]) })
	}
}

func testSharedCap(t *testing.T, own, shared string) {
	g := newGate(t, lab.Options{}, guestZone())
	var capped atomic.Int64
	g.cfg.Capped = func() { capped.Add(1) }
	g.restart()
	g.reconcile()
	watch(t, g)
	a, b := g.station(lab.StationOptions{}), g.station(lab.StationOptions{})
	account := func(version uint32, octets uint64) sessions.Cap {
		return sessions.Cap{Name: shared, Version: version, Up: octets}
	}
	one, two := grant(a, "a"), grant(b, "b")
	g.admit(one, two)
	fa, fb := g.startTraffic(a, lab.WebAddr6, "9000"), g.startTraffic(b, lab.WebAddr6, "9001")
	if capped.Load() != 0 {
		t.Error("a cap is reached, and there is none")
	}
	one.Caps, two.Caps = []sessions.Cap{account(1, 1)}, []sessions.Cap{account(1, 1)} // nothing passes
	g.admit(one, two)
	g.wait(50 * time.Millisecond)
	base, baseA := fa.up.passed()+fb.up.passed(), fa.up.passed()
	both := func() int { return fa.up.passed() + fb.up.passed() - base }
	one.Caps = []sessions.Cap{{Name: own, Version: 1, Up: 40 * packet6}, account(2, 20*packet6)}
	two.Caps = []sessions.Cap{account(2, 20*packet6)}
	g.admit(one, two)
	g.wantPassed("two stations", 20, both)
	eventually(t.Context(), t, func() error {
		if capped.Load() == 0 {
			return fmt.Errorf("nobody was told that the cap is reached")
		}
		return nil
	})

	g.restart()
	g.reconcile(one, two)
	g.wantPassed("after a restart", 20, both)
	two.Caps = []sessions.Cap{account(3, 1000*packet6)}
	g.admit(two) // for both
	eventually(t.Context(), t, func() error {
		if got := both(); got < 200 {
			return fmt.Errorf("%d packets passed", got)
		}
		return nil
	})
	// A packet that two caps meet counts against the first although the second refuses it; the next one does not.
	if got := fa.up.passed() - baseA; got < 39 || got > 40 {
		t.Errorf("the station's own cap let %d packets through, want 39 or 40", got)
	}
	g.cut(b)
	if r, _ := g.reading("a"); !r.Capped || !r.Live {
		t.Errorf("capped by its own: %+v", r)
	}
	g.cut(a)
	if out := g.nft("list", "quotas"); out != "" && out != "table inet gatehouse {\n}\n" {
		t.Errorf("quotas that nobody has are still there:\n%s", out)
	}
}

func watch(t *testing.T, g *gate) {
	ctx, stop := context.WithCancel(t.Context())
	watched, fw := make(chan error, 1), g.fw
	go func() {
		watched <- g.Gateway.Do(func() error { return fw.Watch(ctx, func() {}) })
	}()
	t.Cleanup(func() {
		stop()
		if err := <-watched; err != nil {
			t.Error(err)
		}
	})
}
